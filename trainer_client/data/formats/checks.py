"""``check(candidate)``, the test function of HumanEval and of sets made after it."""

import ast
import copy

from executor_api.judge.literals import parse_python
from executor_api.wire import AssertTest, TestCase
from trainer_client.data.errors import RowError

__all__ = ["assertions_of_check"]

CHECK = "check"


def assertions_of_check(test: str, entry_point: str, field: str) -> list[TestCase]:
    """One test for each assertion of ``check``, about ``entry_point`` in the candidate's place.

    So a program gets its share of the tests, and each is an input that can be asked about. A
    ``check`` with other statements than assertions is one test, whole: they may depend on one
    another. Raises ``RowError`` where the code is not Python.
    """
    try:
        body = parse_python(test).body
        entry = parse_python(entry_point).body
    except SyntaxError as error:
        raise RowError(field, test, f"not Python ({error}); mend it") from None
    whole = f"{test}\n{CHECK}({entry_point})"
    assertions = _assertions(body)
    if len(entry) != 1 or not isinstance(entry[0], ast.Expr) or not assertions:
        return [AssertTest(kind="assert", code=whole)]
    texts = [_about(entry[0].value, one) for one in assertions]
    return [AssertTest(kind="assert", code=text) for text in texts]


def _about(entry: ast.expr, assertion: ast.Assert) -> str:
    """The assertion with the entry point in the candidate's place; a method that is called on
    what the program's own functions return (``list_node([1, 2])``) stays a candidate, whose
    answers the host judges itself."""
    calls = sum(isinstance(node, ast.Call) for node in ast.walk(assertion))
    if calls > 1 and not isinstance(entry, ast.Name):
        return f"{_CANDIDATE} = {ast.unparse(entry)}\n{ast.unparse(assertion)}"
    return ast.unparse(_Insert(entry).visit(copy.deepcopy(assertion)))


def _assertions(body: list[ast.stmt]) -> list[ast.Assert]:
    """Those of ``check`` about its candidate; none where there is anything else to it."""
    *others, check = [node for node in body if not _is_idle(node)] or [ast.Pass()]
    if others or not isinstance(check, ast.FunctionDef) or check.name != CHECK:
        return []
    arguments = [argument.arg for argument in check.args.args]
    statements = [node for node in check.body if not _is_idle(node)]
    asserts = [node for node in statements if isinstance(node, ast.Assert)]
    if arguments != [_CANDIDATE] or len(asserts) < len(statements):
        return []
    return asserts


_CANDIDATE = "candidate"


def _is_idle(node: ast.stmt) -> bool:
    """Says something to people: a docstring, METADATA, ``assert True, "…"``."""
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Constant) and bool(node.test.value)
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        return isinstance(target, ast.Name) and target.id == "METADATA"
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


class _Insert(ast.NodeTransformer):
    def __init__(self, entry: ast.expr) -> None:
        self._entry = entry

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._entry if node.id == _CANDIDATE else node
