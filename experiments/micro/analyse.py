"""Tables and plots of the runs in ``results/``, into docs/results.md between its marks.

    python -m experiments.micro.analyse [--table development]

The unit is the seed: another warm start, other training problems, other held-out problems. Arms
are compared within a seed, so the intervals are those of a paired t test over the seeds.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import t as student

from experiments.documents import put
from experiments.micro.__main__ import RESULTS
from experiments.micro.design import ARMS, HYPOTHESES, start_of
from experiments.micro.measure import SAMPLES, SURFACES, Measures
from experiments.micro.run import Point, Result

IMAGES = Path("docs/images")
BASELINES = ("start", "start_commented", "grpo", "commented_grpo")
FURTHER = ("grpo_few", "default")
"""Baselines whose tables are folded up."""
SMOOTH = 25
TABLES = {
    "held_out": ("held_out", range(1, 6)),
    "development": ("development", range(100, 200)),
    "confirmation": ("held_out", range(6, 11)),
}
"""The split and the seeds of each: those on which something was chosen say nothing for it."""
DRAWN = {"held_out": ("grpo", "grpo_few", "paper", "default", "alignment_alone")}
"""Arms with a curve, where all would be a tangle."""

MEASURES = ("pass@1", "pass@8", "greedy", "output", "test output", "variables", "all variables")


@dataclass(frozen=True, slots=True)
class Effect:
    """Mean over seeds with its 95 % t interval, in bold where that excludes zero; ``d`` is the mean
    over the standard deviation."""

    mean: float
    low: float
    high: float
    d: float
    seeds: int

    def __str__(self) -> str:
        if self.seeds == 1:
            return f"{self.mean:+.3f}"
        shown = f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"
        strong = self.low > 0 or self.high < 0
        return f"{f'**{shown}**' if strong else shown}<br>{self.d:+.1f}"


def summary(measures: Measures) -> dict[str, float]:
    """Means over the cases of one run. With 8 samples pass@8 is whether any passed, and pass@1 the
    share that did: the unbiased estimates (Chen et al. 2021, eq. 1)."""
    passed, fraction = np.array(measures.passed), np.array(measures.fraction)
    values = (
        passed.mean() / SAMPLES,
        (passed > 0).mean(),
        np.mean(measures.greedy),
        np.mean(measures.output),
        np.mean(measures.test_output),
        fraction.mean(),
        (fraction == 1).mean(),
    )
    return dict(zip(MEASURES, map(float, values), strict=True))


def effect(values: Sequence[float]) -> Effect:
    data = np.array(values)
    if len(data) < 2:
        return Effect(float(data.mean()), float("nan"), float("nan"), float("nan"), len(data))
    spread = float(data.std(ddof=1))
    half = float(student.ppf(0.975, len(data) - 1)) * spread / len(data) ** 0.5
    mean = float(data.mean())
    return Effect(mean, mean - half, mean + half, mean / spread if spread else 0.0, len(data))


def load(table: str) -> dict[str, dict[int, Result]]:
    """Arm → seed → result."""
    split, seeds = TABLES[table]
    found: defaultdict[str, dict[int, Result]] = defaultdict(dict)
    for path in sorted((RESULTS / split).glob("*.json")):
        result = Result.model_validate_json(path.read_text(encoding="utf-8"))
        if result.seed in seeds:
            found[result.arm][result.seed] = result
    return found


def means_table(results: dict[str, dict[int, Result]]) -> str:
    """Mean over the seeds of each arm, and the half width of its 95 % interval."""
    lines = [_row("arm", "seeds", *MEASURES), _row(*["---"] * (len(MEASURES) + 2))]
    for arm, runs in _ordered(results):
        all_runs = [summary(run.measures) for run in runs.values()]
        found = [effect([one[measure] for one in all_runs]) for measure in MEASURES]
        lines.append(_row(arm, str(len(runs)), *(_mean(e) for e in found)))
    return "\n".join(lines)


def _mean(of: Effect) -> str:
    return f"{of.mean:.3f} ± {of.high - of.mean:.3f}" if of.seeds > 1 else f"{of.mean:.3f}"


def effects_table(results: dict[str, dict[int, Result]], baseline: str) -> str:
    """Differences within a seed from a baseline, of the arms that began where it did; empty where
    there are none."""
    lines = [_row(f"minus {baseline}", *MEASURES), _row(*["---"] * (len(MEASURES) + 1))]
    first = results.get(baseline, {})
    for arm, runs in _ordered(results):
        shared = sorted(runs.keys() & first.keys())
        same_start = start_of(baseline) == start_of(arm)
        if arm == baseline or arm in SURFACES or not same_start or not shared:
            continue
        found = [_difference(runs, first, shared, measure) for measure in MEASURES]
        lines.append(_row(arm, *map(str, found)))
    return "\n".join(lines) if len(lines) > 2 else ""


def costs_table(results: dict[str, dict[int, Result]]) -> str:
    """What an arm's training took: generated tokens, seconds."""
    lines = [_row("arm", "tokens generated", "seconds of training"), _row("---", "---", "---")]
    for arm, runs in _ordered(results):
        curves = [run.curve for run in runs.values() if run.curve]
        if curves:
            tokens = np.mean([curve[-1].tokens for curve in curves])
            seconds = np.mean([run.seconds for run in runs.values()])
            lines.append(_row(arm, f"{tokens:,.0f}", f"{seconds:.0f}"))
    return "\n".join(lines)


def draw(results: dict[str, dict[int, Result]], arms: Iterable[str], path: Path) -> None:
    """What training measures of both objectives, against tokens and seconds; means over seeds."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    grid = figure.subplots(2, 2, sharey="row", sharex="col")
    for arm in arms:
        curves = [run.curve for run in results.get(arm, {}).values()]
        if not curves:
            continue
        for row, of in enumerate(("pass_rate", "exact")):
            rates = smooth(np.mean([_column(curve, of) for curve in curves], axis=0))
            for column, (over, scale) in enumerate((("tokens", 1000), ("seconds", 1))):
                x = np.mean([_column(curve, over) for curve in curves], axis=0) / scale
                label = arm if row == column == 0 else None
                grid[row, column].plot(x, rates, label=label, linewidth=1.2)
    grid[0, 0].set(ylabel="programs that pass")
    grid[1, 0].set(ylabel="questions answered exactly", xlabel="thousand tokens generated")
    grid[1, 1].set(xlabel="seconds")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _column(curve: Sequence[Point], field: str) -> list[float]:
    """A field of each step, nan where it had none."""
    values = (getattr(point, field) for point in curve)
    return [np.nan if value is None else value for value in values]


def smooth(values: np.ndarray) -> np.ndarray:
    """Means of the last ``SMOOTH`` steps, of those that have a value; nan before."""
    windows = [values[end - SMOOTH : end] for end in range(SMOOTH, len(values) + 1)]
    kept = [window[~np.isnan(window)] for window in windows]
    means = [window.mean() if len(window) else np.nan for window in kept]
    return np.array([np.nan] * (len(values) - len(means)) + means)


def _difference(
    runs: dict[int, Result], baseline: dict[int, Result], seeds: Sequence[int], measure: str
) -> Effect:
    return effect(
        [
            summary(runs[seed].measures)[measure] - summary(baseline[seed].measures)[measure]
            for seed in seeds
        ]
    )


def _ordered(
    results: dict[str, dict[int, Result]],
) -> list[tuple[str, dict[int, Result]]]:
    order = [*SURFACES, *ARMS, *HYPOTHESES]
    return [(arm, results[arm]) for arm in order if arm in results]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _folded(table: str, baseline: str) -> str:
    summary = f"<summary>Differences from {baseline}</summary>"
    return f"<details>{summary}\n\n{table}\n\n</details>" if table else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", choices=[*TABLES], default="held_out")
    table = parser.parse_args().table
    results = load(table)
    image = IMAGES / f"micro-{table}.png"
    trained = [arm for arm, _ in _ordered(results) if arm not in SURFACES]
    draw(results, DRAWN.get(table, trained), image)
    parts = [
        means_table(results),
        *(effects_table(results, baseline) for baseline in BASELINES),
        *(_folded(effects_table(results, baseline), baseline) for baseline in FURTHER),
        costs_table(results),
        f"![Training curves](images/{image.name})",
    ]
    put(f"micro {table}", "\n\n".join(filter(None, parts)))


if __name__ == "__main__":
    main()
