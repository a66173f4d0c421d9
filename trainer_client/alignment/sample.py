"""One question of the alignment task, with everything that decided it."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict

from executor_api.wire import CallSpec

__all__ = ["EXCEPTION", "EXCEPTION_LINE", "RETURNED", "STDOUT", "AlignmentSample", "input_text"]

STDOUT = "<stdout>"
RETURNED = "<return>"
EXCEPTION = "<exception>"
EXCEPTION_LINE = "<exception line>"


class AlignmentSample(BaseModel):
    """A program, an input, and what the program's variables held at their last definition.

    Values are the text of Python literals, as the tracer wrote them. A sample is a line of JSON
    in the checkpoint; ``id`` is derived from program and input.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: str
    stdin: str = ""
    """The input of a program that is run as a script."""
    call: CallSpec | None = None
    """The input of a program that is called instead."""
    kind: Literal["completed", "raised"] = "completed"
    variables: dict[str, str]
    """Name → literal. Module-level names are plain; ``f.x`` is ``x`` in the only call of ``f``,
    ``f[2].x`` in its second call."""
    stdout: str = ""
    ask_stdout: bool = False
    """Whether standard output is one of the questions."""
    returned: str | None = None
    """The literal that the call returned, where it is one of the questions."""
    exception: str | None = None
    """Type of the uncaught exception, for ``raised``."""
    exception_line: int | None = None
    problem_id: str = ""
    step: int = 0
    """The training step whose rollout this is."""
    difficulty: float = 0.0
    python: str = ""
    """The Python that ran it."""
    tracer: str = ""
    """The contract version and runtime of the trace."""

    @property
    def id(self) -> str:
        call = self.call.model_dump_json() if self.call else ""
        text = "\0".join([self.program, self.stdin, call])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def answers(self) -> dict[str, str]:
        """All that is asked: name → literal, the variables first."""
        asked = dict(self.variables)
        if self.ask_stdout:
            asked[STDOUT] = repr(self.stdout)
        if self.returned is not None:
            asked[RETURNED] = self.returned
        if self.exception is not None:
            asked[EXCEPTION] = repr(self.exception)
            if self.exception_line is not None:
                asked[EXCEPTION_LINE] = str(self.exception_line)
        return asked

    @property
    def input_text(self) -> str:
        """The input as people read it: standard input, or the call as an expression."""
        return input_text(self.stdin, self.call)


def input_text(stdin: str, call: CallSpec | None) -> str:
    """Standard input, or the call as an expression."""
    return stdin if call is None else f"{call.function}({_arguments(call)})"


def _arguments(call: CallSpec) -> str:
    if call.args_literal is not None:
        text = call.args_literal.strip()
        positional = text[1:-1].rstrip().rstrip(",") if text.startswith("(") else text
    else:
        positional = ", ".join(repr(value) for value in call.args)
    keywords = ", ".join(f"{name}={value!r}" for name, value in call.kwargs.items())
    return ", ".join(part for part in (positional, keywords) if part)
