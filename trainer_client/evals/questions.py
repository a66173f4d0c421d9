"""Questions about what a program does: CRUXEval, and two of LiveCodeBench's scenarios.

An answer is an assertion, ``assert f(1) == 2``, or only the part of it that was asked for, between
``[ANSWER]`` and ``[/ANSWER]``, in a fenced block, or alone. It may be any expression of literals,
operators, pure builtins, their methods and lambdas (``"a" * 20``, ``list(range(9))``), and in an
input the program's own names, except that of the function: so no answer can answer by running the
question, or bring an object that equals everything. Other expressions are wrong.

``run``, the authors' way, asks Python whether ``f(x) == answer`` holds, so that ``1`` passes for
``True``. ``strict`` compares an output with the right one as typed literals, without running.
"""

import ast
import json
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from executor_api.judge.literals import LiteralError, parse, parse_python
from executor_api.wire import AssertTest, ExecuteProgram, TestCase
from trainer_client.alignment.scoring import strict_equal
from trainer_client.data.errors import BadRow, DataError
from trainer_client.evals import wording
from trainer_client.evals.cases import Case, Reading
from trainer_client.extraction import fenced
from trainer_client.views.reval import reval_answer

__all__ = ["Scoring", "assertion_output", "execution", "input_prediction", "output_prediction"]

Scoring = Literal["run", "strict"]
Rows = Iterable[tuple[int, dict[str, Any]]]

IMPORTS = "from {} import *\n"
_MODULES = ("typing", "collections", "itertools", "functools", "heapq", "bisect", "math", "string")
LIVECODEBENCH_IMPORTS = "".join(map(IMPORTS.format, _MODULES)) + (
    "import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re\n"
    "import string, sys\nfrom copy import deepcopy\nfrom operator import iand, itemgetter\n"
    "from random import randrange, shuffle\nfrom os.path import commonprefix\n"
)
"""What LiveCodeBench's authors put before a program, of the standard library."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


def _python(code: str) -> str:
    try:
        parse_python(code)
    except SyntaxError as error:
        raise ValueError(f"not Python: {error}") from None
    return code


Code = Annotated[str, Field(min_length=1), AfterValidator(_python)]


class _Crux(_Row):
    id: str = Field(min_length=1)
    code: Code
    """Defines ``f``."""
    input: str
    """Of ``f``, as between its brackets."""
    output: str


class _Execution(_Row):
    id: str = Field(min_length=1)
    code: Code
    input: str = Field(min_length=1)
    """The whole call."""
    output: str
    difficulty: str = ""


class _Tested(_Row):
    input: str
    output: str


class _TestOutput(_Row):
    question_id: str = Field(min_length=1)
    test_id: str = ""
    question_content: str
    starter_code: str
    function_name: str = Field(min_length=1)
    test: list[_Tested] = Field(min_length=1)
    difficulty: str = ""


def input_prediction(rows: Rows, source: str, cot: bool) -> list[Case]:
    """CRUXEval-I: any input with which ``f`` returns the output is right."""

    def case(row: _Crux) -> Case:
        template = "cruxeval-i-cot" if cot else "cruxeval-i"
        prompt = wording.question(template, code=row.code, output=row.output)
        return Case(row.id, prompt, lambda text: _read_call(text, row.code, "f", row.output))

    return [case(row) for row in _validated(_Crux, rows, source)]


def output_prediction(rows: Rows, source: str, cot: bool, scoring: Scoring) -> list[Case]:
    """CRUXEval-O: what ``f`` returns."""

    def case(row: _Crux) -> Case:
        template = "cruxeval-o-cot" if cot else "cruxeval-o"
        prompt = wording.question(template, code=row.code, input=row.input)
        call = f"f({row.input})"
        return Case(row.id, prompt, _output_reader(row.code, call, row.output, scoring))

    return [case(row) for row in _validated(_Crux, rows, source)]


def execution(rows: Rows, source: str, cot: bool, scoring: Scoring) -> list[Case]:
    """LiveCodeBench's code execution: what a call returns."""

    def case(row: _Execution) -> Case:
        template = "livecodebench-execution-cot" if cot else "livecodebench-execution"
        prompt = wording.question(template, code=row.code, input=row.input)
        code = LIVECODEBENCH_IMPORTS + row.code
        read = _output_reader(code, row.input, row.output, scoring)
        return Case(row.id, prompt, read, labels=_labels(row.difficulty))

    return [case(row) for row in _validated(_Execution, rows, source)]


def assertion_output(rows: Rows, source: str) -> list[Case]:
    """LiveCodeBench's test output prediction: from a statement alone, what a call returns."""

    def case(row: _TestOutput) -> Case:
        given, right = row.test[0].input, _expected(row, source)
        test = f"assert {row.function_name}({', '.join(given.splitlines())}) == # TODO"
        prompt = wording.assertion(row.question_content, row.starter_code, test)
        id = f"{row.question_id}/{row.test_id}" if row.test_id else row.question_id
        return Case(
            id,
            prompt,
            lambda text: _read_value(text, right),
            cluster=row.question_id,
            labels=_labels(row.difficulty),
        )

    rows = ((number, _with_tests(row)) for number, row in rows)
    return [case(row) for row in _validated(_TestOutput, rows, source)]


def _labels(difficulty: str) -> dict[str, str]:
    return {"difficulty": difficulty} if difficulty else {}


def _with_tests(row: dict[str, Any]) -> dict[str, Any]:
    """The tests are JSON text in the published rows."""
    try:
        return {**row, "test": json.loads(row["test"])}
    except (KeyError, TypeError, ValueError, RecursionError):
        return row


def _expected(row: _TestOutput, source: str) -> Any:
    """Published as JSON; where it is none, the literal that it may be."""
    text = row.test[0].output
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return parse(text)
    except LiteralError as error:
        place = f"question {row.question_id!r}: field 'test.0.output'"
        raise DataError(f"{source}: {place}: neither JSON nor a literal ({error})") from None


R = TypeVar("R", bound=_Row)


def _validated(kind: type[R], rows: Rows, source: str) -> list[R]:
    found, bad = [], []
    for number, row in rows:
        try:
            found.append(kind.model_validate(row))
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            field = ".".join(map(str, detail["loc"])) or "the row"
            bad.append(BadRow(source, number, f"field {field!r}: {detail['msg']}; mend it"))
    if bad:
        raise DataError.of(bad)
    return found


# --- answers ----------------------------------------------------------------------------


def _output_reader(code: str, call: str, right: str, scoring: Scoring) -> Callable[[str], Reading]:
    names = _names(code)

    def read(completion: str) -> Reading:
        _, given = _sides(completion)
        if given is None:
            return _none("there is no value in the completion")
        if scoring == "strict":
            return _decided(given, strict_equal(ast.unparse(given), right))
        if (refused := _not_plain([given], never=names)) is not None:
            return Reading(ast.unparse(given), "answer", message=refused)
        return Reading(ast.unparse(given), "answer", _holds(code, call, ast.unparse(given)))

    return read


def _read_call(completion: str, code: str, function: str, output: str) -> Reading:
    call, _ = _sides(completion)
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != function:
        return _none(f"there is no call of {function} in the completion")
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    refused = _not_plain(arguments, usable=_names(code), never={function})
    if refused is not None:
        return Reading(ast.unparse(call), "answer", message=refused)
    return Reading(ast.unparse(call), "answer", _holds(code, ast.unparse(call), output))


def _read_value(completion: str, right: Any) -> Reading:
    """As the authors compare: by ``==``. The value has to be a literal."""
    _, given = _sides(completion)
    if given is None:
        return _none("there is no value in the completion")
    try:
        value = parse(ast.unparse(given))
    except LiteralError as error:
        return Reading(ast.unparse(given), "answer", message=f"not a literal: {error}")
    return _decided(given, bool(value == right))


def _decided(given: ast.expr, right: bool) -> Reading:
    return Reading(
        ast.unparse(given), "answer", right=right, message="" if right else "another value"
    )


def _none(message: str) -> Reading:
    return Reading("", "none", message=message)


_CALL = "_the_call_in_question"


def _holds(code: str, call: str, value: str) -> ExecuteProgram:
    """Does the call have this value? The call is part of the program, whose names it may use."""
    tests: list[TestCase] = [AssertTest(kind="assert", code=f"assert {_CALL}() == ({value})")]
    asked = f"\n\ndef {_CALL}():\n    return {call}\n"
    return ExecuteProgram(code=code + asked, tests=tests)


def _sides(completion: str) -> tuple[ast.expr | None, ast.expr | None]:
    """Left and right of the ``==`` in an answer. An answer without one stands for both: it is the
    side that was asked for."""
    answer = reval_answer(completion)
    answer = fenced(answer) or answer
    for text in (_assertion_line(answer), answer, answer.strip().split("\n")[0]):
        if text and (found := _comparison(text)) is not None:
            return found
    return None, None


def _assertion_line(text: str) -> str:
    """From the last line that begins with ``assert`` on, where there is one."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.lstrip().startswith("assert")]
    return lines[starts[-1]].strip() if starts else ""


def _comparison(text: str) -> tuple[ast.expr, ast.expr] | None:
    source = text.strip().strip("`").strip()
    try:
        tree = parse_python(source.removeprefix("==").strip())
        ast.unparse(tree)  # which is recursive: later it must not fail
    except (SyntaxError, RecursionError):
        return None
    body = tree.body
    if len(body) != 1 or not isinstance(body[0], ast.Assert | ast.Expr):
        return None
    node = body[0].test if isinstance(body[0], ast.Assert) else body[0].value
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        return node.left, node.comparators[0]
    return node, node


_PURE = frozenset(
    (
        *("abs", "bool", "bytearray", "bytes", "chr", "complex", "dict", "divmod", "enumerate"),
        *("float", "frozenset", "int", "len", "list", "max", "min", "ord", "range", "reversed"),
        *("round", "set", "sorted", "str", "sum", "tuple", "zip"),
    )
)
_PLAIN = (
    *(ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Starred, ast.Name, ast.Attribute),
    *(ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension),
    *(ast.Call, ast.keyword, ast.Lambda, ast.arguments, ast.arg, ast.JoinedStr, ast.FormattedValue),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)


def _not_plain(
    answer: Sequence[ast.expr], *, usable: Set[str] = frozenset(), never: Set[str]
) -> str | None:
    """Why an answer may not be run; None where it can do nothing but make a value. It may use the
    program's names in ``usable``, and may not even bind those in ``never``."""
    parts = [part for expression in answer for part in ast.walk(expression)]
    bound = {part.arg for part in parts if isinstance(part, ast.arg)}
    bound |= {p.id for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)}
    known = (_PURE | usable | bound) - never
    for part in parts:
        if not isinstance(part, _PLAIN):
            return f"not an expression of literals: it has a {type(part).__name__}"
        if isinstance(part, ast.Name) and part.id not in known:
            return f"not an expression of literals: it names {part.id!r}"
        if isinstance(part, ast.Attribute) and part.attr.startswith("_"):
            return f"not an expression of literals: it names {part.attr!r}"
    return None


def _names(code: str) -> set[str]:
    """What a program's top level defines or assigns."""
    names: set[str] = set()
    for statement in parse_python(code).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
        else:
            found = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
            names |= {node.id for node in found if isinstance(node.ctx, ast.Store)}
    return names
