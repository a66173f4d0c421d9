"""How a question is put to the policy and how its answer is read: one pair per format."""

import json
import re
from typing import Protocol

from trainer_client.alignment.sample import (
    EXCEPTION,
    EXCEPTION_LINE,
    RETURNED,
    STDOUT,
    AlignmentSample,
)

__all__ = ["AlignmentFormat", "ChatFormat", "JsonFormat", "Messages"]

Messages = list[dict[str, str]]


class AlignmentFormat(Protocol):
    """A way to ask and to read. Prompts are of the kind (text or chat) of the code prompts."""

    def prompt(self, sample: AlignmentSample) -> str | Messages:
        """Return the question. It never holds the answers."""

    def parse(self, completion: str, sample: AlignmentSample) -> dict[str, str] | None:
        """Return name → literal text as the completion has it; None where it has no answer."""


_CHAT = """\
Here is a Python program.

```python
{program}
```

{run}

Work out what the program computes. For each item below, give its value {when}, as a Python \
literal.

{items}

Reason as you like. End with one fenced block that has one line per item, and nothing else:

```
{skeleton}
```"""

_CALL_NAMES = (
    "`f.x` is the variable `x` of the function `f`; `f[2].x` is `x` in the second call of `f`."
)


class ChatFormat:
    """Free reasoning, then a fenced block of ``name = literal`` lines."""

    def prompt(self, sample: AlignmentSample) -> Messages:
        names = list(sample.answers)
        items = "\n".join(f"- {_describe(name)}" for name in names)
        if any("." in name for name in sample.variables):
            items += f"\n\n{_CALL_NAMES}"
        text = _CHAT.format(
            program=sample.program.strip("\n"),
            run=_run(sample),
            when="after its last assignment or change",
            items=items,
            skeleton="\n".join(f"{name} = ..." for name in names),
        )
        return [{"role": "user", "content": text}]

    def parse(self, completion: str, sample: AlignmentSample) -> dict[str, str] | None:
        blocks = re.findall(r"```[^\n]*\n(.*?)(?:```|\Z)", completion, re.DOTALL)
        lines = (blocks[-1] if blocks else completion).splitlines()
        answers = sample.answers
        given = {name: value for line in lines for name, value in [_assignment(line)] if name}
        return {name: given[name] for name in answers if name in given} or None


def _describe(name: str) -> str:
    return {
        STDOUT: f"`{STDOUT}`: everything it prints, as a string literal",
        RETURNED: f"`{RETURNED}`: what the call returns",
        EXCEPTION: f"`{EXCEPTION}`: the type of the exception it ends with, as a string literal",
        EXCEPTION_LINE: f"`{EXCEPTION_LINE}`: the number of the line that raises it",
    }.get(name, f"`{name}`")


def _run(sample: AlignmentSample) -> str:
    if sample.call is not None:
        return f"It is loaded, and then this is called:\n\n```python\n{sample.input_text}\n```"
    if not sample.stdin:
        return "It is run without input."
    return f"It is run with this standard input:\n\n```\n{sample.stdin.rstrip()}\n```"


def _assignment(line: str) -> tuple[str, str]:
    name, equals, value = line.strip().removeprefix("- ").partition("=")
    return (name.strip().strip("`"), value.strip().strip("`")) if equals else ("", "")


_JSON = """\
Simulate the following Python program.

```python
{program}
```

Input:
```
{stdin}
```

Think step by step. On the last line write one JSON object and nothing else, of the form
{skeleton}
where "final_output" is {output} and "variables" holds the values of \
{names} at the end of the program."""


class JsonFormat:
    """The paper's: free reasoning, on the last line ``{"final_output": …, "variables": {…}}``.

    Answers come back as JSON text per name; the output is ``STDOUT``, that of a call ``RETURNED``.
    """

    def prompt(self, sample: AlignmentSample) -> Messages:
        skeleton = {"final_output": "...", "variables": dict.fromkeys(sample.variables, "...")}
        text = _JSON.format(
            program=sample.program.strip("\n"),
            stdin=sample.input_text.rstrip("\n"),
            skeleton=json.dumps(skeleton),
            names=", ".join(sample.variables) or "no variable",
            output="all that the program prints"
            if sample.call is None
            else "what the call returns",
        )
        return [{"role": "user", "content": text}]

    def parse(self, completion: str, sample: AlignmentSample) -> dict[str, str] | None:
        lines = completion.strip().splitlines()
        try:
            answer = json.loads(lines[-1]) if lines else None
        except (ValueError, RecursionError):
            return None
        if not isinstance(answer, dict) or not {"final_output", "variables"} <= answer.keys():
            return None
        if not isinstance(answer["variables"], dict):
            return None
        output = answer["final_output"]
        given = {STDOUT: output, RETURNED: output, **answer["variables"]}
        return {name: json.dumps(given[name]) for name in sample.answers if name in given}
