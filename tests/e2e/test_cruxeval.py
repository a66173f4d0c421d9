"""``/trace`` returns the expected output of CRUXEval's programs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor_api.judge.literals import parse
from tests.service import Service, running_service

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "cruxeval_first400.jsonl"

pytestmark = [
    pytest.mark.gvisor,
    pytest.mark.skipif(not DATA.exists(), reason=f"no CRUXEval at {DATA}"),
]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service("runsc") as running:
        yield running


@pytest.mark.parametrize("detail", ["final", "lines"])
def test_every_output_is_as_expected(service: Service, detail: str) -> None:
    rows = [json.loads(line) for line in DATA.read_text().splitlines()]
    programs = [
        {
            "id": row["id"],
            "code": f"{row['code']}\n__input = lambda: f({row['input']})\n",
            "call": {"function": "__input"},
            "detail": detail,
        }
        for row in rows
    ]
    results = service.trace(*programs)
    assert len(results) == 400
    wrong = [
        (result["id"], result["value"], row["output"])
        for row, result in zip(rows, results, strict=True)
        if result["status"] != "completed" or parse(result["value"]) != parse(row["output"])
    ]
    assert not wrong
