"""REval: four questions about a line and a variable of a program that runs on an input.

The right answers come from ``/trace`` (``trainer_client.views.reval``); so any program and input
can be asked about: REval's own data, HumanEval's references on the inputs of their tests, CRUXEval.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from executor_api.judge.literals import LiteralError, parse, parse_python
from executor_api.wire import CallSpec, TraceLimits, TraceProgram, TraceResult
from trainer_client.client import ExecutorError
from trainer_client.client.types import Tracer
from trainer_client.data.errors import BadRow, DataError
from trainer_client.evals import wording
from trainer_client.evals.cases import Case, EvalError, Reading
from trainer_client.evals.results import QUESTIONS
from trainer_client.views.replay import of_call
from trainer_client.views.reval import (
    RevalProbe,
    reval_answer,
    reval_probes,
    reval_questions,
    score_coverage,
    score_output,
    score_path,
    score_state,
)

__all__ = ["Run", "probe_cases", "runs_of"]

MAX_INPUTS = 5
"""Of one program, as in the original."""
LIMITS = TraceLimits(max_value_chars=1000, max_items=100)


@dataclass(frozen=True, slots=True)
class Run:
    """A program and one call of its function."""

    program: str
    """Names the program; its runs are one cluster."""
    number: int
    code: str
    function: str
    arguments: str
    """As between the brackets of the call."""

    @property
    def id(self) -> str:
        return f"{self.program}/{self.number}"

    @property
    def call(self) -> str:
        return f"{self.function}({self.arguments})"


# --- programs and inputs ----------------------------------------------------------------


def runs_of(rows: Iterable[tuple[int, dict[str, Any]]], source: str) -> list[list[Run]]:
    """For each program its runs. Rows are REval's (``code``, ``entry_point``, ``inputs``; those of
    classes are passed over), HumanEval's, or CRUXEval's."""
    found = [runs for number, row in rows if (runs := _runs(row, number, source))]
    if not found:
        raise DataError(f"{source}: no row has a function and literal inputs to call it on")
    return found


def _runs(row: dict[str, Any], number: int, source: str) -> list[Run]:
    if isinstance(row.get("inputs"), list):
        code, function = _text(row, "code", number, source), str(row.get("entry_point"))
        inputs = [_between_brackets(str(given)) for given in row["inputs"]]
        given = [one for one in inputs if one is not None]
    elif "canonical_solution" in row:
        parts = ("prompt", "canonical_solution")
        code = "".join(_text(row, field, number, source) for field in parts)
        function = _text(row, "entry_point", number, source)
        given = list(_tested_inputs(_text(row, "test", number, source)))
    else:
        code, function = _text(row, "code", number, source), "f"
        given = [_text(row, "input", number, source)]
    name = str(row.get("task_id") or row.get("id") or f"{source}/{number}")
    return [Run(name, i, code, function, one) for i, one in enumerate(given[:MAX_INPUTS])]


def _text(row: dict[str, Any], field: str, number: int, source: str) -> str:
    value = row.get(field)
    if not isinstance(value, str):
        reason = f"field {field!r} is {value!r:.80}: programs to ask about need text here"
        raise DataError.of([BadRow(source, number, reason)])
    return value


def _between_brackets(literal: str) -> str | None:
    """The arguments of a tuple's literal; None for what is none, such as a class's test code."""
    try:
        value = parse(literal)
    except LiteralError:
        return None
    tree = parse_python(literal.strip()).body[0]
    if not isinstance(value, tuple) or not isinstance(tree, ast.Expr):
        return None
    assert isinstance(tree.value, ast.Tuple)
    return ", ".join(ast.unparse(item) for item in tree.value.elts)


def _tuple_of(arguments: str) -> str:
    return f"({arguments},)" if arguments else "()"


def _tested_inputs(test: str) -> Iterator[str]:
    """The literal arguments that a ``check(candidate)`` calls its candidate with, each once."""
    try:
        tree = parse_python(test)
    except SyntaxError:
        return
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    of_candidate = (c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "candidate")
    texts = (", ".join(map(ast.unparse, call.args)) for call in of_candidate if not call.keywords)
    for text in dict.fromkeys(texts):
        if _between_brackets(_tuple_of(text)) is not None:
            yield text


# --- cases ------------------------------------------------------------------------------


async def probe_cases(
    runs: Sequence[Run], tracer: Tracer, deadline_seconds: float
) -> tuple[list[Case], list[str]]:
    """The four cases of each probe, and what is to be said of runs that gave none.

    Raises ``EvalError`` where none can be asked about, ``ExecutorError`` where the executor failed.
    """
    programs = [_traced(run) for run in runs]
    traces = await tracer.trace(programs, deadline_seconds=deadline_seconds, return_exceptions=True)
    cases: list[Case] = []
    failed = []
    for run, trace in zip(runs, traces, strict=True):
        if not isinstance(trace, TraceResult) or trace.status != "completed" or not trace.complete:
            failed.append(run.id)
            continue
        for probe in reval_probes(of_call(trace), run.code):
            cases += _four(run, probe, trace)
    if not cases:
        for trace in traces:
            if isinstance(trace, ExecutorError):
                raise trace
        raise EvalError(
            f"none of {len(runs)} runs can be asked about: {len(failed)} failed, and no line of "
            "the others has a variable with literal values; give other data"
        )
    shown = ", ".join(failed[:5]) + (", …" if len(failed) > 5 else "")
    return cases, [f"{len(failed)} runs have no complete trace: {shown}"] if failed else []


def _traced(run: Run) -> TraceProgram:
    call = CallSpec(function=run.function, args_literal=_tuple_of(run.arguments))
    return TraceProgram(id=run.id, code=run.code, call=call, limits=LIMITS)


def _four(run: Run, probe: RevalProbe, trace: TraceResult) -> Iterator[Case]:
    asked = reval_questions(probe, run.code, run.call)
    right: dict[str, Callable[[str], bool]] = {
        "coverage": lambda text: score_coverage(text, probe),
        "state": lambda text: score_state(text, probe),
        "path": lambda text: score_path(text, probe, run.code),
        "output": lambda text: score_output(text, trace),
    }
    for name in QUESTIONS:
        prompt = wording.question(
            "reval", code=run.code.rstrip("\n"), question=getattr(asked, name)
        )
        yield Case(
            id=f"{run.id}/{probe.line}/{probe.variable}#{name}",
            prompt=prompt,
            read=_reader(right[name]),
            cluster=run.program,
            labels={"question": name},
        )


def _reader(right: Callable[[str], bool]) -> Callable[[str], Reading]:
    def read(completion: str) -> Reading:
        answer = reval_answer(completion)
        if not answer:
            return Reading("", "none", message="there is no answer in the completion")
        held = right(completion)
        return Reading(answer, "answer", right=held, message="" if held else "another answer")

    return read
