"""The report builds from a metrics file alone and claims only what the intervals show."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from trainer_client.pages import estimate
from trainer_client.report import (
    Curve,
    Failure,
    Report,
    Rollout,
    Row,
    Shares,
    TracedLine,
    smooth,
    write_report,
)
from trainer_client.statistics import Interval


def interval(mean: float, half: float = 0.02) -> Interval:
    return Interval(mean=mean, low=mean - half, high=mean + half)


def row(difference: Interval) -> Row:
    return Row(
        metric="pass@1", before=interval(0.4), after=interval(0.5), difference=difference, cases=9
    )


def example() -> Report:
    return Report(
        title="Micro <recipe>",
        facts={"parameters": "1.1 M"},
        rows=[row(interval(0.1))],
        curves=[
            Curve(label="code", panel="reward", steps=[1, 2, 3], values=[0.1, 0.2, 0.4]),
            Curve(label="groups", panel="count", steps=[1, 2, 3], values=[3, 2, 1]),
        ],
        failures=[
            Failure(
                statement="reverse",
                program="def f(s):\n    x = s[1:]\n    return x\n",
                verdict="wrong_answer",
                call="f('<b>')",
                answer={"x": "'b'", "y": None},
                truth={"x": "'b>'", "y": "1"},
            )
        ],
    )


def test_page_is_self_contained_and_escaped(tmp_path: Path) -> None:
    page = write_report(example(), tmp_path).read_text()
    assert "<svg" in page and "currentColor" in page
    assert "Micro &lt;recipe&gt;" in page and "<b>" not in page
    assert (
        'src="http' not in page and "<script" not in page and '<link rel="stylesheet"' not in page
    )
    assert ".100 [+.080, +.120]" in page.replace("+.100", ".100", 1)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_page_is_rebuilt_from_the_metrics_file(tmp_path: Path) -> None:
    first = write_report(example(), tmp_path / "a").read_text()
    again = Report.model_validate_json((tmp_path / "a" / "metrics.json").read_text())
    assert again == example()
    assert write_report(again, tmp_path / "b").read_text() == first


def test_a_report_without_training_or_failures_still_builds(tmp_path: Path) -> None:
    page = write_report(Report(title="Empty"), tmp_path).read_text()
    assert "<h2>" not in page and not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize(
    ("difference", "conclusion"),
    [(0.1, "improved"), (-0.1, "worsened"), (0.01, "no change shown"), (-0.01, "no change shown")],
)
def test_conclusion_depends_on_whether_the_interval_excludes_zero(
    difference: float, conclusion: str
) -> None:
    assert row(interval(difference)).conclusion == conclusion


def test_programs_questions_and_verdicts_of_training_are_shown(tmp_path: Path) -> None:
    report = Report(
        title="t",
        verdicts=Shares(steps=[1, 2], of={"accepted": [0.2, 0.5], "<x>": [0.8, 0.5]}),
        rollouts=[
            Rollout(
                step=7,
                prompt="<prompt>",
                completion="print(<b>)",
                verdict="runtime_error",
                reward=0.0,
                failed={"input": "<i>", "got": "KeyError: 1"},
                trace=[
                    TracedLine(text="for x in <y>:", visits=3, values={"x": "1, …, '<z>'"}),
                    TracedLine(text="  boom(x)", visits=1, raised=True),
                ],
            )
        ],
        questions=[example().failures[0].model_copy(update={"step": 7, "statement": ""})],
    )
    page = write_report(report, tmp_path).read_text()
    for text in ("Step 7", "&lt;prompt&gt;", "print(&lt;b&gt;)", "&lt;i&gt;", "KeyError: 1"):
        assert text in page
    for text in ("×3", "x = 1, …, &#39;&lt;z&gt;&#39;", "boom(x)", "share of each verdict"):
        assert text in page
    assert "<b>" not in page and "<script" not in page and 'src="http' not in page


def test_shares_need_a_value_for_each_step() -> None:
    with pytest.raises(ValidationError, match="'accepted': 2 steps but 1 values"):
        Shares(steps=[1, 2], of={"accepted": [0.5]})


def test_curve_needs_a_value_for_each_step() -> None:
    with pytest.raises(ValidationError, match="2 steps but 1 values"):
        Curve(label="x", panel="y", steps=[1, 2], values=[0.5])


def test_estimate_is_written_without_leading_zeros() -> None:
    assert estimate(interval(0.41)) == ".410 [.390, .430]"
    assert estimate(interval(-0.01), signed=True) == "-.010 [-.030, +.010]"
    assert estimate(Interval(mean=1, low=0.998, high=1)) == "1.000 [.998, 1.000]"


def test_smooth_is_a_centred_mean() -> None:
    assert smooth([0.0, 3.0, 6.0], window=3) == [1.5, 3.0, 4.5]


def test_failure_counts_right_answers() -> None:
    assert example().failures[0].right == 0
