"""What the code in a row says: where a function begins, whether a class is asked for."""

import ast

from executor_api.judge.literals import parse_python
from trainer_client.data.errors import RowError

__all__ = ["before_function", "qualified", "returns_list", "without_fence"]

SOLUTION = "Solution"


def before_function(code: str, name: str, field: str) -> str:
    """What stands before the definition of the function ``name``: imports, helpers."""
    try:
        body = parse_python(code).body
    except SyntaxError as error:
        raise RowError(field, code, f"not Python ({error}); mend it") from None
    found = [n for n in body if isinstance(n, _FUNCTIONS) and n.name == name]
    if not found:
        raise RowError(field, code, f"defines no function {name!r}; mend it or the entry point")
    first = min([found[-1].lineno, *(d.lineno for d in found[-1].decorator_list)])
    return "".join(code.splitlines(keepends=True)[: first - 1])


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def qualified(function: str, *texts: str) -> str:
    """A method of ``Solution`` where the starter code or the statement asks for that class."""
    if "." in function or not any(f"class {SOLUTION}" in text for text in texts):
        return function
    return f"{SOLUTION}.{function}"


def returns_list(starter_code: str, function: str) -> bool:
    """Whether the starter code says so of the function; it is seldom a whole program."""
    name = function.rpartition(".")[2]
    _, _, after = starter_code.partition(f"def {name}(")
    annotation = after.split("->", 1)[1] if "->" in after.split("\ndef ", 1)[0] else ""
    return annotation.strip().lower().startswith(("list", "typing.list", "optional[list"))


def without_fence(text: str) -> str:
    """The program in a text that holds it between Markdown fences, or is it."""
    _, fence, after = text.partition("```")
    if not fence:
        return text
    return after.partition("\n")[2].rpartition("```")[0] or text
