"""What is compared: fixed before the runs whose results are reported.

An arm is a set of recipe fields that differ from ``BASE``. Every arm makes as many optimizer steps
and generates about as many tokens in each: an answer is twice as long as a program, so the arms
have unequal numbers of groups. ``grpo_few`` generates less, as much code as ``default``, and so
does ``decaying``, whose questions fade out.
"""

from copy import deepcopy
from typing import Any

from trainer_client.micro.model import Size
from trainer_client.micro.problems import Hide
from trainer_client.micro.warmstart import Phase

__all__ = [
    "ARMS",
    "COMMENTED",
    "HIDE",
    "HYPOTHESES",
    "SIZE",
    "STEPS",
    "phases",
    "recipe_fields",
    "start_of",
]

GROUP = 8
HIDE: Hide = "one"
"""Every statement hides an operation. A start writes what a statement names nearly always right;
what is left to learn is to find, from examples, the operation that does this to a string."""
STEPS = 200
SIZE = Size(width=128, layers=3, heads=8)
TOKENS = 48
"""Of a completion at most; a reference has at most 40."""
COMMENTED_TOKENS = 80
"""The same with comments."""
COMMENTED = "commented"
"""The arms whose names begin so start from a model that writes the values on the first example
behind its lines."""

Fields = dict[str, Any]


def phases(seed: int, commented: bool) -> tuple[Phase, ...]:
    """The warm start: writing programs, predicting variables or the output of programs, and
    predicting from the statement alone. It ends where every fifth sampled program passes and the
    variables of every second are predicted: both objectives have room."""
    phase = Phase(
        steps=750,
        batch=32,
        writing=0.4,
        bugs=0.0,
        muon_learning_rate=6e-3,
        adam_learning_rate=3e-3,
        seed=100 + seed,
        predicting=0.1,
        returned=0.3,
        hide=HIDE,
        commented=commented,
    )
    return (phase,)


def start_of(arm: str) -> str:
    """The name of the warm start of an arm; of a start its own."""
    return "start_commented" if COMMENTED in arm else "start"


def _aligned(code: int, asked: int, **alignment: Any) -> Fields:
    """Groups of programs and groups of answers in each step."""
    return {
        "alignment": {"enabled": True, "groups": asked, **alignment},
        "grpo": {"per_device_train_batch_size": code * GROUP},
    }


def _plain(groups: int) -> Fields:
    return {
        "alignment": {"enabled": False},
        "grpo": {"per_device_train_batch_size": groups * GROUP},
    }


_PAPER = {
    "input": "first",
    "exceptions": False,
    "ask_return": True,
    "max_variables": 3,
    "choose": "last",
    "skip_copied": False,
    "unique": "output",
    "reward": "paper",
}
"""The released code's choices, on functions instead of scripts: what the call returns takes the
place of standard output, and the function's variables that of the module's."""

ARMS: dict[str, Fields] = {
    "grpo": _plain(13),
    "grpo_few": _plain(6),
    "paper": _aligned(6, 4, questions=_PAPER),
    "default": _aligned(6, 4),
    "passed_and_failed": _aligned(6, 4, questions={"programs": "all"}),
    "prebuilt": _aligned(6, 4, prebuilt="{start}/prebuilt.jsonl"),
    "output_only": _aligned(8, 6, questions={"ask_return": True, "max_variables": 0}),
    "alignment_alone": _aligned(6, 4) | {"reward": {"weight": 0.0}},
    "ratio_20": _aligned(9, 2),
    "ratio_60": _aligned(4, 5),
}
"""``default``, ``paper`` and the ablations of ``default`` (ratio 0.4)."""

HYPOTHESES: dict[str, Fields] = {
    "spread": _aligned(6, 4, choose="spread"),
    "downstream": _aligned(6, 4, questions={"downstream": True}),
    "near_misses": _aligned(6, 4, questions={"from_groups": "mixed"}),
    "decaying": _aligned(6, 4, schedule="linear"),
    "same_step": _aligned(6, 4, mode="same_step"),
    "commented_grpo": _plain(10),
    "commented": _aligned(
        6,
        4,
        questions={
            "format": "trainer_client.micro.alignment:CommentedFormat",
        },
    ),
}
"""Ways in which alignment might pay, tried on the development split and confirmed, or not, on
fresh seeds and the held-out split."""

BASE: Fields = {
    "model": {"type": "micro", "path": "{start}"},
    "data": {"type": "micro", "split": "train", "count": 4000, "hide": HIDE},
    "reward": {"extract": "raw"},
    "alignment": {
        "max_prompt_tokens": 128,
        "questions": {
            "format": "trainer_client.micro.alignment:MicroFormat",
            "exceptions": False,
            "skip_copied": True,
            "max_traces": 24,
            "max_variables": 4,
            "max_value_chars": 26,
        },
    },
    "optimizer": {"type": "muon", "learning_rate": 6e-4, "adamw_learning_rate": 2e-4},
    "grpo": {
        "max_steps": STEPS,
        "lr_scheduler_type": "linear",
        "num_generations": GROUP,
        "max_completion_length": TOKENS,
        "temperature": 1.0,
        "beta": 0.0,
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
        "report_to": "none",
    },
}


def recipe_fields(arm: str, seed: int, start: str, output: str) -> Fields:
    """The recipe of one run. Raises ``KeyError`` for an arm that is not known."""
    fields = _merged(deepcopy(BASE), {**ARMS, **HYPOTHESES}[arm])
    fields["data"]["seed"] = 1000 + seed
    if arm.startswith(COMMENTED):
        fields["grpo"]["max_completion_length"] = COMMENTED_TOKENS
        # Questions leave the comments out: a value in one is not there to be copied.
        fields["reward"]["extract"] = "trainer_client.micro.alignment:without_comments"
    filled: Fields = _filled(fields, start)
    return filled | {"seed": seed, "output_dir": output}


def _merged(base: Fields, over: Fields) -> Fields:
    merged = dict(base)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def _filled(value: Any, start: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, start) for name, inner in value.items()}
    return value.replace("{start}", start) if isinstance(value, str) else value
