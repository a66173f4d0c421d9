"""Supervised warm start: write programs, and predict the variables of programs.

Stops early on purpose. A converged start leaves reinforcement learning nothing to do. So the last
phase trains on programs of which some have a bug, and on values of which some are stale, like code
and comments found anywhere: the model then knows the right steps and values, and as often as its
corpus it writes a wrong one.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from executor_api.wire import CallSpec
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.micro.alignment import CommentedFormat, MicroFormat, correct_answer
from trainer_client.micro.family import OPERATIONS, Operation, Split, program, run, structures
from trainer_client.micro.model import VETTED, Size, new_model
from trainer_client.micro.problems import Draft, Hide, draft
from trainer_client.micro.tokenizer import train_tokenizer

__all__ = [
    "PHASES",
    "Example",
    "Phase",
    "encode",
    "examples",
    "optimizers",
    "predicting",
    "warm_start",
]

IGNORED = -100
TOKENIZER_EXAMPLES = 6000


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of supervised training."""

    steps: int
    batch: int
    writing: float
    """Share of examples that write a program; the rest predict variables."""
    bugs: float
    """Share of the written programs in which one step is not the statement's."""
    muon_learning_rate: float
    adam_learning_rate: float
    seed: int
    hide: Hide = 0.2
    stale: float = 0.0
    """Share of the questions about variables whose answer is that of the program with another
    step in the place of one."""
    predicting: float = 0.0
    """Share of all examples that say what ``f`` gives for a further input, from the statement."""
    returned: float = 0.0
    """Share of the questions about a program that ask only for what it returns, and share of
    those that ask for it behind the variables."""
    commented: bool = False
    """Written programs carry the values on the first example as comments, and questions about
    programs ask for them (``CommentedFormat``)."""


PHASES = (
    Phase(900, 64, 0.08, 0.0, muon_learning_rate=6e-3, adam_learning_rate=3e-3, seed=0),
    Phase(180, 48, 0.25, 0.4, muon_learning_rate=3e-3, adam_learning_rate=1e-3, seed=5, stale=0.45),
)
"""The vetted schedule."""


@dataclass(frozen=True, slots=True)
class Example:
    prompt: str
    completion: str


def warm_start(
    phases: Sequence[Phase], log: Callable[[int, float], None], size: Size = VETTED
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Train tokenizer and model from nothing on the warm-start split; ``log(step, loss)``."""
    corpus = islice(examples(phases[0]), TOKENIZER_EXAMPLES)
    tokenizer = train_tokenizer(example.prompt + example.completion for example in corpus)
    model = new_model(tokenizer, phases[0].seed, size)
    for phase in phases:
        _train(model, tokenizer, phase, log)
    return model, tokenizer


def _train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    phase: Phase,
    log: Callable[[int, float], None],
) -> None:
    corpus = examples(phase)
    steppers = optimizers(model, phase.muon_learning_rate, phase.adam_learning_rate)
    for step in range(phase.steps):
        batch = encode(tokenizer, list(islice(corpus, phase.batch)))
        log(step, _step(model, steppers, batch, _schedule(step, phase.steps)))


def optimizers(
    model: LlamaForCausalLM, muon: float, adam: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return (
        torch.optim.Muon(matrices, lr=muon, weight_decay=0.0),
        torch.optim.AdamW(others, lr=adam, weight_decay=0.0),
    )


def encode(tokenizer: PreTrainedTokenizerFast, batch: list[Example]) -> dict[str, Tensor]:
    """Right-padded ``input_ids``, ``attention_mask`` and ``labels``, each (B, T)."""
    rows = [_row(tokenizer, example) for example in batch]
    width = max(len(ids) for ids, _ in rows)
    pad = tokenizer.pad_token_id
    return {
        "input_ids": torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows]),
        "attention_mask": torch.tensor(
            [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows]
        ),
        "labels": torch.tensor([labels + [IGNORED] * (width - len(labels)) for _, labels in rows]),
    }


def _row(tokenizer: PreTrainedTokenizerFast, example: Example) -> tuple[list[int], list[int]]:
    prompt = tokenizer.encode(example.prompt)
    completion = [*tokenizer.encode(example.completion), tokenizer.eos_token_id]
    return prompt + completion, [IGNORED] * len(prompt) + completion


def _step(
    model: LlamaForCausalLM,
    steppers: tuple[torch.optim.Optimizer, ...],
    batch: dict[str, Tensor],
    scale: float,
) -> float:
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for stepper in steppers:
        for group in stepper.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * scale
        stepper.step()
        stepper.zero_grad()
    return float(loss.detach())


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up over 50 steps, linear decay to zero over the last half."""
    return min(1.0, (step + 1) / 50, 2 * (steps - step) / steps)


def examples(phase: Phase) -> Iterator[Example]:
    """What a phase trains on, without end; the same phase gives the same."""
    rng = random.Random(phase.seed)
    known = structures(Split.WARM_START)
    while True:
        problem = draft(rng.choice(known), phase.hide, rng)
        task = rng.random()
        if task < phase.writing:
            yield _writing(problem, phase, rng)
        elif task < phase.writing + phase.predicting:
            yield predicting(problem, problem.inputs[-1])
        else:
            if phase.commented:
                yield _commenting(problem)
                continue
            with_parameter = rng.random() < 0.5
            drawn = rng.random() if phase.returned else 1.0
            variables, returned = drawn >= phase.returned, drawn < 2 * phase.returned
            computed = run(_edited(problem, phase.stale, rng), problem.inputs[0])
            yield _tracing(problem, computed, with_parameter, variables, returned)


def _writing(problem: Draft, phase: Phase, rng: random.Random) -> Example:
    shown = problem.inputs[0] if phase.commented else None
    return Example(problem.prompt, program(_edited(problem, phase.bugs, rng), shown))


def _edited(problem: Draft, share: float, rng: random.Random) -> list[Operation]:
    """The problem's steps; in this share of cases, with another in the place of one."""
    steps = list(problem.structure)
    if share and rng.random() < share:
        steps[rng.randrange(len(steps))] = rng.choice(OPERATIONS)
    return steps


def predicting(problem: Draft, given: str) -> Example:
    """What a right program returns, from the statement and its examples alone."""
    prompt = f"{problem.prompt}# f({given!r}) is ?\n"
    return Example(prompt, f"{run(problem.structure, given)[-1]!r}\n")


def _commenting(problem: Draft) -> Example:
    given = problem.inputs[-1]
    sample = AlignmentSample(
        program=problem.reference, call=CallSpec(function="f", args=[given]), variables={}
    )
    return Example(CommentedFormat().prompt(sample), program(problem.structure, given))


def _tracing(
    problem: Draft, computed: list[str], with_parameter: bool, variables: bool, returned: bool
) -> Example:
    """What the reference is said to compute. It is a wrong program for every other problem, so
    programs right and wrong look alike here."""
    given = problem.inputs[0]
    values = dict(zip(("f.s", "f.x", "f.y", "f.z"), [given, *computed], strict=False))
    if not with_parameter:
        del values["f.s"]
    sample = AlignmentSample(
        program=problem.reference,
        call=CallSpec(function="f", args=[given]),
        variables={name: repr(v) for name, v in values.items()} if variables else {},
        returned=repr(values[max(values)]) if returned else None,
    )
    return Example(MicroFormat().prompt(sample), correct_answer(sample))
