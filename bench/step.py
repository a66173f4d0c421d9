"""What share of a training step the trainer waits for the executor, without and with overlap.

    coderl bench step
    coderl bench step --recipe recipes/smollm2.yaml --steps 4 --rounds 1

``one after another``: programs are sent when the whole batch is there, the failures are traced when
the verdicts are, and the trainer waits each time. ``overlapped`` is the trainer as it is. Both ways
take the same steps, from the same start and with the same samples, in turns, on one executor that
is there for this alone. Of each run the first step is left out, since much is loaded in it.

Simplification: the mean over few steps on a machine that may do other work; look at the spread.
"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: its threads get in the sandboxes' way

from rich.console import Console
from rich.table import Table
from transformers.utils import logging as transformers_logging
from trl import GRPOTrainer

from trainer_client.alignment.questions import Rollout
from trainer_client.config import EvaluationConfig, Recipe, load_recipe
from trainer_client.local_executor import running_executor
from trainer_client.training import train
from trainer_client.training.trainer import Alignment, CodeRLPlusTrainer

RECIPE = Path("recipes/micro.yaml")


class OneAfterAnother(CodeRLPlusTrainer):
    """The same trainer without its overlap."""

    def _generate_early(self, prompts: list[Any], batch: dict[int, Any]) -> Any:
        return GRPOTrainer._generate(self, prompts)

    def _trace(self, alignment: Alignment, rollouts: list[Rollout]) -> None:
        super()._trace(alignment, rollouts)
        self.settle()


WAYS = {"one after another": OneAfterAnother, "overlapped": CodeRLPlusTrainer}
_SHARE, _SECONDS = "executor/wait_share", "executor/wait_seconds"


def steps_of(recipe: Recipe, way: str, urls: list[str]) -> list[dict[str, float]]:
    """Run the recipe in a directory of its own; the log of each step but the first."""
    with tempfile.TemporaryDirectory(prefix="coderl-bench-step-") as directory:
        executor = recipe.executor.model_copy(update={"url": urls})
        changed = {"executor": executor, "output_dir": Path(directory)}
        train.CodeRLPlusTrainer = WAYS[way]  # type: ignore[misc]
        train.run(recipe.model_copy(update=changed))
        lines = (Path(directory) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [log for line in lines if _SHARE in (log := json.loads(line))][1:]


def summary(way: str, steps: list[dict[str, float]]) -> dict[str, Any]:
    def mean(name: str) -> float:
        return statistics.mean(step[name] for step in steps)

    shares = [step[_SHARE] for step in steps]
    return {
        "way": way,
        "steps": len(steps),
        "step_seconds": mean("step_time"),
        "verdict_seconds": mean("executor/latency_seconds"),
        "wait_seconds": mean(_SECONDS),
        "wait_share": statistics.mean(shares),
        "largest_share": max(shares),
        "tokens_per_second": mean("tokens/per_second"),
    }


def show(results: list[dict[str, Any]]) -> None:
    columns = ("", "steps", "step, s", "verdicts, s", "waited, s", "share", "largest", "tokens/s")
    table = Table(box=None)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in results:
        table.add_row(
            row["way"],
            str(row["steps"]),
            f"{row['step_seconds']:.2f}",
            f"{row['verdict_seconds']:.3f}",
            f"{row['wait_seconds']:.3f}",
            f"{row['wait_share']:.1%}",
            f"{row['largest_share']:.1%}",
            f"{row['tokens_per_second']:.0f}",
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="coderl bench step", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--steps", type=int, default=8, help="of each run")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each way")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    transformers_logging.disable_progress_bar()
    recipe = load_recipe(options.recipe, ["--grpo.max_steps", str(options.steps + 1)])
    recipe.evaluation = EvaluationConfig()
    recipe.grpo |= {"save_strategy": "no"}
    steps: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with (
        tempfile.TemporaryDirectory(prefix="coderl-bench-step-") as directory,
        running_executor(recipe.executor, Path(directory) / "executor.log") as urls,
    ):
        for _ in range(options.rounds):
            for way, taken in steps.items():
                taken += steps_of(recipe, way, urls)
    results = [summary(way, taken) for way, taken in steps.items()]
    if options.json:
        print(json.dumps(results))
    else:
        show(results)


if __name__ == "__main__":
    main()
