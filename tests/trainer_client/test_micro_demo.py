"""The demo end to end: executor in gVisor, evaluation, two training steps, evaluation, report."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from trainer_client.config import load_recipe
from trainer_client.demo import demo

pytestmark = [pytest.mark.gvisor, pytest.mark.slow]


@pytest.mark.timeout(900)
def test_demo_trains_and_reports(tmp_path: Path) -> None:
    overrides = ["--grpo.max_steps", "2", "--output_dir", str(tmp_path)]
    output = StringIO()
    console = Console(file=output, width=160)
    report = demo(load_recipe(Path("recipes/micro.yaml"), overrides), 24, console)
    assert [row.cases for row in report.rows[:2]] == [24, 24]
    assert report.rows[2].cases >= 5
    assert 0 < report.rows[0].before.mean < 1
    assert {curve.label for curve in report.curves} >= {"pass rate", "variables right"}
    assert all(failure.verdict != "accepted" for failure in report.failures)
    assert (tmp_path / "report.html").is_file() and (tmp_path / "curves.png").is_file()
    assert "A failed program" in output.getvalue() and "report.html" in output.getvalue()
