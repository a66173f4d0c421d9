"""One start, and one run of one arm from it: what the scheduler does in processes of its own."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import torch
from pydantic import BaseModel

from experiments.micro.design import SIZE, phases, recipe_fields, start_of
from experiments.micro.measure import SURFACES, Measures, measure, questions_about
from trainer_client.alignment.pool import load_samples
from trainer_client.client import ExecutorClient
from trainer_client.config import Recipe
from trainer_client.micro.family import Split
from trainer_client.micro.model import load_model, save_model
from trainer_client.micro.warmstart import warm_start
from trainer_client.training.train import run as train

__all__ = ["START", "Point", "Result", "make_start", "run_arm"]

START = "start"
"""The arm that is not trained."""
PREBUILT = 800
"""Training problems whose failed programs become the pre-built questions."""


class Point(BaseModel):
    """One step of a run, as its metrics have it."""

    step: int
    seconds: float
    """Since the training began."""
    tokens: float
    """Generated so far."""
    pass_rate: float | None
    exact: float | None


class Result(BaseModel):
    """One run, measured."""

    arm: str
    seed: int
    split: Split
    seconds: float
    """Of training alone, on a machine with other runs beside."""
    curve: list[Point]
    measures: Measures


def make_start(arm: str, seed: int, split: Split, folder: Path, url: str) -> Result:
    """Warm-start a model, keep it with the questions that all arms share, and measure it."""
    began = time.monotonic()
    if not (folder / "config.json").is_file():
        save_model(*warm_start(phases(seed, arm != START), _log, SIZE), folder)
    seconds = time.monotonic() - began
    policy, surface = load_model(folder), SURFACES[arm]

    async def act(client: ExecutorClient) -> Measures:
        about = [(f"questions_{split}", split, _cases(seed), 400)]
        about += [("prebuilt", Split.TRAIN, 1000 + seed, PREBUILT)]
        for name, whose, drawn, count in about:
            samples = await questions_about(policy, surface, whose, drawn, count, client)
            lines = "".join(sample.model_dump_json() + "\n" for sample in samples)
            (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        asked = load_samples(folder / f"questions_{split}.jsonl")
        return await measure(policy, surface, split, _cases(seed), asked, client)

    return Result(
        arm=arm,
        seed=seed,
        split=split,
        seconds=round(seconds, 1),
        curve=[],
        measures=_with_client(url, act),
    )


def run_arm(arm: str, seed: int, split: Split, start: Path, output: Path, url: str) -> Result:
    """Train the arm from its start, then measure it."""
    fields = recipe_fields(arm, seed, str(start.resolve()), str(output))
    recipe = Recipe.model_validate({**fields, "executor": {"url": [url]}})
    began = time.monotonic()
    if train(recipe).interrupted:
        raise SystemExit("interrupted: the run does not count")
    seconds = time.monotonic() - began
    asked = load_samples(start / f"questions_{split}.jsonl")
    policy, surface = load_model(output), SURFACES[start_of(arm)]
    measures = _with_client(
        url, lambda client: measure(policy, surface, split, _cases(seed), asked, client)
    )
    return Result(
        arm=arm,
        seed=seed,
        split=split,
        seconds=round(seconds, 1),
        curve=_curve(output / "metrics.jsonl"),
        measures=measures,
    )


def _cases(seed: int) -> int:
    """The seed of the problems on which the runs of ``seed`` are measured."""
    return 500_000 + seed


def _with_client(url: str, act: Callable[[ExecutorClient], Awaitable[Measures]]) -> Measures:
    async def go() -> Measures:
        async with ExecutorClient([url]) as client:
            return await act(client)

    return asyncio.run(go())


def _curve(metrics: Path) -> list[Point]:
    logs = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    points, seconds = [], 0.0
    for log in logs:
        if "step_time" in log:
            seconds += log["step_time"]
            points.append(
                Point(
                    step=log["step"],
                    seconds=round(seconds, 2),
                    tokens=log["tokens/generated"],
                    pass_rate=log.get("code/pass_rate"),
                    exact=log.get("alignment/exact"),
                )
            )
    return points


def _log(step: int, loss: float) -> None:
    if step % 100 == 0:
        print(f"step {step:5d}  loss {loss:.4f}", flush=True)


def main(arm: str, seed: str, split: str, start: str, output: str, url: str, result: str) -> None:
    torch.set_num_threads(1)
    if arm in SURFACES:
        made = make_start(arm, int(seed), Split(split), Path(start), url)
    else:
        made = run_arm(arm, int(seed), Split(split), Path(start), Path(output), url)
    Path(result).write_text(made.model_dump_json() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
