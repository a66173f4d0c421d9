"""Questions never hold answers, and a right answer in the asked form earns the full reward."""

import json

import pytest

from executor_api.wire import CallSpec
from trainer_client.alignment.formats import AlignmentFormat, ChatFormat, JsonFormat
from trainer_client.alignment.sample import STDOUT, AlignmentSample
from trainer_client.alignment.scoring import exact_fraction, paper_reward

CALL = AlignmentSample(
    program="def f(a, b=0):\n    t = [a, b]\n    return t[2]\n",
    call=CallSpec(function="f", args=[41], kwargs={"b": "x"}),
    kind="raised",
    variables={"f.a": "41", "f.t": "[41, 'x = 1']"},
    exception="IndexError",
    exception_line=3,
)
SCRIPT = AlignmentSample(
    program="n = int(input())\ns = n * 2\nprint(s)\n",
    stdin="21\n",
    variables={"n": "21", "s": "42"},
    stdout="42\n",
    ask_stdout=True,
)


@pytest.mark.parametrize("style", [ChatFormat(), JsonFormat()])
def test_the_question_shows_program_input_and_names_but_no_answer(style: AlignmentFormat) -> None:
    (message,) = style.prompt(SCRIPT)
    assert isinstance(message, dict)
    text = message["content"]
    assert SCRIPT.program.strip() in text
    assert "21" in text
    assert "42" not in text
    assert '"s"' in text or "`s`" in text


def test_the_call_is_shown_as_an_expression() -> None:
    assert CALL.input_text == "f(41, b='x')"
    assert AlignmentSample(
        program="", call=CallSpec(function="g", args_literal="({1}, (2,))"), variables={}
    ).input_text == "g({1}, (2,))"  # fmt: skip
    assert AlignmentSample(
        program="", call=CallSpec(function="g", args_literal="((1, 2),)"), variables={}
    ).input_text == "g((1, 2))"  # fmt: skip


def test_chat_answers_are_read_from_the_last_block() -> None:
    style = ChatFormat()
    right = "\n".join(f"{name} = {value}" for name, value in CALL.answers.items())
    completion = f"First\n```python\nf.a = 1\n```\nthen\n```\n{right}\n```"
    given = style.parse(completion, CALL)
    assert given == CALL.answers
    assert exact_fraction(given, CALL.answers) == 1.0
    assert list(CALL.answers) == ["f.a", "f.t", "<exception>", "<exception line>"]


@pytest.mark.parametrize("completion", ["", "I do not know.", "```\n```", "```\nother = 3\n```"])
def test_no_answer_is_none(completion: str) -> None:
    assert ChatFormat().parse(completion, CALL) is None


def test_json_answers_are_read_from_the_last_line_only() -> None:
    answer = json.dumps({"final_output": "42", "variables": {"n": 21, "s": "42", "other": 1}})
    given = JsonFormat().parse(f"thinking\n{answer}\n", SCRIPT)
    assert given is not None
    assert set(given) == {"n", "s", STDOUT}
    assert paper_reward(given, SCRIPT.answers) == pytest.approx(1.0)
    assert JsonFormat().parse(f"{answer}\nthat is all", SCRIPT) is None


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"final_output": "42"}', '{"final_output": 1, "variables": [1]}', "["]
)
def test_malformed_json_answers_are_none(line: str) -> None:
    assert JsonFormat().parse(line, SCRIPT) is None
