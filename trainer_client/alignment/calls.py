"""The call that a test is about, as ``/trace`` takes it."""

import ast
import json

from executor_api.wire import AssertTest, CallSpec, CallTest

__all__ = ["call_of"]


def call_of(test: CallTest | AssertTest) -> CallSpec | None:
    """None for test code that is more than an assertion about a call with literal arguments."""
    if isinstance(test, CallTest):
        fields = test.model_dump(
            include={"function", "args", "args_literal", "kwargs"}, exclude_unset=True
        )
        return CallSpec(**fields)
    return _call_of_assert(test.code)


def _call_of_assert(code: str) -> CallSpec | None:
    """``assert f(1, 2) == 3`` as the call ``f(1, 2)``, ``assert C().f(x=1) == 3`` as that of a
    method on a fresh instance; None for anything less plain."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if len(body) != 1 or not isinstance(body[0], ast.Assert):
        return None
    test = body[0].test
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Call):
        return None
    call = test.left
    function = _function(call.func)
    if function is None or any(one.arg is None for one in call.keywords):
        return None
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in call.args)
        named = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
        if json.loads(json.dumps(named, allow_nan=False)) != named:
            return None  # it would not be the same after its way as JSON
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return CallSpec(function=function, args_literal=repr(arguments), kwargs=named)


def _function(called: ast.expr) -> str | None:
    if isinstance(called, ast.Name):
        return called.id
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Call):
        return None
    made = called.value
    if not isinstance(made.func, ast.Name) or made.args or made.keywords:
        return None
    return f"{made.func.id}.{called.attr}"
