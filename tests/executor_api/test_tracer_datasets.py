"""The tracer against the naive one on programs that people have written.

Every tenth of them in the normal suite; all with ``pytest -m exhaustive``.
"""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.data_sets import DATA
from tests.executor_api.tracer_bench import Bench, assert_exact_up_to, running_bench

_EVENTS = 20_000
_SAMPLED = 10
_SHARES = [
    pytest.param(_SAMPLED, id="sample"),
    pytest.param(1, marks=[pytest.mark.slow, pytest.mark.exhaustive], id="all"),
]


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with running_bench(request.param) as started:
        yield started


def _humaneval() -> list[dict[str, Any]]:
    return [
        {
            "code": f"{row['prompt']}{row['canonical_solution']}\n{row['test']}\n"
            f"check({row['entry_point']})\n"
        }
        for row in map(json.loads, gzip.open(DATA / "HumanEval.jsonl.gz", "rt"))
    ]


def _cruxeval() -> list[dict[str, Any]]:
    lines = (DATA / "cruxeval_first400.jsonl").read_text().splitlines()
    return [{"code": row["code"], "call": f"f({row['input']})"} for row in map(json.loads, lines)]


@pytest.mark.skipif(not DATA.exists(), reason="needs the problems in CODERL_TEST_DATA")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("share", _SHARES)
@pytest.mark.parametrize("programs", [_humaneval, _cruxeval], ids=["HumanEval", "CRUXEval"])
def test_exact_on(
    bench: Bench, programs: Any, share: int, request: pytest.FixtureRequest, record_property: Any
) -> None:
    jobs = programs()[::share]
    events, wrong = 0, []
    for number, job in enumerate(jobs):
        try:
            events += assert_exact_up_to(bench, **job, events=_EVENTS)
        except AssertionError as error:
            wrong.append((number * share, str(error)[:2000]))
    counts = f"{len(jobs)} programs, {events} events, {len(wrong)} mismatches"
    record_property("exactness", f"{request.node.callspec.id}: {counts}")
    assert not wrong, wrong[0]
