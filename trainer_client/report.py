"""``report.html``: what a training run did, on one self-contained page, with its curves as PNG.

``metrics.json`` beside it holds the same numbers; ``write_report`` rebuilds the page from them.
"""

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import BaseModel, Field, model_validator

from trainer_client.alignment.scoring import strict_equal
from trainer_client.pages import rendered
from trainer_client.statistics import Interval
from trainer_client.training.samples import CodeSample

__all__ = [
    "REPORT_FILE",
    "REPORT_FILES",
    "Curve",
    "Failure",
    "Report",
    "Rollout",
    "Row",
    "Shares",
    "TracedLine",
    "write_report",
]

REPORT_FILE = "metrics.json"
_CURVES_FILE, _PAGE_FILE = "curves.png", "report.html"
REPORT_FILES = (REPORT_FILE, _CURVES_FILE, _PAGE_FILE)
"""All that a report consists of."""
_INK = "#123456"
"""Stands for the page's text colour while matplotlib draws."""
_COLOURS = ("#2f7ed8", "#e0803a", "#3aa676", "#a65fc4")
_VERDICT_COLOURS = {
    "accepted": "#3aa676",
    "wrong_answer": "#e0803a",
    "runtime_error": "#c9524a",
    "compile_error": "#a65fc4",
    "time_limit": "#8a6d3b",
    "memory_limit": "#5c7fa3",
    "no_code": "#7d8590",
}
_OTHER_COLOUR = "#b8bec6"
_COLUMNS = 2


class Curve(BaseModel):
    """One line of the figure."""

    label: str
    panel: str
    """Curves of one panel share axes, whose y-label this is."""
    steps: list[int] = Field(min_length=1)
    values: list[float]

    @model_validator(mode="after")
    def _same_length(self) -> "Curve":
        if len(self.steps) != len(self.values):
            raise ValueError(
                f"curve {self.label!r}: {len(self.steps)} steps but {len(self.values)} values; "
                "give one value for each step"
            )
        return self


class Shares(BaseModel):
    """How the whole is divided, step by step: shown as areas one upon another."""

    steps: list[int] = Field(min_length=1)
    of: dict[str, list[float]] = Field(min_length=1)
    """Name → share at each step, from the bottom to the top; together at most 1."""

    @model_validator(mode="after")
    def _same_length(self) -> "Shares":
        for name, values in self.of.items():
            if len(values) != len(self.steps):
                raise ValueError(
                    f"shares of {name!r}: {len(self.steps)} steps but {len(values)} values; "
                    "give one value for each step"
                )
        return self


class Row(BaseModel):
    """One metric before and after, with the paired difference."""

    metric: str
    before: Interval
    after: Interval
    difference: Interval
    cases: int
    unit: str = "problems"

    @property
    def conclusion(self) -> str:
        """What the 95 % interval of the paired difference supports, and no more."""
        if self.difference.low > 0:
            return "improved"
        return "worsened" if self.difference.high < 0 else "no change shown"


class Failure(BaseModel):
    """A failed program, the question asked about it, the model's answer and the truth."""

    statement: str
    program: str
    verdict: str
    call: str
    answer: dict[str, str | None]
    truth: dict[str, str]
    step: int | None = None
    """The training step that asked it, where it is one of training."""

    @property
    def right(self) -> int:
        return sum(self.is_right(name) for name in self.truth)

    def is_right(self, name: str) -> bool:
        given = self.answer.get(name)
        return given is not None and strict_equal(given, self.truth[name])


class TracedLine(BaseModel):
    """A line of a program and what its visits left."""

    text: str
    visits: int = 0
    values: dict[str, str] = {}
    """Variable → the values it was given here, one after another."""
    raised: bool = False
    """Whether the uncaught exception came from here."""


class Rollout(BaseModel):
    """A completion of training, its verdict, and the first test it failed."""

    step: int
    prompt: str
    completion: str
    verdict: str
    reward: float | None
    failed: dict[str, str] = {}
    """Of the failed test: ``input``, ``expected``, ``got``."""
    trace: list[TracedLine] = []
    """Of the program on that input."""
    sample: CodeSample | None = Field(None, exclude=True)
    """What it was made from, where it was made just now."""


class Report(BaseModel):
    title: str
    facts: dict[str, str] = {}
    """Shown under the title: model, steps, minutes and the like."""
    rows: list[Row] = []
    curves: list[Curve] = []
    verdicts: Shares | None = None
    rollouts: list[Rollout] = []
    questions: list[Failure] = []
    """Asked in training, with the policy's answers of that time."""
    failures: list[Failure] = []
    """Of the trained model, which was asked about them once more."""


def write_report(report: Report, directory: Path) -> Path:
    """Write ``metrics.json``, ``curves.png`` and ``report.html``; return the page's path."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / REPORT_FILE).write_text(report.model_dump_json(indent=1), encoding="utf-8")
    if report.curves:
        (directory / _CURVES_FILE).write_bytes(_draw(report, "png", "#222222"))
    page = directory / _PAGE_FILE
    page.write_text(_page(report), encoding="utf-8")
    return page


def _page(report: Report) -> str:
    figure = Markup(_svg(report)) if report.curves or report.verdicts else None
    return rendered("run.html", report=report, figure=figure)


def _svg(report: Report) -> str:
    """Inline SVG whose ink follows the page's text colour, light or dark."""
    drawn = _draw(report, "svg", _INK).decode()
    return drawn[drawn.index("<svg") :].replace(_INK, "currentColor")


def _draw(report: Report, form: str, ink: str) -> bytes:
    import matplotlib as mpl  # slow to import; only a report needs it
    from matplotlib.figure import Figure

    style: dict[Any, str] = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), ink)
    style |= {"xtick.color": ink, "ytick.color": ink, "svg.fonttype": "none"}
    panels = _panels(report)
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    with mpl.rc_context({**style, "svg.hashsalt": "coderl"}):
        figure = Figure(figsize=(5 * columns, 3.2 * rows), layout="constrained")
        places = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, draw in zip(places, panels, strict=False):
            draw(axes)
        for axes in places[len(panels) :]:
            axes.set_visible(False)
        buffer = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else None
        figure.savefig(buffer, format=form, dpi=160, transparent=form == "svg", metadata=metadata)
    return buffer.getvalue()


def _panels(report: Report) -> list[Callable[[Any], None]]:
    """What draws each panel, in order."""
    names = dict.fromkeys(curve.panel for curve in report.curves)
    drawn: list[Callable[[Any], None]] = [
        partial(_panel, curves=[curve for curve in report.curves if curve.panel == name])
        for name in names
    ]
    if report.verdicts is not None:
        drawn.append(partial(_areas, shares=report.verdicts))
    return drawn


def _panel(axes: Any, curves: Sequence[Curve]) -> None:
    for curve, colour in zip(curves, _COLOURS * len(curves), strict=False):
        axes.plot(curve.steps, curve.values, color=colour, alpha=0.25, linewidth=1)
        axes.plot(curve.steps, smooth(curve.values), color=colour, linewidth=2, label=curve.label)
    axes.set_ylim(bottom=0)
    _finish(axes, curves[0].panel)


def _areas(axes: Any, shares: Shares) -> None:
    smoothed = [smooth(values) for values in shares.of.values()]
    colours = [_VERDICT_COLOURS.get(name, _OTHER_COLOUR) for name in shares.of]
    areas = axes.stackplot(shares.steps, smoothed, labels=list(shares.of), colors=colours)
    for area in areas:
        area.set(alpha=0.85, linewidth=0)
    axes.set_ylim(0, 1)
    _finish(axes, "programs: share of each verdict")


def _finish(axes: Any, label: str) -> None:
    axes.set(xlabel="step", ylabel=label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize="small")


def smooth(values: Sequence[float], window: int = 9) -> list[float]:
    """Centred moving average; the window shrinks at both ends."""
    half = window // 2
    spans = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    return [sum(span) / len(span) for span in spans]
