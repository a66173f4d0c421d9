"""The micro model's execution question: a program, a call, and the variables to predict.

::

    def f(s):
        x = s[::-1]
        y = x + x
        return y
    # f('abc'): x, y

is answered by one assignment a line: ``x = 'cba'`` and ``y = 'cbacba'``. What the call returns is
called ``return``.

``CommentedFormat`` asks for the same program with the value of each line behind it, which is how
programs look that carry their states as comments: writing code and predicting what it does then
share their surface.
"""

import re

from trainer_client.alignment.sample import RETURNED, AlignmentSample

__all__ = ["CommentedFormat", "MicroFormat", "correct_answer", "without_comments"]


class MicroFormat:
    """An ``AlignmentFormat`` of a few dozen tokens. It never holds the answers."""

    def prompt(self, sample: AlignmentSample) -> str:
        names = ", ".join(_short(name) for name in sample.answers)
        return f"{sample.program.rstrip()}\n# {sample.input_text}: {names}\n"

    def parse(self, completion: str, sample: AlignmentSample) -> dict[str, str] | None:
        lines = [line.partition(" = ") for line in completion.splitlines()]
        given = {name.strip(): literal.strip() for name, _, literal in lines if literal}
        answers = {name: given[_short(name)] for name in sample.answers if _short(name) in given}
        return answers or None


_COMMENT = re.compile(r"  # .*$", re.MULTILINE)
_COMMENTED = re.compile(r"^    (\w+) = .*?  # (.+)$", re.MULTILINE)


class CommentedFormat:
    """An ``AlignmentFormat`` whose answer is the program with values as comments. Only variables
    that a line assigns can be answered, and ``return`` as the last of them."""

    def prompt(self, sample: AlignmentSample) -> str:
        return f"{without_comments(sample.program).rstrip()}\n# {sample.input_text}\n"

    def parse(self, completion: str, sample: AlignmentSample) -> dict[str, str] | None:
        lines = _COMMENTED.findall(completion)
        given = {name: literal.strip() for name, literal in lines}
        if lines:
            given["return"] = lines[-1][1].strip()
        answers = {name: given[_short(name)] for name in sample.answers if _short(name) in given}
        return answers or None


def without_comments(program: str) -> str:
    """The program without the comments behind its lines."""
    return _COMMENT.sub("", program)


def correct_answer(sample: AlignmentSample) -> str:
    """The completion that earns the full reward: what warm start trains on."""
    return "".join(f"{_short(name)} = {value}\n" for name, value in sample.answers.items())


def _short(name: str) -> str:
    """``f.x`` is ``x``: programs of this family have one function. ``f[2].x`` stays."""
    return "return" if name == RETURNED else name.removeprefix("f.")
