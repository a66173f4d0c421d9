"""HumanEval's canonical solutions are right, and what is done to them is wrong."""

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from tests.data_sets import HUMANEVAL
from tests.security.mutations import flip_operator
from tests.service import Service, running_service
from trainer_client.data.formats import load, read_rows

LOW_TRUST = {
    32,  # asserts on poly(coefficients, candidate(coefficients)), the program's own function
    38,  # feeds the program's encode_cyclic into the candidate
    50,  # feeds the program's encode_shift into the candidate
}
"""Tests that use one answer of the program as the argument of the next call."""

UNSEEN_FLIPS = {
    10: "beginning_of_suffix -= 1 for += 1: the tests have no string where it matters",
    40: "range(i - 1, len(l)) for i + 1: no tested triple repeats an element to reach zero",
    129: "val = n * n - 1 for + 1: only a bound above every cell",
    147: "i * i - i - 1 for + 1: shifts every residue, and the tested counts stay equal",
}
"""Flipped operators that HumanEval's tests cannot tell from the original."""

LIMITS = {"cpu_seconds": 3, "wall_seconds": 20, "memory_mb": 512}

pytestmark = pytest.mark.skipif(not HUMANEVAL.exists(), reason=f"no HumanEval at {HUMANEVAL}")


RUNSC = pytest.param("runsc", marks=pytest.mark.gvisor)
ON_DOCKER = [pytest.mark.docker, pytest.mark.slow]
MOSTLY_ON_RUNSC = pytest.mark.parametrize(
    "either_runtime",
    [RUNSC, pytest.param("docker", marks=[*ON_DOCKER, pytest.mark.exhaustive])],
    indirect=True,
)
"""What the host judges is the same on both."""


@pytest.fixture(scope="module", params=[RUNSC, pytest.param("docker", marks=ON_DOCKER)])
def either_runtime(request: pytest.FixtureRequest) -> Iterator[Service]:
    if request.param == "docker":
        request.getfixturevalue("sandbox_image")
    with running_service(request.param) as service:
        yield service


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return [row for _, row in read_rows(HUMANEVAL)]


def program(row: dict[str, str], body: str) -> dict[str, Any]:
    test = f"{row['test']}\ncheck({row['entry_point']})"
    return {
        "id": row["task_id"],
        "code": row["prompt"] + body,
        "tests": [{"kind": "assert", "code": test}],
        "limits": LIMITS,
    }


def number(result: dict[str, Any]) -> int:
    return int(result["id"].rpartition("/")[2])


def test_canonical_solutions_are_accepted(either_runtime: Service) -> None:
    judged = [p.program(p.reference or "").model_dump(exclude_unset=True) for p in load(HUMANEVAL)]
    results = either_runtime.execute(*(program | {"limits": LIMITS} for program in judged))
    assert len(results) == 164
    wrong = {r["id"]: r["tests"][0] for r in results if r["verdict"] != "accepted"}
    assert not wrong
    assert {number(r) for r in results if r["trust"] == "low"} == LOW_TRUST


@MOSTLY_ON_RUNSC
def test_returning_none_is_not_accepted(
    either_runtime: Service, rows: list[dict[str, str]]
) -> None:
    results = either_runtime.execute(*(program(row, "    return None\n") for row in rows))
    assert not [r["id"] for r in results if r["verdict"] in ("accepted", "sandbox_error")]


@pytest.mark.slow
@MOSTLY_ON_RUNSC
def test_flipped_operators_are_not_accepted(
    either_runtime: Service, rows: list[dict[str, str]]
) -> None:
    flipped = [p for row in rows if (p := flip(row)) is not None]
    assert len(flipped) > 120
    for one in flipped:  # those that never end have ended sooner
        one["limits"] = LIMITS | {"cpu_seconds": 0.3, "memory_mb": 128}
    results = either_runtime.execute(*flipped)
    assert not [r["id"] for r in results if r["verdict"] == "sandbox_error"]
    assert {number(r) for r in results if r["verdict"] == "accepted"} == set(UNSEEN_FLIPS)


def flip(row: dict[str, str]) -> dict[str, Any] | None:
    """The canonical solution with the first operator of its entry point flipped."""
    tree = ast.parse(row["prompt"] + row["canonical_solution"])
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    entry = next(n for n in functions if n.name == row["entry_point"])
    return program(row, "") | {"code": ast.unparse(tree)} if flip_operator(entry) else None
