"""Tables and plots of the runs in ``results/``, into docs/results.md between its marks.

    python -m experiments.micro.analyse [--split development]

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
from experiments.micro.design import ARMS, HYPOTHESES
from experiments.micro.measure import SAMPLES, SURFACES, Measures
from experiments.micro.run import Result

IMAGES = Path("docs/images")
BASELINE = "grpo"
SMOOTH = 15

MEASURES = ("pass@1", "pass@8", "greedy", "output", "test output", "variables", "all variables")


@dataclass(frozen=True, slots=True)
class Effect:
    """Mean over seeds with its 95 % t interval; ``d`` is the mean over the standard deviation."""

    mean: float
    low: float
    high: float
    d: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


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


def load(split: str) -> dict[str, dict[int, Result]]:
    """Arm → seed → result."""
    found: defaultdict[str, dict[int, Result]] = defaultdict(dict)
    for path in sorted((RESULTS / split).glob("*.json")):
        result = Result.model_validate_json(path.read_text(encoding="utf-8"))
        found[result.arm][result.seed] = result
    return found


def means_table(results: dict[str, dict[int, Result]]) -> str:
    """Mean over the seeds of each arm."""
    lines = [_row("arm", "seeds", *MEASURES), _row(*["---"] * (len(MEASURES) + 2))]
    for arm, runs in _ordered(results):
        all_runs = [summary(run.measures) for run in runs.values()]
        means = [f"{np.mean([one[m] for one in all_runs]):.3f}" for m in MEASURES]
        lines.append(_row(arm, str(len(runs)), *means))
    return "\n".join(lines)


def effects_table(results: dict[str, dict[int, Result]], baseline: str) -> str:
    """Differences from the baseline within a seed; where the interval excludes zero, in bold."""
    lines = [
        _row(f"minus {baseline}", *MEASURES, "d (pass@1)"),
        _row(*["---"] * (len(MEASURES) + 2)),
    ]
    for arm, runs in _ordered(results):
        shared = sorted(runs.keys() & results.get(baseline, {}).keys())
        if arm == baseline or arm in SURFACES or not shared:
            continue
        found = {m: _difference(runs, results[baseline], shared, m) for m in MEASURES}
        cells = [_bold(str(e), e.low > 0 or e.high < 0) for e in found.values()]
        lines.append(_row(arm, *cells, f"{found['pass@1'].d:+.1f}"))
    return "\n".join(lines)


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
    """Training pass rate against tokens and against seconds, means over seeds."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for arm in arms:
        curves = [run.curve for run in results.get(arm, {}).values()]
        if not curves:
            continue
        rates = np.mean([[p.pass_rate or np.nan for p in curve] for curve in curves], axis=0)
        rates = np.convolve(rates, np.ones(SMOOTH) / SMOOTH, mode="valid")
        for axes, field in ((left, "tokens"), (right, "seconds")):
            x = np.mean([[getattr(p, field) for p in curve] for curve in curves], axis=0)
            axes.plot(x[SMOOTH - 1 :], rates, label=arm)
    left.set(xlabel="tokens generated", ylabel=f"training pass rate (mean of {SMOOTH} steps)")
    right.set(xlabel="seconds")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


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


def _bold(text: str, strong: bool) -> str:
    return f"**{text}**" if strong else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=["held_out", "development"], default="held_out")
    split = parser.parse_args().split
    results = load(split)
    image = IMAGES / f"micro-{split}.png"
    draw(results, [arm for arm, _ in _ordered(results) if arm not in SURFACES], image)
    parts = [
        means_table(results),
        effects_table(results, BASELINE),
        effects_table(results, "grpo_few"),
        costs_table(results),
        f"![Training pass rate](images/{image.name})",
    ]
    put(f"micro {split}", "\n\n".join(parts))


if __name__ == "__main__":
    main()
