"""Each view on traces that the real tracer made: what it says, and that it can be read back."""

import ast
from collections.abc import Iterator

import pytest

from executor_api.wire import TraceFrame, TraceResult
from tests.executor_api.tracer_bench import Bench, RandomProgram, running_bench
from tests.trainer_client.traced import PROGRAMS, traced
from trainer_client.views import (
    VIEWS,
    RevalAnswers,
    codeexecutor_lines,
    codeexecutor_text,
    cwm_frames,
    cwm_prompt,
    cwm_text,
    executed_path,
    incremental_consistency,
    next_comments,
    numbered_code,
    of_call,
    parse_codeexecutor,
    parse_cwm,
    parse_next,
    parse_path,
    parse_semcoder,
    path_similarity,
    replay,
    reval_probes,
    reval_questions,
    score_coverage,
    score_output,
    score_path,
    score_state,
    semcoder_comments,
    visits,
)
from trainer_client.views._source import source_lines, with_comments
from trainer_client.views.reval import NEVER
from trainer_client.views.semcoder import json_value

RANDOM = {f"random {seed}": str(RandomProgram(seed)) for seed in range(20, 24)}
ALL = {name: code for name, code in (PROGRAMS | RANDOM).items() if code}


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with running_bench(request.param) as started:
        yield started


@pytest.fixture(scope="module", params=ALL)
def run(bench: Bench, request: pytest.FixtureRequest) -> tuple[str, TraceResult]:
    """A program and its whole trace, with no value cut."""
    code = ALL[request.param]
    wide = {"max_value_chars": 10_000, "max_items": 1000, "max_depth": 50}
    trace = traced(bench, code, max_bytes=100_000_000, max_events=1_000_000, **wide)
    assert trace.complete and not trace.truncated_values
    return code, trace


_LOOP = "def f(n):\n    t = 0\n    for i in range(n):\n        t += i\n    return t\nx = f(4)\n"


def _call(bench: Bench, code: str, call: str, value: str | None) -> TraceResult:
    return of_call(traced(bench, code, call=call).model_copy(update={"value": value}))


# --- read back --------------------------------------------------------------------------


def test_cwm_gives_back_every_state(run: tuple[str, TraceResult]) -> None:
    code, trace = run
    frames = parse_cwm(cwm_text(trace, code))
    assert frames == cwm_frames(trace, code)
    lines = source_lines(code)
    observed = [(f.kind, f.source, f.locals) for f in frames if f.kind in ("call", "line")]
    steps = [step for step in replay(trace) if step.kind in ("call", "line")]
    assert observed == [(s.kind, lines[s.line - 1], dict(s.locals)) for s in steps]


def test_cwm_has_a_return_for_each_call(run: tuple[str, TraceResult]) -> None:
    code, trace = run
    depth = 0
    for frame in cwm_frames(trace, code):
        assert depth or frame.kind == "call"
        depth += (frame.kind == "call") - (frame.kind == "return")
    assert depth == 0


def test_next_gives_back_every_visit(run: tuple[str, TraceResult]) -> None:
    code, trace = run
    found = parse_next(next_comments(trace, code, visits_per_line=None), code)
    expected = [(n, v.line, v.changes()) for n, v in enumerate(visits(trace), 1)]
    assert [(state.order, state.line, state.changed) for state in found] == expected
    assert [s.raised for s in found if s.raised] == (
        [trace.exception.type] if trace.exception else []
    )


def test_semcoder_gives_back_every_change(run: tuple[str, TraceResult]) -> None:
    code, trace = run
    found = parse_semcoder(semcoder_comments(trace, code, states_per_line=None), code)
    changes = sorted(
        (v.after.index, v.line, {k: json_value(t) for k, t in v.changes().items()})
        for v in visits(trace)
        if v.after is not None and v.changes()
    )
    assert [(s.line, s.variables) for s in found] == [(line, said) for _, line, said in changes]
    assert [state.number for state in found] == list(range(len(changes)))


def test_codeexecutor_gives_back_lines_and_tokens(run: tuple[str, TraceResult]) -> None:
    _, trace = run
    found = parse_codeexecutor(codeexecutor_text(trace))
    assert found == codeexecutor_lines(trace)
    assert [line.line for line in found] == executed_path(trace)


def test_coconut_gives_back_the_path(run: tuple[str, TraceResult]) -> None:
    _, trace = run
    path = executed_path(trace)
    assert parse_path(f"First [1, 2]. So the answer is:\n{path}\n") == path
    assert path_similarity(path, path) == 1.0


def test_comments_do_not_change_the_program(run: tuple[str, TraceResult]) -> None:
    code, trace = run
    tree = ast.dump(ast.parse(code))
    assert ast.dump(ast.parse(next_comments(trace, code))) == tree
    assert ast.dump(ast.parse(semcoder_comments(trace, code))) == tree


def test_views_by_name(bench: Bench) -> None:
    trace = traced(bench, _LOOP)
    texts = {name: view(trace, _LOOP) for name, view in VIEWS.items()}
    assert sorted(texts) == ["coconut", "codeexecutor", "cwm", "next", "semcoder"]
    assert texts["coconut"].startswith("[1, 6, 2, 3, 4, 3") and texts["cwm"].startswith(
        "<|call_sep|>"
    )
    empty = traced(bench, "")
    assert all(view(empty, "") is not None for view in VIEWS.values())


def test_a_cut_trace_has_every_view(bench: Bench) -> None:
    for events in (1, 2, 7, 12):
        code = PROGRAMS["recursion"]
        trace = traced(bench, code, max_events=events)
        assert not trace.complete
        text = cwm_text(trace, code)
        assert not text.endswith("<|end_of_text|>") and len(parse_cwm(text)) == events
        assert parse_next(next_comments(trace, code), code)[-1:] != [None]
        parse_semcoder(semcoder_comments(trace, code), code)
        assert len(parse_codeexecutor(codeexecutor_text(trace))) == len(executed_path(trace))
        assert reval_probes(trace, code) == []


# --- CWM --------------------------------------------------------------------------------


def test_cwm_leaves_out_what_is_the_same(bench: Bench) -> None:
    code = "def f(n):\n    m = n\n    return m\n"
    trace = _call(bench, code, "f(2)", "2")
    assert cwm_text(trace, code) == (
        '<|call_sep|>{"n": "2"}<|action_sep|>def f(n):\n<|frame_sep|>'
        '<|line_sep|>{"n": ".."}<|action_sep|>    m = n\n<|frame_sep|>'
        '<|line_sep|>{"n": "..", "m": "2"}<|action_sep|>    return m\n<|frame_sep|>'
        '<|return_sep|><|action_sep|>    return m\n<|arg_sep|>"2"<|frame_sep|>'
        "<|end_of_text|>"
    )
    assert cwm_prompt(trace, code) == (
        "<|begin_of_text|><|trace_context_start|>def f(n):  # << START_OF_TRACE\n"
        "    m = n\n    return m\n<|frame_sep|>"
    )


_RETURNS = """
def f(n):
    if n == 0: return 0
    if n == 1:
        return 'two'
    if n == 2:
        return
    if n == 3:
        return n + 1
    if n == 4:
        try:
            return n
        finally:
            n = 7
    if n == 5:
        return [i
                for i in range(n)]
    if n == 6:
        return f
"""


@pytest.mark.parametrize(
    ("n", "value"),
    [
        *((0, "0"), (1, "'two'"), (2, "None"), (3, "4"), (4, "4"), (5, "[0, 1, 2, 3, 4]")),
        *((6, "<function f>"), (7, "None")),
    ],
)
def test_cwm_has_what_is_returned(bench: Bench, n: int, value: str) -> None:
    code = f"{_RETURNS}x = f({n})\n"
    returns = [f.value for f in cwm_frames(traced(bench, code), code) if f.kind == "return"]
    assert returns[-2:] == [value, "None"]


def test_cwm_has_what_is_yielded_and_raised(bench: Bench) -> None:
    code = "def g():\n    yield 1\n    raise KeyError('k')\nfor x in g(): pass\n"
    found = [(f.kind, f.value) for f in cwm_frames(traced(bench, code), code) if f.value]
    assert found == [
        ("return", "1"),
        ("exception", "<KeyError ('k',)>"),
        ("return", "None"),
        ("exception", "<KeyError ('k',)>"),
        ("return", "None"),
    ]


def test_cwm_refuses_a_program_that_holds_its_tokens(bench: Bench) -> None:
    code = "x = '<|line_sep|>'\n"
    with pytest.raises(ValueError, match=r"line 1 of the program holds the special token"):
        cwm_text(traced(bench, code), code)
    built = "x = '<' + '|line_sep|>'\n"
    assert parse_cwm(cwm_text(traced(bench, built), built))[1].kind == "line"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "behind the last frame stands 'hello'"),
        ("hello<|frame_sep|>", "frame 1 of the trace: no kind"),
        ("<|line_sep|>[]<|action_sep|>x<|frame_sep|>", "no JSON object"),
        ('<|line_sep|>{"n": ".."}<|action_sep|>x<|frame_sep|>', "'n' is said to be the same"),
        ("<|line_sep|>{<|action_sep|>x<|frame_sep|>", "frame 1 of the trace: "),
    ],
)
def test_cwm_says_what_is_no_trace(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_cwm(text)


# --- comments ---------------------------------------------------------------------------


def test_next_shows_the_first_two_visits_and_the_last(bench: Bench) -> None:
    lines = next_comments(traced(bench, _LOOP), _LOOP).split("\n")
    assert lines[2:5] == [
        "    for i in range(n):  # (4) i=0; (6) i=1; ...; (12)",
        "        t += i  # (5); (7) t=1; ...; (11) t=6",
        "    return t  # (13)",
    ]


def test_next_tells_where_the_program_ended(bench: Bench) -> None:
    code = PROGRAMS["uncaught"]
    assert next_comments(traced(bench, code), code).split("\n")[2] == (
        "    return b / 0  # (5) raises ZeroDivisionError"
    )


def test_semcoder_shows_the_first_two_states_and_the_last(bench: Bench) -> None:
    trace = _call(bench, _LOOP, "f(5)", "10")
    assert semcoder_comments(trace, _LOOP).split("\n") == [
        'def f(n):  # [INPUT] {"n": 5} [/INPUT]',
        '    t = 0  # [STATE-0] {"t": 0} [/STATE-0]',
        '    for i in range(n):  # [STATE-1] {"i": 0} [/STATE-1][STATE-2] {"i": 1} [/STATE-2]'
        ' ... [STATE-8] {"i": 4} [/STATE-8]',
        '        t += i  # [STATE-3] {"t": 1} [/STATE-3][STATE-5] {"t": 3} [/STATE-5]'
        ' ... [STATE-9] {"t": 10} [/STATE-9]',
        "    return t  # [OUTPUT] 10 [/OUTPUT]",
        "x = f(4)",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': [1, None]}", {"a": [1, None]}),
        ("(1, 2)", "(1, 2)"),
        ("{1: 2}", "{1: 2}"),
        ("[(1,)]", "[(1,)]"),
        ("<A x=1>", "<A x=1>"),
        ("'it'", "it"),
    ],
)
def test_json_of_a_value(text: str, value: object) -> None:
    assert json_value(text) == value


def test_a_comment_stands_where_it_can() -> None:
    code = 'a = """x\n"""\nb = 1 + \\\n  2\nc = 3  # \\\n'
    comments = {1: "one", 2: "two", 3: "three", 5: "five", 99: "none"}
    assert with_comments(code, comments) == (
        'a = """x\n"""\t# [1] one  # two\nb = 1 + \\\n  2\t# [3] three\nc = 3  # \\  # five\n'
    )


@pytest.mark.parametrize("parse", [parse_next, parse_semcoder])
@pytest.mark.parametrize("text", ["x = 2  # (1)\n", "x = 1", "x = 1  # y\n"])
def test_what_is_not_the_program_with_comments_is_refused(parse: object, text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        parse(text, "x = 1\n")  # type: ignore[operator]


# --- lines ------------------------------------------------------------------------------


def test_codeexecutor_writes_tokens(bench: Bench) -> None:
    code = "s = ['x', 'y z', -1.5]\nt = '</state>'\nimport os\n"
    assert codeexecutor_text(traced(bench, code)) == (
        "<line> <0> <state> s : [ x , y z , -1.5 ] </state> "
        "<line> <1> <state> s : [ x , y z , -1.5 ] <dictsep> t : < /state> </state> "
        "<line> <2> <state> s : [ x , y z , -1.5 ] <dictsep> t : < /state> </state>"
    )
    with pytest.raises(ValueError, match="'and' is no visit"):
        parse_codeexecutor("<line> <0> <state> </state> and <line> <1> <state> </state>")


def test_codeexecutor_has_the_output_ahead_of_its_line(bench: Bench) -> None:
    code = (
        "def f(x):\n    print('in',  x)\n    return x\nprint(f(1), '<line>')\nprint(end='a\\n b')\n"
    )
    trace = traced(bench, code)
    lines = codeexecutor_lines(trace)
    assert [(line.line, line.output) for line in lines] == [
        (1, ""), (4, ""), (2, "in 1"), (3, "1 < line>"), (5, "a b"),
    ]  # fmt: skip
    text = codeexecutor_text(trace)
    assert "</state> <output> in 1 <line> <1> <state> x : 1 </state>" in text
    assert parse_codeexecutor(text) == lines


def test_coconut_asks_about_a_call(bench: Bench) -> None:
    assert executed_path(_call(bench, _LOOP, "f(1)", "0")) == [2, 3, 4, 3, 5]
    assert numbered_code("a\nb") == "a  # 1\nb  # 2"
    assert parse_path("no list") is None
    assert path_similarity([2, 3, 4], [2, 4]) == pytest.approx(2 * 3 / 8)


def test_lines_are_counted_as_python_counts_them() -> None:
    assert source_lines("a\x0cb\r\nc\rd\u2028e") == ["a\x0cb", "c", "d\u2028e"]


# --- REval ------------------------------------------------------------------------------

_BRANCH = """
def f(a, b):
    total = a + b
    if total > 0:
        result = [total]
        result.append(b)
    else:
        result = int(b)
    return result
"""


def test_reval_asks_the_last_statement_of_each_block(bench: Bench) -> None:
    trace = _call(bench, _BRANCH, "f(1, 2)", "[3, 2]")
    probes = {probe.line: probe for probe in reval_probes(trace, _BRANCH)}
    assert {line: probe.variable for line, probe in probes.items()} == {
        3: "total",
        6: "result",
        8: "result",
        9: "result",
    }
    assert (probes[3].states, probes[3].next_lines) == (("3",), (4,))
    assert (probes[6].states, probes[6].next_lines) == (("[3, 2]",), (9,))
    assert (probes[8].covered, probes[8].states, probes[8].next_lines) == (False, (), (NEVER,))
    assert (probes[9].states, probes[9].next_lines) == (("[3, 2]",), (NEVER,))


def test_reval_takes_any_visit_of_a_loop(bench: Bench) -> None:
    trace = _call(bench, _LOOP, "f(3)", "3")
    (probe,) = [p for p in reval_probes(trace, _LOOP) if p.line == 4]
    assert (probe.states, probe.next_lines) == (("0", "1", "3"), (3,))
    assert score_state("[ANSWER]\n1; int\n[/ANSWER]", probe)
    assert not score_state("[ANSWER]2; int[/ANSWER]", probe)
    assert not score_state("[ANSWER]1; float[/ANSWER]", probe)
    assert not score_state("[ANSWER]1.0; int[/ANSWER]", probe)
    assert not score_state("[ANSWER]Nil[/ANSWER]", probe)
    assert score_path("[ANSWER]for i in range(n):[/ANSWER]", probe, _LOOP)
    assert not score_path("-1", probe, _LOOP) and not score_path("", probe, _LOOP)
    assert score_coverage("[ANSWER]YES[/ANSWER]", probe)
    assert not score_coverage("[ANSWER]perhaps[/ANSWER]", probe)


def test_reval_of_a_line_that_does_not_run(bench: Bench) -> None:
    trace = _call(bench, _BRANCH, "f(1, 2)", "[3, 2]")
    (probe,) = [p for p in reval_probes(trace, _BRANCH) if p.line == 8]
    assert score_coverage("NO", probe) and score_path("-1", probe, _BRANCH)
    assert score_state("[Nil]", probe) and score_state("nil; int", probe)
    assert not score_state("2; int", probe)


@pytest.mark.parametrize(
    ("state", "answer", "right"),
    [
        ("'a b'", "a b; string", True),
        ("'a b'", "'a b'; <class 'str'>", True),
        ("[1]", "[1]; list[int]", True),
        ("(1, 2)", "(1, 2); (int, int)", True),
        ("None", "None; NoneType", True),
        ("1.5", "1.5000001; float", True),
        ("1.5", "1.51; float", False),
        ("True", "1; bool", False),
        ("1", "__import__('os'); int", False),
        ("1", "1", False),
    ],
)
def test_reval_compares_value_and_type(state: str, answer: str, right: bool, bench: Bench) -> None:
    code = f"def f(x):\n    y = x\n    return y\nz = f({state})\n"
    probe = reval_probes(traced(bench, code), code)[-2]
    assert probe.states == (state,)
    assert score_state(f"[ANSWER]{answer}[/ANSWER]", probe) is right


def test_reval_output() -> None:
    fixed = {"id": "", "index": 0, "status": "completed", "python": "3.13", "runtime": "runsc"}
    frames = [TraceFrame(id=0, parent=None, function="f", line=1)]
    trace = TraceResult.model_validate(fixed | {"frames": frames, "value": "(1, 'a')"})
    assert score_output('[ANSWER]assert f("=="[0]) == (1, "a")[/ANSWER]', trace)
    assert score_output("(1, 'a')", trace)
    assert not score_output("[1, 'a']", trace) and not score_output("f(1)", trace)
    assert not score_output("1", trace.model_copy(update={"value": None}))


def test_reval_questions_name_line_and_variable(bench: Bench) -> None:
    (probe, *_) = reval_probes(_call(bench, _BRANCH, "f(1, 2)", "[3, 2]"), _BRANCH)
    questions = reval_questions(probe, _BRANCH, "f(1, 2)")
    assert "line 3 (`    total = a + b`)" in questions.coverage
    assert "type of total after line 3" in questions.state and "Nil" in questions.state
    assert "-1" in questions.path and questions.output.endswith("assert f(1, 2) == ??")


def test_incremental_consistency() -> None:
    def score(answers: str) -> float:
        return RevalAnswers(*(answer == "y" for answer in answers)).consistency

    assert [score(a) for a in ("yyyy", "yyyn", "yynn", "ynnn", "nnnn")] == [1, 0.5, 0.25, 0.125, 0]
    assert [score(a) for a in ("nyyy", "ynyy", "yyny", "ynny", "nnny")] == [0, 0, 0, 0, 0]
    assert incremental_consistency([RevalAnswers(True, True, True, False)] * 3) == 50.0
    with pytest.raises(ValueError, match="answers is empty"):
        incremental_consistency([])


def test_of_call_leaves_out_the_module(bench: Bench) -> None:
    trace = _call(bench, _LOOP, "f(1)", "0")
    assert [frame.function for frame in trace.frames] == ["f"]
    assert trace.executed_lines == [2, 3, 4, 5] and set(trace.final) == {str(trace.frames[0].id)}
    assert [step.depth for step in replay(trace)] == [0] * len(trace.events)
    assert [step.value for step in replay(trace)][-2:] == [None, "0"]


def test_of_call_leaves_out_what_loading_the_module_printed(bench: Bench) -> None:
    code = "print('ä load')\ndef f():\n    print('é one')\n    print('two')\n"
    trace = _call(bench, code, "f()", "None")
    assert trace.stdout == "é one\ntwo\n"
    assert [step.stdout for step in replay(trace)] == ["", "", "é one\n", "é one\ntwo\n"]
    assert [line.output for line in codeexecutor_lines(trace)] == ["é one", "two"]
