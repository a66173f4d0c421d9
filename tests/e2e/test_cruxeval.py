"""``/trace`` returns the expected output of CRUXEval's programs."""

from collections.abc import Iterator

import pytest

from executor_api.judge.literals import parse
from tests.data_sets import CRUXEVAL
from tests.service import Service, running_service
from trainer_client.data.files import read_rows

pytestmark = [
    pytest.mark.gvisor,
    pytest.mark.skipif(not CRUXEVAL.exists(), reason=f"no CRUXEval at {CRUXEVAL}"),
]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service("runsc") as running:
        yield running


@pytest.mark.parametrize("detail", ["final", "lines"])
@pytest.mark.parametrize(
    "step", [4, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
def test_every_output_is_as_expected(service: Service, detail: str, step: int) -> None:
    cases = [row for _, row in read_rows(CRUXEVAL)][::step]
    programs = [
        {
            "id": case["id"],
            "code": f"{case['code']}\n__input = lambda: f({case['input']})\n",
            "call": {"function": "__input"},
            "detail": detail,
        }
        for case in cases
    ]
    results = service.trace(*programs)
    assert len(results) == 400 // step
    wrong = [
        (result["id"], result["value"], case["output"])
        for case, result in zip(cases, results, strict=True)
        if result["status"] != "completed" or parse(result["value"]) != parse(case["output"])
    ]
    assert not wrong
