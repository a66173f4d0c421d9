"""Answers to guest tests from a program that runs in the tests' own process: for trusted code."""

import builtins
import contextlib
import io
import warnings
from collections.abc import Sequence
from typing import Any

from executor_api.guest import codec
from executor_api.judge import plan
from executor_api.observation import End, Observation, Outcome
from executor_api.wire import ExceptionInfo, ExecuteProgram, TestResult


def judge_program(code: str, tests: Sequence[dict[str, Any]], **options: Any) -> list[TestResult]:
    """Plan ``tests``, run the program here, judge."""
    program = ExecuteProgram.model_validate({"code": code, "tests": tests, **options})
    made = plan(program)
    results = []
    for index, share in enumerate(made.slices):
        observations = observe(code, made.guest_tests[share])
        results.append(made.judge(index, observations))
    return results


def observe(code: str, guest_tests: Sequence[dict[str, Any]]) -> list[Observation]:
    """Run ``guest_tests`` as the guest does, on one namespace."""
    namespace: dict[str, Any] = {"__name__": "program"}
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\\d" in a reference solution
            exec(compile(code, "<program>", "exec"), namespace)
    except Exception as error:
        return [raised(error) for _ in guest_tests]
    return [answer(namespace, test) for test in guest_tests]


def answer(namespace: dict[str, Any], test: dict[str, Any]) -> Observation:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return Observation(End.ANSWERED, outcome=Outcome.RETURNED, value=_run(namespace, test))
    except codec.NotPlain as error:
        return Observation(End.ANSWERED, outcome=Outcome.INVALID, message=str(error))
    except Exception as error:
        return raised(error)


def _run(namespace: dict[str, Any], test: dict[str, Any]) -> Any:
    if test["kind"] == "assert":
        exec(test["code"], namespace)
        return None
    if test["kind"] == "eval":
        value = eval(test["expression"], namespace)
    else:
        value = _call(namespace, test)
    return codec.decode(codec.encode(value))


def _call(namespace: dict[str, Any], test: dict[str, Any]) -> Any:
    name, _, method = test["function"].partition(".")
    function = getattr(namespace[name](), method) if method else namespace[name]
    arguments = [codec.decode(form) for form in test["args"]]
    value = function(*arguments, **{k: codec.decode(v) for k, v in test["kwargs"]})
    materialize = test["materialize"]
    return getattr(builtins, materialize)(value) if materialize else value


def raised(error: Exception) -> Observation:
    info = ExceptionInfo(type=type(error).__name__, message=str(error))
    return Observation(End.ANSWERED, outcome=Outcome.RAISED, exception=info)
