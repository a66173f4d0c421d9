"""REval's questions about traced programs, and right answers to all of them."""

from typing import Any

import pytest

from tests.service import KEY, Service
from trainer_client import ExecutorClient
from trainer_client.data.errors import DataError
from trainer_client.evals.cases import Case
from trainer_client.evals.grading import grade
from trainer_client.evals.metrics import compute_metrics
from trainer_client.evals.results import summarise
from trainer_client.evals.reval import probe_cases, runs_of

CODE = """\
def clip(values, top):
    kept = []
    for value in values:
        if value > top:
            value = top + 0
        kept.append(value)
    return kept
"""
HUMANEVAL: dict[str, Any] = {
    "task_id": "HumanEval/x",
    "prompt": CODE[: CODE.index("    kept")],
    "canonical_solution": CODE[CODE.index("    kept") :],
    "entry_point": "clip",
    "test": "def check(candidate):\n"
    "    assert candidate([1, 5], 3) == [1, 3]\n"
    "    assert candidate([1, 5], 3) != []\n"
    "    assert candidate(list(range(3)), 3) == [0, 1, 2]\n"
    "    assert candidate([], 3) == []\n",
}
REVAL = {"task_id": "D/0", "code": CODE, "entry_point": "clip", "inputs": ["([1, 5], 3,)"]}
CLASS = {"task_id": "D/1", "code": "class A: pass", "entry_point": "A", "inputs": ["a = A()"]}
CRUXEVAL = {
    "id": "s",
    "code": "def f(x):\n    y = x + 1\n    return y\n",
    "input": "1",
    "output": "2",
}


def test_programs_and_inputs_of_each_kind_of_data() -> None:
    rows = list(enumerate([HUMANEVAL, REVAL, CLASS, CRUXEVAL], 1))
    humaneval, reval, cruxeval = runs_of(rows, "rows")
    assert [run.call for run in humaneval] == ["clip([1, 5], 3)", "clip([], 3)"]
    assert [run.id for run in reval] == ["D/0/0"] and reval[0].call == "clip([1, 5], 3)"
    assert [run.call for run in cruxeval] == ["f(1)"]


def test_data_without_programs_is_refused() -> None:
    with pytest.raises(DataError, match="no row has a function and literal inputs"):
        runs_of([(1, CLASS)], "rows")
    with pytest.raises(DataError, match=r"rows, row 1: field 'code' is None"):
        runs_of([(1, {"task_id": "x"})], "rows")


RIGHT = {
    # clip([1, 5], 3): the branch runs for 5 alone
    "D/0/0/5/value": ("YES", "3; int", "kept.append(value)", "[1, 3]"),
    "D/0/0/6/kept": ("YES", "[1]; list", "for value in values:", "[1, 3]"),
    "D/0/0/7/kept": ("YES", "[1, 3]; list", "-1", "assert clip([1, 5], 3) == [1, 3]"),
}


async def cases(service: Service, *rows: dict[str, Any]) -> list[Case]:
    programs = runs_of(list(enumerate(rows, 1)), "rows")
    async with ExecutorClient(service.url, KEY) as client:
        made, warnings = await probe_cases([r for runs in programs for r in runs], client, 60)
    assert warnings == []
    return made


@pytest.mark.gvisor
async def test_right_answers_are_consistent(live_executor: Service) -> None:
    asked = await cases(live_executor, REVAL)
    ids = list(dict.fromkeys(case.id.partition("#")[0] for case in asked))
    assert ids == list(RIGHT)
    answers = [answer for four in RIGHT.values() for answer in four]
    async with ExecutorClient(live_executor.url, KEY) as client:
        samples = await grade(
            [(c, f"{a}\n[/ANSWER]") for c, a in zip(asked, answers, strict=True)], client
        )
    assert [sample.id for sample in samples if not sample.passed] == []
    metrics = {m.name: m for m in compute_metrics("reval", summarise(asked, samples), [1])[0]}
    assert metrics["consistency"].value.mean == 1.0
    assert metrics["consistency"].problems == 3


@pytest.mark.gvisor
async def test_one_answer_to_everything_is_not(live_executor: Service) -> None:
    asked = await cases(live_executor, REVAL, CRUXEVAL)
    async with ExecutorClient(live_executor.url, KEY) as client:
        samples = await grade([(case, "YES") for case in asked], client)
    passed = {sample.id for sample in samples if sample.passed}
    assert passed == {case.id for case in asked if case.id.endswith("#coverage")}
    found, _ = compute_metrics("reval", summarise(asked, samples), [1])
    assert found[-1].name == "consistency" and found[-1].value.mean == 0.125


@pytest.mark.gvisor
async def test_questions_show_the_program_and_the_line(live_executor: Service) -> None:
    coverage = (await cases(live_executor, REVAL))[0].prompt
    assert f"[PYTHON]\n{CODE}[/PYTHON]" in coverage.text
    assert "does line 5 (`            value = top + 0`) run?" in coverage.text
    assert coverage.text.endswith("[ANSWER]\n") and coverage.stop == ("[/ANSWER]",)
