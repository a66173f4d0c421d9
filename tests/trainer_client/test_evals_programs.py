"""Which program a completion stands for."""

import pytest

from executor_api.wire import Verdict
from tests.service import KEY, Service
from tests.trainer_client.evals import problem
from trainer_client import ExecutorClient
from trainer_client.continuation import STOP
from trainer_client.data.problem import Problem
from trainer_client.evals.programs import program_of, read_program
from trainer_client.evals.wording import generic, humaneval, livecodebench, mbpp

PROMPT = 'import math\n\n\ndef add(a: int, b: int) -> int:\n    """The sum."""\n'
BODY = "    return a + b\n"
WHOLE = "def add(a, b):\n    return a + b\n"
HUMANEVAL = problem(starter_code=PROMPT, preamble="import math\n\n\n")
METHOD = problem(starter_code="class Solution:\n    def add(self, a, b):\n")
FREE = problem()
EXAMPLE = "```python\nprint(add(1, 2))\n```"


@pytest.mark.parametrize(
    ("asked", "completion", "code", "form"),
    [
        (HUMANEVAL, BODY, PROMPT + BODY, "continuation"),
        (HUMANEVAL, "\n" + BODY, PROMPT + "\n" + BODY, "continuation"),
        (HUMANEVAL, WHOLE, WHOLE, "program"),
        (HUMANEVAL, PROMPT + BODY, PROMPT + BODY, "program"),
        (HUMANEVAL, f"Sure:\n```python\n{WHOLE}```\nDone.", WHOLE, "program"),
        (HUMANEVAL, f"```\n{BODY}```", PROMPT + BODY, "continuation"),
        (HUMANEVAL, f"```python\n{WHOLE}```\nFor example:\n{EXAMPLE}", WHOLE, "program"),
        (HUMANEVAL, f"Sure:\n```python\n{WHOLE}", WHOLE, "program"),
        # what comes behind the body is cut off only where it keeps all from parsing
        (HUMANEVAL, BODY + "\nprint(add(1, 2)", PROMPT + BODY, "continuation"),
        (HUMANEVAL, BODY + "\nx = 1\n", PROMPT + BODY + "\nx = 1\n", "continuation"),
        (HUMANEVAL, "I cannot.", "I cannot.", "program"),
        (
            METHOD,
            "        return a + b",
            METHOD.starter_code + "        return a + b",
            "continuation",
        ),
        (METHOD, f"class Solution:\n    {BODY}", f"class Solution:\n    {BODY}", "program"),
        (FREE, WHOLE, WHOLE, "program"),
        (FREE, f"{EXAMPLE}\n```python\n{WHOLE}```", WHOLE, "program"),
        (FREE, f"```python\n{WHOLE}```\nFor example:\n{EXAMPLE}", WHOLE, "program"),
        (FREE, " \n", "", "none"),
        (FREE, "```python\n```", "", "none"),
    ],
)
def test_reading(asked: Problem, completion: str, code: str, form: str) -> None:
    assert program_of(asked, completion) == (code, form)


def test_a_completion_without_a_program_is_not_run() -> None:
    reading = read_program(FREE, "")
    assert reading.run is None and not reading.right and reading.form == "none"


def test_helpers_of_the_prompt_stand_before_a_program_once() -> None:
    whole, continued = read_program(HUMANEVAL, WHOLE), read_program(HUMANEVAL, BODY)
    assert whole.run is not None and whole.run.code == "import math\n\n\n" + WHOLE
    assert continued.run is not None and continued.run.code == PROMPT + BODY


@pytest.mark.gvisor
@pytest.mark.parametrize("hostile", ["\x00", "(" * 3000, "-" * 100_000 + "1", "a" * 1_000_000])
async def test_hostile_completions_get_a_verdict(live_executor: Service, hostile: str) -> None:
    reading = read_program(HUMANEVAL, hostile)
    assert reading.run is not None
    async with ExecutorClient(live_executor.url, KEY) as client:
        (result,) = await client.execute([reading.run])
    assert result.verdict in (Verdict.COMPILE_ERROR, Verdict.RUNTIME_ERROR)


def test_humaneval_is_continued_word_for_word() -> None:
    prompt = humaneval(HUMANEVAL)
    assert (prompt.text, prompt.stop) == (PROMPT, STOP)
    assert prompt.messages == generic(HUMANEVAL).messages


def test_mbpp_has_the_form_of_its_authors() -> None:
    asked = Problem(
        id="mbpp/11",
        prompt="Say 1.\nYour code should pass these tests:\n\nassert one() == 1",
        tests=problem().tests,
        reference="def one(): return 1",
    )
    task = (
        "You are an expert Python programmer, and here is your task: Say 1. Your code should pass "
        "these tests:\n\nassert one() == 1\n[BEGIN]\n"
    )
    prompt = mbpp(asked, [])
    assert prompt.text == task and prompt.stop == ("\n[DONE]",)
    shown = mbpp(asked, [asked]).text
    assert shown == f"{task}def one(): return 1\n[DONE]\n\n{task}"


def test_livecodebench_asks_for_standard_input_or_a_method() -> None:
    stdin, method = livecodebench(FREE), livecodebench(METHOD)
    assert "Read the inputs from stdin" in stdin.messages[1]["content"]
    assert "class Solution:" in method.messages[1]["content"]
    assert stdin.messages[0]["role"] == "system" and stdin.text.endswith("```python\n")
