"""Public data sets: how much of their test code converts, and that references are accepted."""

import warnings
from typing import Any

import pytest

from executor_api.guest import names
from executor_api.judge.assertions import Conversion, convert
from executor_api.wire import Verdict
from tests.data_sets import DATA
from tests.executor_api.judge.in_process import judge_program, observe
from trainer_client.data.files import read_rows

NOT_CONVERTED = ["HumanEval/32", "HumanEval/38", "HumanEval/50"]
"""Their candidates get what another function of the program returned before."""

Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the data set {name} is not in CODERL_TEST_DATA")
    return [row for _, row in read_rows(path)]


@pytest.fixture(scope="module")
def humaneval() -> list[Row]:
    return rows("HumanEval.jsonl.gz")


def humaneval_test(row: Row) -> str:
    return f"{row['test']}\ncheck({row['entry_point']})"


def test_humaneval_converts_but_for_three(humaneval: list[Row]) -> None:
    sandboxed = [
        row["task_id"] for row in humaneval if convert(humaneval_test(row), row["prompt"]) is None
    ]
    assert len(humaneval) == 164
    assert sandboxed == NOT_CONVERTED


def test_humaneval_accepts_its_references(humaneval: list[Row]) -> None:
    for row in humaneval:
        code = row["prompt"] + row["canonical_solution"]
        (result,) = judge_program(code, [{"kind": "assert", "code": humaneval_test(row)}])
        assert result.verdict is Verdict.ACCEPTED, (row["task_id"], result.message)
        assert result.trust == ("low" if row["task_id"] in NOT_CONVERTED else "high")


@pytest.mark.parametrize("body", ["return None", "return True", "return []", "raise OSError"])
def test_humaneval_accepts_no_constant(humaneval: list[Row], body: str) -> None:
    for row in humaneval:
        code = f"{row['prompt']}    {body}\n"
        (result,) = judge_program(code, [{"kind": "assert", "code": humaneval_test(row)}])
        assert result.verdict in (Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR), row["task_id"]


def test_mbpp_converts_and_accepts_its_references() -> None:
    for row in rows("mbpp_train_val.jsonl.gz"):
        code = f"{row['code']}\n{row['test_setup_code']}"
        tests = [*row["test_list"], *row["challenge_test_list"]]
        found = judge_program(code, [{"kind": "assert", "code": test} for test in tests])
        assert {r.verdict for r in found} == {Verdict.ACCEPTED}, row["task_id"]
        # 596 compares with ``sys.getsizeof`` of whatever the program calls ``sys``.
        assert {r.trust for r in found} == {"low" if row["task_id"] == 596 else "high"}


def test_names_judged_inside_mean_what_the_data_sets_mean(humaneval: list[Row]) -> None:
    """Every reference passes with Python's own where the guest's tester would put them."""
    sources = [(r["prompt"] + r["canonical_solution"], [humaneval_test(r)]) for r in humaneval]
    for row in rows("mbpp_train_val.jsonl.gz"):
        tests = [*row["test_list"], *row["challenge_test_list"]]
        sources.append((f"{row['code']}\n{row['test_setup_code']}", tests))
    for code, tests in sources:
        program: dict[str, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\\d" in a reference solution
            exec(code, program)
        for test in tests:
            compiled = compile(test, "<test>", "exec")
            exec(compiled, program | names.pythons(compiled))


LIST_JUDGED_BY_PROGRAM = "is_same_"


def test_leetcode_converts_with_low_trust_where_the_program_compares() -> None:
    for row in rows("LeetCodeDataset-v0.2.0-train.jsonl.gz"):
        code = row["prompt"] + row["completion"]
        conversion = convert(f"{row['test']}\ncheck({row['entry_point']})", code)
        assert isinstance(conversion, Conversion), row["task_id"]
        by_program = LIST_JUDGED_BY_PROGRAM in row["test"]
        assert (conversion.trust == "low") == by_program, row["task_id"]


def test_leetcode_references_answer_what_the_host_expects() -> None:
    for row in rows("LeetCodeDataset-v0.2.0-train.jsonl.gz")[:60]:
        code = row["prompt"] + row["completion"]
        conversion = convert(f"{row['test']}\ncheck({row['entry_point']})", code)
        assert conversion is not None
        assert conversion.judge(observe(code, conversion.guest_tests)) is None, row["task_id"]
