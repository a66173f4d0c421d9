"""What an executor said of a program."""

from executor_api.wire import ExecuteResult
from trainer_client.client.exceptions import ExecutorError

__all__ = ["Answer", "NoVerdicts", "judged"]

Answer = ExecuteResult | ExecutorError
"""Of ``execute(…, return_exceptions=True)``."""


class NoVerdicts(RuntimeError):
    """The executor has judged nothing, again and again: going on would be pointless."""


def judged(answer: Answer | None) -> bool:
    """Whether the executor answered with a verdict on the program itself."""
    return isinstance(answer, ExecuteResult) and answer.judged
