"""From failed programs to questions, through the real executor under gVisor."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from executor_api.wire import ExecuteLimits, ExecuteProgram
from tests.service import KEY, Service
from trainer_client.alignment.questions import Rollout, make_samples
from trainer_client.alignment.sample import RETURNED, STDOUT, AlignmentSample
from trainer_client.client import ExecutorClient
from trainer_client.config import PAPER_OPTIONS, QuestionOptions

pytestmark = pytest.mark.gvisor

PAPER = QuestionOptions(**PAPER_OPTIONS)
LIMITS = ExecuteLimits(cpu_seconds=1, wall_seconds=3)

SCRIPT = """\
def double(x):
    y = x * 2
    return y
n = int(input())
z = [double(i) for i in range(n)]
kinds = (True, 1.0, {3: b'x'}, None)
print(sum(z))
"""


@pytest.fixture
async def client(live_executor: Service) -> AsyncIterator[ExecutorClient]:
    async with ExecutorClient(live_executor.url, KEY) as made:
        yield made


async def ask(
    client: ExecutorClient, code: str, *tests: dict[str, Any], options: QuestionOptions
) -> tuple[list[AlignmentSample], Counter[str]]:
    return await ask_all(client, [code], *tests, options=options)


async def ask_all(
    client: ExecutorClient, codes: list[str], *tests: dict[str, Any], options: QuestionOptions
) -> tuple[list[AlignmentSample], Counter[str]]:
    programs = [
        ExecuteProgram.model_validate({"code": code, "tests": list(tests), "limits": LIMITS})
        for code in codes
    ]
    results = await client.execute(programs)
    rollouts = [Rollout("p", p.code, p.tests, r) for p, r in zip(programs, results, strict=True)]
    return await make_samples(rollouts, client, options, step=7)


def stdio(stdin: str, stdout: str) -> dict[str, Any]:
    return {"kind": "stdio", "stdin": stdin, "stdout": stdout}


def call(function: str, *args: Any, expected: Any) -> dict[str, Any]:
    return {"kind": "call", "function": function, "args": list(args), "expected": expected}


async def test_variables_of_every_frame_as_literals(client: ExecutorClient) -> None:
    options = QuestionOptions(max_variables=20)
    (sample,), dropped = await ask(client, SCRIPT, stdio("2\n", "9"), options=options)
    assert sample.variables == {
        "n": "2",
        "z": "[0, 2]",
        "kinds": "(True, 1.0, {3: b'x'}, None)",
        "double[1].x": "0",
        "double[1].y": "0",
        "double[2].x": "1",
        "double[2].y": "2",
    }
    assert (sample.kind, sample.stdout, sample.step, sample.problem_id) == (
        "completed", "2\n", 7, "p",
    )  # fmt: skip
    assert sample.tracer.endswith("runsc")
    assert not +dropped


async def test_a_failing_input_is_chosen_and_a_passing_program_never(
    client: ExecutorClient,
) -> None:
    tests = (stdio("1\n", "0"), stdio("3\n", "7"))
    (sample,), _ = await ask(client, SCRIPT, *tests, options=QuestionOptions())
    assert sample.stdin == "3\n"
    (first,), _ = await ask(client, SCRIPT, *tests, options=QuestionOptions(input="first"))
    assert first.stdin == "1\n"
    solved, _ = await ask(client, SCRIPT, stdio("1\n", "0"), options=QuestionOptions())
    assert solved == []


async def test_several_inputs_of_one_program(client: ExecutorClient) -> None:
    tests = [stdio(f"{n}\n", "x") for n in range(4)]
    samples, _ = await ask(client, SCRIPT, *tests, options=QuestionOptions(inputs_per_program=3))
    assert [s.stdin for s in samples] == ["0\n", "1\n", "2\n"]
    assert len({s.id for s in samples}) == 3


async def test_only_as_many_are_traced_as_the_options_allow(client: ExecutorClient) -> None:
    tests = [stdio(f"{n}\n", "x") for n in range(4)]
    options = QuestionOptions(inputs_per_program=4, max_traces=2)
    samples, dropped = await ask(client, SCRIPT, *tests, options=options)
    again, _ = await ask(client, SCRIPT, *tests, options=options)
    assert (len(samples), dropped) == (2, {"not_traced": 2})
    assert again == samples


async def test_a_call_and_an_assertion_are_traced_as_calls(client: ExecutorClient) -> None:
    code = "def f(xs):\n    s = 1\n    for x in xs:\n        s += x\n    return s\n"
    (called,), _ = await ask(client, code, call("f", [2, 3], expected=5), options=QuestionOptions())
    assert called.input_text == "f([2, 3])"
    assert called.variables == {"f.xs": "[2, 3]", "f.s": "6", "f.x": "3"}
    test = {"kind": "assert", "code": "assert f([2, 3]) == 5"}
    (asserted,), _ = await ask(client, code, test, options=QuestionOptions())
    assert asserted.variables == called.variables
    none, dropped = await ask(client, code, test, options=QuestionOptions(calls=False))
    assert (none, dropped) == ([], {"no_input": 1})


async def test_a_program_that_raises_asks_for_type_and_line(client: ExecutorClient) -> None:
    code = "xs = [1]\ni = 3\nprint(xs[i])\n"
    (sample,), _ = await ask(client, code, stdio("", "1"), options=QuestionOptions())
    assert sample.answers == {
        "xs": "[1]", "i": "3", "<exception>": "'IndexError'", "<exception line>": "3",
    }  # fmt: skip
    none, _ = await ask(client, code, stdio("", "1"), options=QuestionOptions(exceptions=False))
    assert none == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os\nx = os.urandom(4).hex()\nprint(x)\n", "disagreement"),
        ("import sys\nx = 1\nprint(sys.gettrace() is None)\n", "disagreement"),
        ("print(1)\n", "no_variables"),
        ("x = object()\nprint(1)\n", "no_variables"),
        ("x = 'a' * 500\nprint(1)\n", "no_variables"),
        ("while True: pass\n", "no_input"),
        ("x = (\n", "no_input"),
    ],
)
async def test_what_cannot_be_asked_is_dropped(
    client: ExecutorClient, code: str, reason: str
) -> None:
    samples, dropped = await ask(client, code, stdio("", "?"), options=QuestionOptions())
    assert (samples, dropped) == ([], {reason: 1})


async def test_the_hardest_variables_are_asked_and_difficulty_bounds_hold(
    client: ExecutorClient,
) -> None:
    code = "a = 1\nb = 0\nfor i in range(9):\n    b = b * 3 + i\nc = 2\nprint(b)\n"
    options = QuestionOptions(max_variables=2)
    (sample,), _ = await ask(client, code, stdio("", "?"), options=options)
    assert list(sample.variables) == ["b", "i"]
    assert sample.difficulty > 3
    hard = options.model_copy(update={"min_difficulty": sample.difficulty + 1})
    assert (await ask(client, code, stdio("", "?"), options=hard))[1] == {"difficulty": 1}


async def test_the_paper_asks_for_the_last_three_module_variables_and_output(
    client: ExecutorClient,
) -> None:
    code = "a = int(input())\ndef f(x):\n    return x\nb = f(a)\nc = [b]\nd = 'x'\nprint(b)\n"
    (sample,), _ = await ask(client, code, stdio("4\n", "5"), options=PAPER)
    assert sample.answers == {"b": "4", "c": "[4]", "d": "'x'", STDOUT: "'4\\n'"}


@pytest.mark.parametrize(
    ("code", "variables"),
    [
        ("def main():\n    a = 1\n    print(a)\nmain()\n", {}),
        ("import sys\na = 1\nprint(a)\nsys.exit()\n", {}),
        ("a = 1\nprint(a)\n", {"a": "1"}),
    ],
)
async def test_the_paper_sees_no_variables_in_main_or_after_exit(
    client: ExecutorClient, code: str, variables: dict[str, str]
) -> None:
    (sample,), _ = await ask(client, code, stdio("", "2"), options=PAPER)
    assert sample.variables == variables
    assert list(sample.answers)[-1] == STDOUT


async def test_the_paper_drops_errors_silence_and_repeated_output(client: ExecutorClient) -> None:
    codes = ["a = 1\nraise ValueError\n", "a = 1\n", "a = 1\nprint(a)\n", "b = 1\nprint(b)\n"]
    samples, dropped = await ask_all(client, codes, stdio("", "2"), options=PAPER)
    assert [s.program for s in samples] == [codes[2]]
    assert dropped == {"no_input": 1, "no_output": 1}


WRONG = "def f(s):\n    x = s[::-1]\n    y = x[1:]\n    return y\n"
RIGHT = "def f(s):\n    x = s[::-1]\n    y = x + x\n    return y\n"


async def test_passed_programs_are_asked_about_where_the_options_say_so(
    client: ExecutorClient,
) -> None:
    test = call("f", "ab", expected="baba")
    failed, _ = await ask_all(client, [WRONG, RIGHT], test, options=QuestionOptions())
    assert [s.program for s in failed] == [WRONG]
    both, _ = await ask_all(client, [WRONG, RIGHT], test, options=QuestionOptions(programs="all"))
    assert [s.program for s in both] == [WRONG, RIGHT]


async def test_only_near_misses_where_the_group_has_to_be_mixed(client: ExecutorClient) -> None:
    options = QuestionOptions(from_groups="mixed")
    test = call("f", "ab", expected="baba")
    mixed, _ = await ask_all(client, [WRONG, RIGHT], test, options=options)
    assert [s.program for s in mixed] == [WRONG]
    alike, dropped = await ask_all(client, [WRONG, WRONG + "\n"], test, options=options)
    assert (alike, dropped) == ([], {"no_spread": 2})


async def test_output_only(client: ExecutorClient) -> None:
    options = QuestionOptions(max_variables=0, ask_return=True)
    test = call("f", "abc", expected="?")
    (sample,), _ = await ask(client, WRONG, test, options=options)
    assert sample.answers == {RETURNED: "'ba'"}
    long = "def f(s):\n    return s * 50\n"
    none, dropped = await ask(client, long, test, options=options)
    assert (none, dropped) == ([], {"no_value": 1})


async def test_values_that_stand_in_the_question_are_left_out(client: ExecutorClient) -> None:
    options = QuestionOptions(skip_copied=True)
    (sample,), _ = await ask(client, WRONG, call("f", "abc", expected="?"), options=options)
    assert sample.variables == {"f.x": "'cba'", "f.y": "'ba'"}


async def test_only_variables_after_the_first_divergence(client: ExecutorClient) -> None:
    options = QuestionOptions(downstream=True)
    test = call("f", "abc", expected="cbacba")
    program = ExecuteProgram.model_validate({"code": WRONG, "tests": [test], "limits": LIMITS})
    (result,) = await client.execute([program])
    with_reference = Rollout("p", WRONG, program.tests, result, RIGHT)
    (sample,), _ = await make_samples([with_reference], client, options, step=0)
    assert sample.variables == {"f.y": "'ba'"}
    without = Rollout("p", WRONG, program.tests, result)
    (sample,), _ = await make_samples([without], client, options, step=0)
    assert list(sample.variables) == ["f.s", "f.x", "f.y"]
