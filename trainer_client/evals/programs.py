"""Problems that ask for a program: their prompts, and which program a completion stands for.

A completion may be a whole program, the rest of the prompt (HumanEval's own form), or a text with
a fenced block in it. Which it is, is decided by parsing:

1. the text is the last fenced Python block, of those that are programs (2) if any is; without a
   complete block, what follows an opening fence; without a fence, all of it;
2. if it parses, and defines the function or class that the starter code begins, or else something
   that the tests call, it is a program;
3. if the problem's starter code followed by it parses, it is a continuation; so is what stands
   before the first of the ends that HumanEval's authors sample to (``STOP``), where only that does;
4. otherwise it is run as a program as it stands, and what happens then is the verdict.

A completion of white space alone is wrong, ``no_answer``.
"""

import ast
import builtins
import re
from collections.abc import Sequence, Set

from executor_api.judge.literals import parse_python
from executor_api.wire import AssertTest, CallTest, TestCase
from trainer_client.continuation import asked_for, continued, is_program
from trainer_client.data.problem import Problem
from trainer_client.evals.cases import Case, Form, Prompt, Reading
from trainer_client.extraction import fenced_blocks

__all__ = ["problem_case", "program_of", "read_program"]


def problem_case(problem: Problem, prompt: Prompt) -> Case:
    """The case that asks for a program with ``prompt`` and runs it on the problem's tests."""
    labels = {"difficulty": str(problem.difficulty)} if problem.difficulty is not None else {}
    return Case(problem.id, prompt, lambda text: read_program(problem, text), labels=labels)


def read_program(problem: Problem, completion: str) -> Reading:
    """The program that a completion stands for, and the request that judges it."""
    code, form = program_of(problem, completion)
    if form == "none":
        return Reading("", "none", message="there is no program in the completion")
    request = problem.program(code)
    if problem.preamble and code.startswith(problem.preamble):
        request = request.model_copy(update={"code": code})  # the starter code brings it along
    return Reading(code, form, request.model_copy(update={"stop_on_failure": True}))


def program_of(problem: Problem, completion: str) -> tuple[str, Form]:
    """Program and form, as the module says."""
    wanted = asked_for(problem.starter_code) or _called(problem.tests)
    code = _code_in(completion, wanted)
    if not code.strip():
        return "", "none"
    whole = continued(problem.starter_code, code, wanted)
    return (code, "program") if whole is None else (whole, "continuation")


def _code_in(completion: str, wanted: Set[str]) -> str:
    blocks = fenced_blocks(completion) or _OPENED.findall(completion)
    programs = [block for block in blocks if is_program(block, wanted)]
    return (programs or blocks or [completion])[-1]


_OPENED = re.compile(r"^```[ \t]*(?:python|py|python3)?[ \t]*\n(.*)", re.DOTALL | re.MULTILINE)


def _called(tests: Sequence[TestCase]) -> frozenset[str]:
    """What the tests call, but for Python's own."""
    called: set[str] = set()
    for test in tests:
        if isinstance(test, CallTest):
            called.add(test.function.partition(".")[0])
        if isinstance(test, AssertTest):
            nodes = ast.walk(_tree(test.code))
            calls = [node.func for node in nodes if isinstance(node, ast.Call)]
            called.update(function.id for function in calls if isinstance(function, ast.Name))
    return frozenset(called.difference(dir(builtins)))


def _tree(code: str) -> ast.Module:
    try:
        return parse_python(code)
    except SyntaxError:  # the executor will say so
        return ast.Module([], [])
