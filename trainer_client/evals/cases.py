"""What a benchmark asks, and how a completion is read: pure data, nothing is run here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from executor_api.wire import ExecuteProgram

__all__ = ["Case", "EvalError", "Form", "Messages", "Prompt", "Reading"]

Messages = list[dict[str, str]]
Form = Literal["program", "continuation", "answer", "none"]
"""How a completion was read: a whole program, the rest of the prompt, an answer to a question, or
nothing that could be judged."""


class EvalError(ValueError):
    """An evaluation cannot be done as asked; the message names the argument or the file, what is
    wrong with it, and the remedy."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question in both forms that models take."""

    messages: Messages
    """For models with a chat template."""
    text: str
    """For the others: they continue it."""
    stop: tuple[str, ...] = ()
    """Where a continuation of ``text`` ends."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A completion as it was read."""

    answer: str
    """The program, the call or the value; empty where the completion has none."""
    form: Form
    run: ExecuteProgram | None = None
    """What decides whether the answer is right; its id is not used."""
    right: bool = False
    """Whether it is right, where there is nothing to run."""
    message: str = ""
    """Why it is wrong, where there is nothing to run."""


@dataclass(frozen=True, slots=True)
class Case:
    """One problem or question. Every case is asked and judged alone."""

    id: str
    prompt: Prompt
    read: Callable[[str], Reading]
    """Turns a completion into what is to be judged."""
    cluster: str = ""
    """What it is about, where several cases are about the same; they are resampled together."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Such as its difficulty: results are also given for each value of each label."""
