"""CRUXEval's and LiveCodeBench's questions, judged by the real executor."""

from typing import Any

import pytest

from tests.service import KEY, Service
from trainer_client import ExecutorClient
from trainer_client.data.errors import DataError
from trainer_client.evals.cases import Case
from trainer_client.evals.grading import grade
from trainer_client.evals.questions import (
    LIVECODEBENCH_IMPORTS,
    assertion_output,
    execution,
    input_prediction,
    output_prediction,
)

REPEAT = {
    "id": "repeat",
    "code": "base = [1]\n\ndef f(items, times):\n    return items * times\n",
    "input": "[1], 3",
    "output": "[1, 1, 1]",
}
IS_EVEN = {
    "id": "even",
    "code": "def f(n):\n    return n % 2 == 0\n",
    "input": "2",
    "output": "True",
}
COUNT = {
    "id": "count",
    "code": "def most(words: List[str]) -> int:\n    return Counter(words).most_common()[0][1]\n",
    "input": 'most(words = ["a", "b", "a"])',
    "output": "2",
    "difficulty": "easy",
}
TEST_OUTPUT = {
    "question_id": "3001",
    "test_id": 0,
    "question_content": "Say whether both numbers are even.\n",
    "starter_code": "class Solution:\n    def both(self, a: int, b: int) -> bool:\n        ",
    "function_name": "both",
    "test": '[{"input": "2\\n4", "output": "true", "testtype": "functional"}]',
    "difficulty": "easy",
}


def rows(*found: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(found, 1))


async def passed(service: Service, *completions: tuple[Case, str]) -> list[bool | None]:
    async with ExecutorClient(service.url, KEY) as client:
        return [sample.passed for sample in await grade(completions, client)]


INPUTS = {
    "[ANSWER]\nassert f([1], 3) == [1, 1, 1]\n[/ANSWER]": True,
    "assert f([1, 1, 1], 1) == [1, 1, 1]\n[/ANSWER]": True,
    "f([1] * 3, 1)": True,
    "```python\nassert f(list(1 for _ in range(3)), times=1) == [1, 1, 1]\n```": True,
    "Because:\n[ANSWER]f(base, len('abc'))[/ANSWER]": True,
    "f((lambda x: [x])(1), 3)": True,
    "f('11'.split('|'), 3)": False,
    "f([1], 4)": False,
    "g([1], 3)": False,
    "[1], 3": False,
    "f(": False,
    "": False,
    # nothing but an input counts as one
    "f([f for f in [[1, 1, 1]]][0], 1)": False,
    "f((f := [1, 1, 1]), 1)": False,
    "f([1].__class__([1]), 3)": False,
    "f(__import__('os').environ, 1)": False,
    "f(globals(), 1)": False,
}


@pytest.mark.gvisor
async def test_any_input_that_leads_to_the_output_is_right(live_executor: Service) -> None:
    (case,) = input_prediction(rows(REPEAT), "rows", cot=False)
    found = await passed(live_executor, *((case, text) for text in INPUTS))
    assert dict(zip(INPUTS, found, strict=True)) == INPUTS


OUTPUTS = {
    "assert f([1], 3) == [1, 1, 1]\n[/ANSWER]": True,
    "[ANSWER]assert f([1], 3) == [1, 1, 1][/ANSWER]": True,
    "[1, 1, 1]": True,
    "== [1, 1, 1]": True,
    "[1] * 3": True,
    "[1, 1]": False,
    "(1, 1, 1)": False,
    "": False,
    "I think that it is a list": False,
    # an answer cannot run the question, nor bring what equals everything
    "f([1], 3)": False,
    "assert f([1], 3) == f([1], 3)": False,
    "[f for f in []] + f([1], 3)": False,
    "base * 3": False,
    "type('', (), {'__eq__': lambda a, b: True})()": False,
}


@pytest.mark.gvisor
async def test_outputs_are_compared_by_running(live_executor: Service) -> None:
    (case,) = output_prediction(rows(REPEAT), "rows", False, "run")
    found = await passed(live_executor, *((case, text) for text in OUTPUTS))
    assert dict(zip(OUTPUTS, found, strict=True)) == OUTPUTS


@pytest.mark.gvisor
async def test_strict_outputs_are_typed_literals(live_executor: Service) -> None:
    (run,) = output_prediction(rows(IS_EVEN), "rows", False, "run")
    (strict,) = output_prediction(rows(IS_EVEN), "rows", False, "strict")
    asked = [(case, text) for case in (run, strict) for text in ("True", "1", "not False")]
    assert await passed(live_executor, *asked) == [True, True, True, True, False, False]


@pytest.mark.gvisor
async def test_livecodebench_execution_has_its_imports(live_executor: Service) -> None:
    (case,) = execution(rows(COUNT), "rows", False, "run")
    assert case.labels == {"difficulty": "easy"}
    answers = ("assert most(words = ['a', 'b', 'a']) == 2", "3")
    assert await passed(live_executor, *((case, text) for text in answers)) == [True, False]
    compile(LIVECODEBENCH_IMPORTS, "<imports>", "exec")


@pytest.mark.parametrize(
    ("completion", "right"),
    [
        ("```python\nassert both(2, 4) == True\n```", True),
        (" True", True),
        ("assert both(2, 4) == False", False),
        ("maybe", False),
        ("", False),
    ],
)
def test_test_outputs_are_compared_with_json(completion: str, right: bool) -> None:
    (case,) = assertion_output(rows(TEST_OUTPUT), "rows")
    assert (case.id, case.cluster) == ("3001/0", "3001")
    assert "assert both(2, 4) == # TODO" in case.prompt.messages[1]["content"]
    reading = case.read(completion)
    assert reading.run is None and reading.right == right


def test_prompts_are_filled_in() -> None:
    for cot in (False, True):
        cases = [
            *input_prediction(rows(REPEAT), "rows", cot),
            *output_prediction(rows(REPEAT), "rows", cot, "run"),
            *execution(rows(COUNT), "rows", cot, "run"),
        ]
        texts = [case.prompt.text for case in cases]
        assert all(text.endswith("[THOUGHT]\n" if cot else "[ANSWER]\n") for text in texts)
        assert "assert f(??) == [1, 1, 1]" in texts[0]
        assert "assert f([1], 3) == ??" in texts[1]
        assert 'assert most(words = ["a", "b", "a"]) == ??' in texts[2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (REPEAT | {"code": "def f(:"}, "row 1: field 'code': .*not Python"),
        (REPEAT | {"output": None}, "row 1: field 'output'"),
        ({"id": "x"}, "row 1: field 'code'.*required"),
    ],
)
def test_bad_rows_are_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        output_prediction(rows(row), "rows", False, "run")


def test_an_expected_output_that_is_no_value_is_named() -> None:
    test = '[{"input": "1", "output": "what", "testtype": "functional"}]'
    with pytest.raises(DataError, match=r"question '3001': field 'test.0.output'"):
        assertion_output(rows(TEST_OUTPUT | {"test": test}), "rows")
