"""Do the hidden states of a trained policy hold the values of variables more readily?

    python -m experiments.probes --seeds 1 2 3 4 5        # after `python -m experiments.micro`

A linear probe reads, from the state of one layer at a variable, the first letter of the variable's
value and its length. It learns on some structures and is tested on others. Twice:

*writing*: the policy reads a statement with its examples and the program that solves it, as when it
had written that program itself. The state is that at the end of the line that assigns the variable,
the value that of the first example. The last assignment is left out: its value, the example's
output, stands in the statement. The others do not: the policy has no use for them but to know what
the program does.

*asked*: the policy reads the program and a question about its variables on that input. The state is
that at the variable's name in the question, before any answer.

Control task (Hewitt and Liang 2019, arXiv 1909.03368): the same probe learns labels that are drawn,
from those of the target, once for each (first letter of the input, variable, operation): what can
be learnt by heart from the surface of the text. Selectivity is the accuracy minus that of the
control task.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from executor_api.wire import CallSpec
from experiments.documents import put
from experiments.micro.__main__ import RUNS
from experiments.micro.analyse import Effect, effect
from experiments.micro.design import HIDE
from experiments.micro.run import START
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.micro.alignment import MicroFormat
from trainer_client.micro.family import Split, run
from trainer_client.micro.model import load_model
from trainer_client.micro.problems import Draft, drafts

RESULTS = Path(__file__).with_name("results_probes.jsonl")
ARMS = (START, "grpo", "default")
LEARNT, TESTED = 1500, 500
"""Programs to learn from and to test on; two or three assignments each."""
TARGETS = ("first letter", "length")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, and for variables in it where they are read and what they hold."""

    text: str
    places: tuple[int, ...]
    """Offsets of the characters whose tokens' states are read."""
    values: tuple[str, ...]
    surface: tuple[str, ...]
    """What a probe could learn by heart."""


def writing(draft: Draft) -> Reading:
    given = draft.inputs[0]
    text = draft.prompt + draft.reference
    ends = [i for i in range(len(draft.prompt), len(text)) if text[i] == "\n"]
    hidden = draft.structure[:-1]
    return Reading(
        text=text,
        places=tuple(ends[1 : 1 + len(hidden)]),  # the first ends `def f(s):`
        values=tuple(run(draft.structure, given))[: len(hidden)],
        surface=tuple(f"{given[0]}/{i}/{step.phrase}" for i, step in enumerate(hidden)),
    )


def asked(draft: Draft) -> Reading:
    given = draft.inputs[0]
    values = run(draft.structure, given)
    question = AlignmentSample(
        program=draft.reference,
        call=CallSpec(function="f", args=[given]),
        variables={f"f.{name}": repr(value) for name, value in zip("xyz", values, strict=False)},
    )
    text = MicroFormat().prompt(question)
    names = text.rindex(": ") + len(": ")
    return Reading(
        text=text,
        places=tuple(names + len("x, ") * i for i in range(len(values))),
        values=tuple(values),
        surface=tuple(f"{given[0]}/{i}/{s.phrase}" for i, s in enumerate(draft.structure)),
    )


CONTEXTS = {"writing": writing, "asked": asked}


@torch.inference_mode()
def states(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, read: Sequence[Reading]
) -> np.ndarray:
    """(layers, variables of all readings, width)."""
    found = []
    for one in read:
        encoded = tokenizer(one.text, return_offsets_mapping=True, return_tensors="pt")
        offsets = encoded.pop("offset_mapping")[0].tolist()
        encoded.pop("token_type_ids", None)
        hidden = torch.stack(model(**encoded, output_hidden_states=True).hidden_states)[1:, 0]
        found.append(hidden[:, [_token(offsets, place) for place in one.places]])
    return torch.cat(found, dim=1).numpy()


def _token(offsets: Sequence[Sequence[int]], place: int) -> int:
    """Index of the token that holds the character at ``place``."""
    return next(i for i, (start, end) in enumerate(offsets) if start <= place < end)


def labels(read: Sequence[Reading], target: str) -> list[str]:
    values = [value for one in read for value in one.values]
    if target == "first letter":
        return [value[:1] for value in values]
    return [str(min(len(value), 9)) for value in values]


def control(read: Sequence[Reading], target: str, drawn_from: Sequence[str]) -> list[str]:
    """For each surface one of the labels ``drawn_from``, always the same."""
    pool = sorted(drawn_from)
    return [pool[_random(f"{target}/{s}") % len(pool)] for one in read for s in one.surface]


def _random(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def accuracy(
    learnt: np.ndarray, tested: np.ndarray, right: Sequence[str], wanted: Sequence[str]
) -> float:
    """Of a linear probe on states (cases, width)."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    probe.fit(learnt, right)
    return float(probe.score(tested, wanted))


def probe(folder: Path, context: str, seed: int) -> dict[str, dict[str, list[float]]]:
    """Target → ``right`` and ``control`` → accuracy by layer."""
    model, tokenizer = load_model(folder)
    model.eval()  # type: ignore[no-untyped-call]
    reading = CONTEXTS[context]
    learnt = [reading(draft) for draft in drafts(Split.TRAIN, LEARNT, 700_000 + seed, HIDE)]
    tested = [reading(draft) for draft in drafts(Split.HELD_OUT, TESTED, 700_000 + seed, HIDE)]
    first, second = states(model, tokenizer, learnt), states(model, tokenizer, tested)

    def by_layer(right: Sequence[str], wanted: Sequence[str]) -> list[float]:
        return [accuracy(a, b, right, wanted) for a, b in zip(first, second, strict=True)]

    found = {}
    for target in TARGETS:
        right = labels(learnt, target)
        drawn = (control(read, target, right) for read in (learnt, tested))
        found[target] = {
            "right": by_layer(right, labels(tested, target)),
            "control": by_layer(*drawn),
        }
    return found


def folder(arm: str, seed: int) -> Path:
    return RUNS / f"start-{seed}" if arm == START else RUNS / "held_out" / f"{arm}-{seed}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Selectivity at the last layer, by arm, and the difference from ``grpo``."""
    lines = ["| context | target | arm | accuracy | control | selectivity | minus grpo |"]
    lines.append("|---|---|---|---|---|---|---|")
    for context, target in product(CONTEXTS, TARGETS):
        by_arm = {arm: _last_layer(rows, context, target, arm) for arm in ARMS}
        for arm, found in by_arm.items():
            right, control = np.mean([f[0] for f in found]), np.mean([f[1] for f in found])
            gains = [a[0] - a[1] - b[0] + b[1] for a, b in zip(found, by_arm["grpo"], strict=True)]
            shown: Effect | str = "" if arm == "grpo" else effect(gains)
            numbers = (f"{number:.3f}" for number in (right, control, right - control))
            lines.append(f"| {' | '.join([context, target, arm, *numbers])} | {shown} |")
    return "\n".join(lines)


def _last_layer(
    rows: Sequence[dict[str, Any]], context: str, target: str, arm: str
) -> list[tuple[float, float]]:
    """(accuracy, accuracy of the control) of each seed."""
    chosen = [row["accuracy"] for row in rows if (row["context"], row["arm"]) == (context, arm)]
    return [(by[target]["right"][-1], by[target]["control"][-1]) for by in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    seeds = parser.parse_args().seeds
    for needed in (folder(arm, seed) for seed in seeds for arm in ARMS):
        if not (needed / "config.json").is_file():
            parser.error(f"no model in {needed}: train it by `python -m experiments.micro --again`")
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for seed, arm, context in product(seeds, ARMS, CONTEXTS):
        found = probe(folder(arm, seed), context, seed)
        rows.append({"seed": seed, "arm": arm, "context": context, "accuracy": found})
        print(json.dumps(rows[-1]), flush=True)
    RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    put("probes", table(rows))


if __name__ == "__main__":
    main()
