"""Assertions judged on the host: test code becomes calls, and the host decides on their answers.

``convert`` runs the test code once without answers and collects the calls (``interpreter``); the
``Conversion`` runs it again with the answers in place. A program cannot cheat there: it sees
arguments, never expectations, and the comparison is not in its reach.

Test code that does not convert (unknown statements, calls that depend on earlier answers) is
for the sandbox, whole, and its result is worth less trust.
"""

import ast
import builtins
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from executor_api.judge import functions
from executor_api.judge.bounds import TooLarge, Unsupported
from executor_api.judge.interpreter import AssertionFailed, Interpreter
from executor_api.judge.literals import parse_python
from executor_api.judge.references import DEFERRED, Key, Program, Work
from executor_api.judge.syntax import free_names
from executor_api.judge.verdicts import Failure, call_failure
from executor_api.observation import End, Observation, Outcome
from executor_api.wire import Verdict

__all__ = ["Conversion", "NoAssertion", "convert"]

_MAX_CODE = 1_000_000
_MAX_CALLS = 10_000
_DEFINITION = re.compile(r"^(class|def|async[ \t]+def)[ \t]+(\w+)", re.MULTILINE)
_PYTHON_ERRORS = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError),
    *(RuntimeError, TypeError, ValueError),
)
_MISSING = Failure(Verdict.SANDBOX_ERROR, "an answer is missing; run it again")


class NoAssertion(ValueError):
    """The test code runs to its end without executing an assertion: it expects nothing."""


class _NotAnswered(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class _Collector:
    """First run: note the calls, answer none."""

    collecting = True

    def __init__(self) -> None:
        self.places: dict[Key, int] = {}
        self.guest_tests: list[dict[str, Any]] = []

    def ask(self, key: Key, form: Callable[[], dict[str, Any]]) -> Any:
        if len(self.guest_tests) >= _MAX_CALLS:
            raise TooLarge(f"more than {_MAX_CALLS:,} calls")
        self.places[key] = len(self.guest_tests)
        self.guest_tests.append(form())
        return DEFERRED


class _Answers:
    """Second run: answer from what was observed."""

    collecting = False

    def __init__(self, places: dict[Key, int], observations: Sequence[Observation]) -> None:
        self._places = places
        self._observations = observations

    def ask(self, key: Key, form: Callable[[], dict[str, Any]]) -> Any:
        seen = observed(self._observations, self._places[key])
        if failure := call_failure(seen) if seen else _MISSING:
            raise _NotAnswered(failure)
        assert seen is not None
        return seen.value


def observed(observations: Sequence[Observation], position: int) -> Observation | None:
    """Return the observation of guest test ``position`` of a slice. Where the program did not get
    that far, how it ended stands for it; None where nothing explains the absence."""
    if position < len(observations):
        return observations[position]
    last = observations[-1] if observations else None
    answered = last and last.end is End.ANSWERED and last.outcome is Outcome.RETURNED
    return None if answered else last


@dataclass(frozen=True, slots=True)
class Conversion:
    """Test code as guest tests, and the judgement on their answers.

    ``trust`` is low where an assertion is only the program's opinion of its own results, as in
    ``assert same_list(solve(…), make_list(…))`` with both helpers the program's own.
    """

    guest_tests: list[dict[str, Any]]
    trust: Literal["high", "low"]
    _source: str
    _tree: ast.Module
    _program: Program
    _places: dict[Key, int]

    @property
    def asks(self) -> bool:
        """Whether the test code uses the program at all."""
        return bool(self._places)

    def judge(self, observations: Sequence[Observation]) -> Failure | None:
        """Return why the test fails, or None. What happened first decides, as it would in
        Python: an assertion that does not hold ends the test before a later call's error."""
        if not self.asks:  # nothing to ask; but the program must load
            seen = observed(observations, 0)
            if failure := call_failure(seen) if seen else _MISSING:
                return failure
        answers = _Answers(self._places, observations)
        interpreter = Interpreter(self._tree, self._source, self._program, answers)
        try:
            interpreter.run()
        except _NotAnswered as stopped:
            return stopped.failure
        except AssertionFailed as failed:
            return _wrong(f"{self._quote(failed.node)} fails: found {failed.found}")
        except Unsupported as error:
            return Failure(Verdict.INVALID_VALUE, f"the answer cannot be checked: {error}")
        except _PYTHON_ERRORS as error:
            return _wrong(f"checking the answer raised {type(error).__name__}: {error}")
        return None

    def _quote(self, node: ast.Assert) -> str:
        text = " ".join((ast.get_source_segment(self._source, node.test) or "").split())
        return f"assert {text[:150]}{'…' if len(text) > 150 else ''}"


def _wrong(message: str) -> Failure:
    return Failure(Verdict.WRONG_ANSWER, message[:300])


def convert(code: str, program_code: str, work: Work | None = None) -> Conversion | None:
    """Turn test code into calls; None where it does not convert, or takes too much ``work``.

    Raise ``SyntaxError`` where ``code`` is not Python, and ``NoAssertion`` where it has no
    assertion to execute.
    """
    if len(code) > _MAX_CODE:
        return None
    tree = parse_python(code)
    found = _DEFINITION.findall(program_code)
    classes = frozenset(name for kind, name in found if kind == "class")
    functions = frozenset(name for kind, name in found if kind != "class")
    work = work or Work()
    converted = _attempt(code, tree, Program(classes, functions), work)
    if converted is not None and converted.asks:
        return converted
    # ``assert sum(10, 15) == 25``: where the test asks for nothing else of the program's, a
    # builtin's name that the program defines means the program's. Never otherwise: a program
    # must not replace the ``abs`` that its answer is checked with. Where the test uses two such
    # names, ``abs(sum(xs) - 3) < 1``, which of them it is there to test is anyone's guess.
    names = _builtins_alone(tree)
    shadows = frozenset(name for name in names if _defines(program_code, name))
    shadowed = _attempt(code, tree, Program(classes, functions, shadows), work) if shadows else None
    if shadowed is not None and len(names) > 1:
        return replace(shadowed, trust="low")
    return shadowed or converted


def _attempt(code: str, tree: ast.Module, program: Program, work: Work) -> Conversion | None:
    collector = _Collector()
    interpreter = Interpreter(tree, code, program, collector, work)
    complete = True
    try:
        interpreter.run()
    except AssertionFailed:
        complete = False  # whatever the answers, the test ends here: the second run says so
    except Exception:
        return None  # not for the host, or an error of the test code's own: the sandbox will tell
    if complete and not interpreter.assertions:
        raise NoAssertion("the code executes no assertion")
    guest_tests = collector.guest_tests or [{"kind": "eval", "expression": "None"}]
    trust: Literal["high", "low"] = "low" if interpreter.self_judged else "high"
    return Conversion(guest_tests, trust, code, tree, program, collector.places)


def _builtins_alone(tree: ast.Module) -> set[str]:
    """The builtins that the test code names, where it names nothing else that could be the
    program's."""
    used = free_names(tree)
    names = used & set(dir(builtins))
    return set() if used - names - functions.MODULES else names


def _defines(program_code: str, name: str) -> bool:
    """Whether the program has such a function or class at its top level."""
    return re.search(rf"^(?:def|class)[ \t]+{name}\b", program_code, re.M) is not None
