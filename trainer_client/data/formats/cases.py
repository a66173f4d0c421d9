"""Tests in the two shapes that data sets of competition problems share.

* ``{"inputs": […], "outputs": […], "fn_name": …}``, as APPS and TACO have it;
* ``[{"input": …, "output": …, "type": …, "fn_name": …}, …]``, as verifiable-coding-problems,
  LiveCodeBench (there ``testtype``, and the function's name beside the list) and DeepCoder have it.

Without a function's name they are standard input and output: text, or a list of lines. With one
they are calls: a list of arguments with the expected value, or text with one JSON value a line.
"""

from collections.abc import Sequence
from typing import Any

from executor_api.wire import CallTest, StdioTest, TestCase
from trainer_client.data.errors import RowError
from trainer_client.data.files import parse_json
from trainer_client.data.formats.python import qualified, returns_list

__all__ = ["tests_of"]

_STDIO = ("stdin_stdout", "stdin", "stdio")
_CALLS = ("function_call", "functional")

Pair = tuple[Any, Any]
"""Input and output."""


def tests_of(
    value: Any, field: str, function: str = "", starter_code: str = "", statement: str = ""
) -> list[TestCase]:
    """The tests in ``value``, the content of ``field``.

    ``function`` is the one to call where ``value`` names none; it is a method of ``Solution``
    where the starter code or the statement asks for that class. Raises ``RowError``.
    """
    read = _lists if isinstance(value, dict) else _cases
    pairs, named = read(value, field, function)
    if not pairs:
        raise RowError(field, value, "without a test nothing can be judged; add one")
    if not named:
        return [_stdio(pair, field) for pair in pairs]
    asked = qualified(named, starter_code, statement)
    return _calls(pairs, asked, field, wraps=not returns_list(starter_code, named))


def _lists(value: dict[str, Any], field: str, default: str) -> tuple[list[Pair], str]:
    inputs, outputs = value.get("inputs"), value.get("outputs")
    for name, items in (("inputs", inputs), ("outputs", outputs)):
        if not isinstance(items, list):
            raise RowError(f"{field}.{name}", items, "not a list; write one item a test")
    assert isinstance(inputs, list) and isinstance(outputs, list)
    if len(inputs) != len(outputs):
        reason = f"has {len(outputs)} items for {len(inputs)} inputs; give each test both"
        raise RowError(f"{field}.outputs", outputs, reason)
    named = _name(value.get("fn_name"), f"{field}.fn_name") or default
    return list(zip(inputs, outputs, strict=True)), named


def _name(value: Any, field: str) -> str:
    if value is not None and not isinstance(value, str):
        raise RowError(field, value, "not the name of a function; write text")
    return value or ""


def _cases(value: Any, field: str, default: str) -> tuple[list[Pair], str]:
    """The pairs and the function that all of them call, empty where they are not calls."""
    if not isinstance(value, list):
        raise RowError(field, value, "not a list of tests; write one")
    pairs, functions = [], set()
    for number, case in enumerate(value):
        place = f"{field}.{number}"
        if not isinstance(case, dict) or not {"input", "output"} <= case.keys():
            raise RowError(place, case, "a test has an input and an output; add them")
        pairs.append((case["input"], case["output"]))
        functions.add(_function(case, place, default))
    if len(functions) > 1:
        reason = "tests of one problem call the same function; split the row"
        raise RowError(field, sorted(functions), reason)
    return pairs, next(iter(functions), "")


def _function(case: dict[str, Any], place: str, default: str) -> str:
    kind = case.get("testtype") or case.get("type")
    if kind in _STDIO:
        return ""
    if kind is not None and kind not in _CALLS:
        reason = f"unknown; write one of {', '.join(_STDIO + _CALLS)}"
        raise RowError(f"{place}.type", kind, reason)
    metadata = case.get("metadata")
    inner = metadata.get("func_name") if isinstance(metadata, dict) else None
    name = _name(case.get("fn_name") or inner, f"{place}.fn_name") or default
    if kind in _CALLS and not name:
        raise RowError(f"{place}.fn_name", None, "a call names its function; add the name")
    return name


def _stdio(pair: Pair, field: str) -> StdioTest:
    stdin, stdout = (_text(item, field) for item in pair)
    return StdioTest(kind="stdio", stdin=stdin, stdout=stdout)


def _text(item: Any, field: str) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, list) and all(isinstance(line, str) for line in item):
        return "\n".join(item)
    raise RowError(field, item, "standard input and output are text or a list of lines")


# --- calls --------------------------------------------------------------------------------


def _calls(pairs: Sequence[Pair], function: str, field: str, wraps: bool) -> list[TestCase]:
    """``wraps``: expectations that are all lists of one item hold the value in it; the authors'
    judges accept the list and the item, and all but a few of those functions return the item."""
    arguments = [_arguments(given, field) for given, _ in pairs]
    expected = [_expected(given, output, field) for given, output in pairs]
    listed = [isinstance(given, list) for given, _ in pairs]
    if wraps and all(listed) and all(isinstance(e, list) and len(e) == 1 for e in expected):
        expected = [e[0] for e in expected]
    return [_call(function, args, value) for args, value in zip(arguments, expected, strict=True)]


def _arguments(given: Any, field: str) -> list[Any]:
    if isinstance(given, list):
        return given
    if isinstance(given, str):
        return [_json(line, field) for line in given.splitlines() if line.strip()]
    raise RowError(
        field, given, "a call's input is a list of arguments, or JSON values, one a line"
    )


def _expected(given: Any, output: Any, field: str) -> Any:
    """JSON text only where the input is."""
    if isinstance(given, str) and isinstance(output, str):
        return _json(output, field)
    return output


def _json(text: str, field: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise RowError(field, text, f"{error}; write one JSON value a line") from None


def _call(function: str, args: list[Any], expected: Any) -> CallTest:
    if not any(isinstance(arg, dict) and arg for arg in args):
        return CallTest(kind="call", function=function, args=args, expected=expected)
    literal = repr(tuple(_with_whole_keys(arg) for arg in args))
    return CallTest(kind="call", function=function, args_literal=literal, expected=expected)


def _with_whole_keys(value: Any) -> Any:
    """JSON turned the whole numbers into text; the authors' judges turn them back."""
    if not isinstance(value, dict):
        return value
    try:
        return {int(key): inner for key, inner in value.items()}
    except ValueError:
        return value
