"""The tracer against a naive one that describes everything at every event."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data_sets import CRUXEVAL
from tests.executor_api.tracer_bench import (
    GUEST,
    Bench,
    RandomProgram,
    Trace,
    assert_exact,
    running_bench,
)
from tests.executor_api.tracer_oracle import count_definitions
from tests.executor_api.tracer_traps import ESCAPED


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with running_bench(request.param) as started:
        yield started


# --- exact at every event: one program a trap -------------------------------------------

TRAPS = {
    "alias": "a = [1]\nb = a\nb.append(2)\nc = {'a': a}\na.clear()\nx = 1\n",
    "callee mutation": "def f(p):\n    p.append(1)\n    return p\na = []\nf(a)\nx = f(a)\n",
    "closure": """
def outer():
    n, seen = 0, []
    def inner(k):
        nonlocal n
        n += k
        seen.append(n)
    inner(2)
    inner(3)
    return n
print(outer())
""",
    "global": "n = 0\ndef f():\n    global n, m\n    n += 1\n    m = n\nf()\nf()\nprint(n, m)\n",
    "class body": """
class A:
    '''Text.'''
    size: int = 1
    names = [n for n in 'ab']
    def __init__(self): self.v = {'k': [1]}
    class B:
        deep = 2
class C(A): pass
c = C()
c.v['k'].append(2)
""",
    "exec": """
exec('y = 1\\nfor i in range(3): y += i')
code = compile('z = 5\\nz += 1', '<program>', 'exec')
exec(code)
x = eval('y + z')
""",
    "comprehension": """
n = 3
a = [i for i in range(n)
     if i]
b = {k: [j
         for j in range(k)] for k in a}
def f(n):
    i = 7
    c = [i * 2
         for i in range(n)]
    return i, c
print(f(3), sum(x for x in a))
""",
    "generator": """
def g(n):
    try:
        while n:
            got = yield n
            n -= 1
    except ValueError as error:
        yield str(error)
    finally:
        n = -1
def both():
    yield from g(2)
    yield from [1, 2]
it = g(3)
next(it); it.send(5)
x = it.throw(ValueError('v'))
it.close()
y = list(both())
for i in g(5):
    if i == 3: break
del it
""",
    "iterator": """
class Up:
    def __init__(self, n): self.n = n
    def __iter__(self): return self
    def __next__(self):
        if not self.n: raise StopIteration
        self.n -= 1
        return self.n
for i in Up(2): x = i
y = next(Up(0), 5)
def through():
    z = yield from Up(1)
list(through())
try:
    next(Up(0))
except StopIteration:
    w = 1
""",
    "coroutine": """
import asyncio
async def add(a, b):
    await asyncio.sleep(0)
    return a + b
async def main():
    xs = [await add(i, 1) for i in range(2)]
    async for v in values(2):
        xs.append(v)
    return xs
async def values(n):
    for i in range(n):
        yield i
print(asyncio.run(main()))
""",
    "return none and unwinding": """
def none():
    return None
def raises():
    x = 1
    raise KeyError(x)
def passes():
    try:
        raises()
    finally:
        y = 2
def handles():
    try:
        passes()
    except KeyError as error:
        z = 3
none(); handles()
try:
    raises()
except KeyError:
    done = True
""",
    "one line loops": "w = 3\nwhile w: w -= 1\nfor i in range(3): w += i\nx = 1; y = 2\n",
    "delete": "a = 1\ndel a\nb = [1, 2]\ndel b[0]\ndef f():\n    c = 1\n    del c\n    d = 2\nf()",
    "lines of one call": """
def f(*a): return a
x = f(
    1,
    f(
        2),
    3,
)
y = 1
""",
    "match": """
def kind(v):
    match v:
        case [x, *rest]: return x, rest
        case {'k': w}: return w
        case int() as n: return n
print(kind([1, 2]), kind({'k': 3}), kind(4))
""",
    "with": """
class M:
    def __enter__(self): self.n = 1; return self
    def __exit__(self, *_): self.n += 1; return True
with M() as m:
    1 / 0
n = m.n
""",
    "recursion": "def f(n): return n if n < 2 else f(n - 1) + f(n - 2)\nprint(f(6))\n",
    "slots": """
class P:
    __slots__ = ('x', 'y')
    def __init__(self, x): self.x = x
p = P(1)
p.y = [p]
""",
    "uncaught": "def f(a):\n    b = a\n    return b / 0\nx = 1\nf(2)\n",
    "exit": "import sys\nx = 1\ndef f():\n    sys.exit(3)\nf()\n",
    "decorator": """
def twice(f):
    def run(*args): return f(f(*args))
    return run
@twice
def inc(n):
    return n + 1
print(inc(1))
""",
    "many names": "".join(f"v{i} = {i}\n" for i in range(300)) + "v299 += 1\n",
    "containers": """
from collections import Counter, defaultdict, deque
import heapq
d = defaultdict(list)
d['a'].append(1)
q = deque([1], maxlen=2)
q.extend([2, 3])
c = Counter('aab')
c['b'] += 1
h = []
for n in (3, 1, 2): heapq.heappush(h, n)
s = {3, 1}
s |= {2}
t = ([],)
t[0].append(t)
""",
} | ESCAPED


@pytest.mark.parametrize("trap", TRAPS)
def test_exact_at_every_event(bench: Bench, trap: str) -> None:
    assert_exact(bench, TRAPS[trap])


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 1 << 32))
def test_exact_on_random_programs(bench: Bench, seed: int) -> None:
    assert_exact(bench, str(RandomProgram(seed)))


_LEFT_OUT = {  # mutated, or gone at once
    *("xs", "ys", "d", "seen", "o", "self", "t", "u", "s", "kept", "low", "calls", "run", "_"),
}


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 1 << 32))
def test_counts_definitions(bench: Bench, seed: int) -> None:
    code = str(RandomProgram(seed, counted=True))
    trace = bench.trace(code, "final", limits={"max_bytes": 100_000_000})
    expected = count_definitions(code)
    visits: Counter[tuple[str, str]] = Counter()
    for number, variables in trace.final.items():
        function = trace.frames[number][1].split(".")[-1]
        visits.update({(function, name): last[3] for name, last in variables.items()})
    for (function, name), (count, line) in expected.items():
        if name in _LEFT_OUT or function == "<lambda>":
            continue
        assert visits[function, name] == count, (function, name)
        if function == "<module>":
            assert trace.last(name)[2] == line, name


# --- definitions ------------------------------------------------------------------------


def _final(bench: Bench, code: str, name: str, function: str = "<module>") -> list[object]:
    found = bench.trace(code, "final").last(name, function)
    assert bench.trace(code, "lines").last(name, function) == found
    return found


@pytest.mark.parametrize(
    ("code", "name", "expected"),
    [
        ("x = 1\nx = 1\nx = 1\n", "x", ["1", "int", 3, 3]),
        ("x = 1; x = 2\n", "x", ["2", "int", 1, 2]),
        ("for i in range(3):\n    pass\n", "i", ["2", "int", 1, 3]),
        ("x = 0\nif x: x = 1\ny = 2\n", "x", ["0", "int", 1, 1]),
        ("s = 0\nfor i in range(3): s += i\n", "s", ["3", "int", 2, 4]),
        ("a = []\nfor i in range(3):\n    a.append(i)\n", "a", ["[0, 1, 2]", "list", 3, 4]),
        ("a = [1]\nb = a\nb.append(2)\nx = len(a)\n", "a", ["[1]", "list", 1, 1]),
        ("a = [1]\nb = a\nb.append(2)\nx = len(a)\n", "b", ["[1, 2]", "list", 3, 2]),
        ("a = [0]\na[0] += 1\na[0] = 1\n", "a", ["[1]", "list", 3, 3]),
        (
            "from heapq import heappush\nh = []\nheappush(\n    h,\n    1)\n",
            "h",
            ["[1]", "list", 3, 2],
        ),
        ("class A: pass\na = A()\na.x = 1\n", "a", ["<A x=1>", "A", 3, 2]),
        ("def f(p): p.append(1)\na = []\nf(a)\n", "a", ["[1]", "list", 3, 2]),
        (
            "r = []\ndef f(n):\n    if n: r.append(n); f(n - 1)\nf(2)\n",
            "r",
            ["[2, 1]", "list", 3, 3],
        ),
        ("n = 0\ndef f():\n    global n\n    n += 1\nf()\nf()\n", "n", ["2", "int", 4, 3]),
        ("x = 1\ndel x\n", "x", ["1", "int", 1, 1]),
        ("try: 1 / 0\nexcept ZeroDivisionError as e:\n    x = 1\n", "x", ["1", "int", 3, 1]),
        ("i = 9\na = [i for i in range(3)]\n", "i", ["9", "int", 1, 1]),
        ("import math as m\n", "m", ["<module math>", "module", 1, 1]),
        ("with open('/dev/null') as f:\n    x = f.read()\n", "x", ["''", "str", 2, 1]),
    ],
)
def test_last_definition(bench: Bench, code: str, name: str, expected: list[object]) -> None:
    assert _final(bench, code, name) == expected


def test_each_change_of_a_cut_value_counts(bench: Bench) -> None:
    value, *where = _final(bench, "a = list(range(25))\na.append(1)\na.append(2)\n", "a")
    assert str(value).endswith("19, …]") and where == ["list", 3, 3]


def test_exception_variable_is_defined_once(bench: Bench) -> None:
    code = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    x = 1\n    y = 2\n"
    assert _final(bench, code, "e")[1:] == ["ZeroDivisionError", 3, 1]


def test_closure_variable_belongs_to_the_function_that_declares_it(bench: Bench) -> None:
    code = """
def outer(k):
    res, n = [], 0
    def dfs(m):
        nonlocal n
        n += 1
        if m: res.append(m); dfs(m - 1)
    dfs(k)
    return res
outer(3)
"""
    assert _final(bench, code, "res", "outer") == ["[3, 2, 1]", "list", 7, 4]
    assert _final(bench, code, "n", "outer") == ["4", "int", 6, 5]


def test_parameters_are_defined_by_the_call(bench: Bench) -> None:
    code = "def f(a, *b, c=3, **d):\n    a += 1\nf(1, 2, e=5)\n"
    final = bench.trace(code, "final").final[1]
    assert final == {
        "a": ["2", "int", 2, 2],
        "b": ["(2,)", "tuple", 1, 1],
        "c": ["3", "int", 1, 1],
        "d": ["{'e': 5}", "dict", 1, 1],
    }


# --- events -----------------------------------------------------------------------------


def _kinds(trace: Trace, function: str) -> list[tuple[str, int]]:
    number = trace.frame(function)
    return [(kind, line) for kind, line, frame, _ in trace.events if frame == number]


def test_events_of_a_function(bench: Bench) -> None:
    trace = bench.trace("def f(n):\n    m = n + 1\n    return m\nx = f(2)\n")
    assert trace.frames == {0: [None, "<module>", 1], 1: [0, "f", 1]}
    assert trace.events == [
        ["call", 1, 0, {}],
        ["line", 1, 0, {}],
        ["line", 4, 0, {"f": "<function f>"}],
        ["call", 1, 1, {"n": "2"}],
        ["line", 2, 1, {}],
        ["line", 3, 1, {"m": "3"}],
        ["return", 3, 1, {}],
        ["return", 4, 0, {"x": "3"}],
    ]
    assert trace.lines == [1, 2, 3, 4]


@pytest.mark.parametrize("code", ["", "# nothing\n\n"])
def test_an_empty_program_runs_no_line(bench: Bench, code: str) -> None:
    trace = assert_exact(bench, code)
    assert [event[0] for event in trace.events] == ["call", "return"] and not any(trace.lines)


def test_what_is_returned_yielded_and_raised(bench: Bench) -> None:
    code = """
def g(n):
    yield [n]
    try:
        n / 0
    finally:
        n = 2
def f():
    for v in g(1):
        pass
try:
    f()
except ZeroDivisionError:
    x = 1
"""
    trace = bench.trace(code)
    error = "<ZeroDivisionError ('division by zero',)>"
    kinds = [(trace.events[index][0], text) for index, text in trace.values.items()]
    assert kinds[0] == ("yield", "[1]") and kinds[-1] == ("return", "None")
    assert set(kinds[1:-1]) == {("exception", error)}
    said = {"return", "yield", "exception"}
    assert [i for i, e in enumerate(trace.events) if e[0] in said] == list(trace.values)


def test_yield_and_resume(bench: Bench) -> None:
    trace = bench.trace("def g():\n    x = yield 1\n    return x\nlist(g())\n")
    kinds = ["call", "line", "yield", "call", "line", "return"]
    assert [kind for kind, _ in _kinds(trace, "g")] == kinds


def test_a_frame_that_unwinds_ends_with_an_exception(bench: Bench) -> None:
    code = """
def f():
    try:
        return 1 // 0
    finally:
        x = 1
def g():
    return None
try:
    f()
except ZeroDivisionError:
    g()
"""
    trace = bench.trace(code)
    assert _kinds(trace, "f")[-3:] == [("exception", 4), ("line", 6), ("exception", 6)]
    assert _kinds(trace, "g")[-1] == ("return", 8)


def test_threads_are_traced(bench: Bench) -> None:
    code = """
import threading
def work(n):
    total = 0
    for i in range(n): total += i
    out.append(total)
out = []
threads = [threading.Thread(target=work, args=(n,)) for n in (3, 4)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(out))
"""
    trace = bench.trace(code)
    assert trace.stdout == "[3, 6]\n" and trace.summary["complete"]
    works = [n for n, (_, name, _) in trace.frames.items() if name == "work"]
    assert sorted(trace.final[n]["total"][0] for n in works) == ["3", "6"]
    assert all(trace.frames[n][0] is None for n in works)


def test_library_code_is_not_traced(bench: Bench) -> None:
    trace = bench.trace("import textwrap\nx = textwrap.fill('a b', 1)\n")
    assert {name for _, name, _ in trace.frames.values()} == {"<module>"}


def test_code_of_the_same_file_name_is_not_traced(bench: Bench) -> None:
    code = "c = compile('def h():\\n    return 1\\nh()', '<program>', 'exec')\nexec(c)\n"
    assert len(bench.trace(code).frames) == 1


# --- the program is not disturbed -------------------------------------------------------

_HOSTILE = """
import builtins, sys, threading
class Meta(type):
    def __hash__(cls): print('hash'); return 1
    def __eq__(cls, other): print('eq'); return True
    def __instancecheck__(cls, x): print('instancecheck'); return True
    @property
    def __name__(cls): print('name'); return 'N'
class Evil(metaclass=Meta):
    def __init__(self): object.__setattr__(self, 'field', 1)
    def __repr__(self): print('repr'); raise SystemExit
    __str__ = __len__ = __hash__ = __bool__ = __iter__ = __repr__
    def __eq__(self, other): print('eq'); return True
    def __getattribute__(self, name): print('getattribute'); raise ValueError
    @property
    def __class__(self): print('class'); return int
    def __del__(self): print('del')
class Fields:
    @property
    def __dict__(self): print('dict'); return {}
class L(list):
    def __iter__(self): print('iter'); return iter(())
    def __len__(self): print('len'); return 0
    def __getitem__(self, i): print('getitem')
class S(str):
    def __repr__(self): print('repr'); return ''
    def __hash__(self): print('hash'); return str.__hash__(self)
    def __str__(self): print('str'); return 'x'
class I(int):
    def __repr__(self): print('repr'); return ''
    __str__ = __index__ = __lt__ = __abs__ = __repr__
e = Evil()
x = [e, {1: e}, L([1, e]), S('s'), I(5), Fields()]
y = e
del y
builtins.len = builtins.repr = builtins.type = None
builtins.enumerate = builtins.next = builtins.any = lambda *_: print('builtin')
sys._getframe = threading.get_ident = lambda *_: print('function')
try:
    raise KeyError
except KeyError:
    pass
s = S('key')
big = 10 ** 5000
z = 1
del e, x
"""


def test_hostile_objects_are_described_without_running_them(bench: Bench) -> None:
    plain, trace = bench.run(_HOSTILE, "plain"), bench.trace(_HOSTILE)
    assert (trace.stdout, trace.raised) == (plain["stdout"], plain["raised"])
    assert trace.summary["complete"]
    said = {name: text for _, _, _, changed in trace.events for name, text in changed.items()}
    assert said["e"] is None and said["big"].startswith("0x31e2")
    states = [s for *_, s in trace.states() if "x" in s]
    evil = "<Evil field=1>"
    expected = f"[{evil}, {{1: {evil}}}, <L [1, {evil}]>, <S 's'>, <I 5>, <Fields>]"
    assert states[0]["x"] == expected


def test_objects_die_when_they_would(bench: Bench) -> None:
    code = """
class A:
    def __del__(self): print('del', self.n)
def f(n):
    a = A(); a.n = n
    print('end')
def g():
    a = A(); a.n = 'g'
    yield 1
f(1)
it = g(); next(it)
it = None
print('after')
for _ in range(2):
    a = A(); a.n = 'loop'
a = None
"""
    assert_exact_output(bench, code)


def assert_exact_output(bench: Bench, code: str) -> None:
    plain = bench.run(code, "plain")
    for detail in ("lines", "final"):
        trace = bench.trace(code, detail)
        assert (trace.stdout, trace.raised) == (plain["stdout"], plain["raised"])


@pytest.mark.parametrize(
    "loop", ["while True:\n        n += 1", "while True: n += 1"], ids=["lines", "line"]
)
def test_a_signal_handler_may_raise_anywhere(bench: Bench, loop: str) -> None:
    code = f"""
import signal
class Late(Exception): pass
def late(*_): raise Late
signal.signal(signal.SIGALRM, late)
n = 0
try:
    signal.setitimer(signal.ITIMER_REAL, DELAY)
    {loop}
except Late:
    print('late')
"""
    for delay in range(20, 30):  # each strikes another instruction
        assert_exact_output(bench, code.replace("DELAY", f"{delay / 1000}"))


def test_deep_recursion_ends_as_it_would(bench: Bench) -> None:
    code = """
def f(n): return f(n + 1)
try:
    f(0)
except RecursionError:
    print('caught')
x = 5
"""
    assert_exact_output(bench, code)
    summary = bench.trace(code, limits={"max_events": 100_000}).summary
    assert summary == {"complete": False, "reason": "hook_lost", "truncated_values": 0}


def test_a_forked_process_does_not_write_into_the_trace(bench: Bench) -> None:
    code = """
import os
x = 1
pid = os.fork()
if not pid:
    for i in range(1000): x += 1
    os._exit(0)
os.waitpid(pid, 0)
del pid
y = 2
"""
    trace = bench.trace(code)
    assert trace.summary["complete"] and len(trace.events) < 15
    assert trace.last("y") == ["2", "int", 10, 1]


@pytest.mark.parametrize("detail", ["lines", "final"])
def test_a_program_that_takes_the_hook_away_is_found_out(bench: Bench, detail: str) -> None:
    code = """
import sys
x = 1
if sys.version_info < (3, 12):
    sys.settrace(None)
else:
    for tool in range(5):
        if sys.monitoring.get_tool(tool): sys.monitoring.set_events(tool, 0)
y = 2
print(y)
"""
    trace = bench.trace(code, detail)
    assert trace.stdout == "2\n"
    assert trace.summary["reason"] == "hook_lost"


# --- caps -------------------------------------------------------------------------------

_LONG = "a = []\nfor i in range(500):\n    a.append(i)\nprint(len(a))\n"


def test_events_stop_at_their_cap_and_the_program_runs_on(bench: Bench) -> None:
    trace = bench.trace(_LONG, limits={"max_events": 100})
    assert len(trace.events) == 100 and trace.stdout == "500\n"
    assert trace.summary["reason"] == "events" and not trace.summary["complete"]
    assert trace.last("i") == ["48", "int", 2, 49]
    exact = len(bench.trace("x = 1\ny = 2\n").events)
    assert bench.trace("x = 1\ny = 2\n", limits={"max_events": exact}).summary["complete"]


def test_a_cap_on_a_call_holds(bench: Bench) -> None:
    code = "def f(n):\n    if n:\n        f(n - 1)\n    return n\nf(1)\nf(4)\n"
    for events in range(1, 20):
        assert len(bench.trace(code, limits={"max_events": events}).events) == events


def test_bytes_stop_at_their_cap_and_leave_room_for_end_values(bench: Bench) -> None:
    answer = bench.run(_LONG, "record", limits={"max_bytes": 4000})
    trace = Trace(answer)
    counted = [r for r in answer["records"].splitlines() if r[2:7] in ("event", "frame", "final")]
    assert sum(map(len, counted)) <= 4000
    assert trace.summary["reason"] == "bytes" and trace.stdout == "500\n"
    assert trace.last("i")[1] == "int"


def test_final_counts_no_events(bench: Bench) -> None:
    trace = bench.trace(_LONG, "final", limits={"max_events": 1})
    assert trace.summary["complete"] and not trace.events
    assert trace.last("a")[2:] == [3, 501]
    assert trace.lines == [1, 2, 3, 4]


def test_cut_values_are_counted(bench: Bench) -> None:
    code = "a = 'x' * 300\nb = [[[[[[1]]]]]]\nc = [1]\n"
    trace = bench.trace(code)
    assert trace.summary["truncated_values"] == 4  # two in events, two at the end
    assert len(trace.last("a")[0]) == 200 and trace.last("a")[0].endswith("…")


# --- bounds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "change"),
    [
        ("list(range(n))", "x[0] = i"),
        ("dict.fromkeys(range(n))", "x[-i] = i"),
        ("set(range(n))", "x.add(-i)"),
        ("'a' * n", "x += 'a'"),
        ("[list(range(1000)) for _ in range(n // 1000)]", "x[i].append(x)"),
        ("dict.fromkeys(map(chr, range(0xD800, 0xDF00)), 'x')", "x['a'] = i"),
    ],
)
def test_an_event_costs_the_same_for_a_container_of_any_size(
    bench: Bench, make: str, change: str
) -> None:
    code = f"import time\ndef f():\n    for i in range(500):\n        {change}\n"
    code = code.replace("def f():", f"def f():\n    n = 10 ** 6\n    x = {make}")
    code += "    return time.process_time()\nstart = time.process_time()\nprint(f() - start)\n"
    assert float(bench.trace(code).stdout) < 2


@pytest.mark.parametrize(
    "code",
    [
        "".join(f"v{i} = {i}\n" for i in range(2000)),
        "def f():\n" + "".join(f"    v{i} = {i}\n" for i in range(2000)) + "f()\n",
        "".join(f"def f{i}(): return {i}\n" for i in range(2000)),
        "".join(f"if {i}: x = {i}\n" for i in range(2000)),
    ],
    ids=["module", "function", "functions", "branches"],
)
def test_a_program_of_thousands_of_lines(bench: Bench, code: str) -> None:
    start = time.monotonic()
    trace = bench.trace(code, limits={"max_events": 100_000, "max_bytes": 100_000_000})
    assert trace.summary["complete"] and len(trace.events) > 2000
    assert time.monotonic() - start < 20


def test_thousands_of_classes_and_of_frames(bench: Bench) -> None:
    code = """
import sys
sys.setrecursionlimit(12_000)
def f(n, kept):
    kept.append(type('C', (), {})())
    return n and f(n - 1, kept)
f(1_000, [])
"""
    trace = bench.trace(code, limits={"max_events": 100_000, "max_bytes": 100_000_000})
    assert trace.summary["complete"] and len(trace.frames) == 1002


# --- killed -----------------------------------------------------------------------------

_KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from tracer import Recorder
code = compile(sys.argv[2], '<program>', 'exec')
limits = dict(
    max_events=10_000, max_value_chars=200, max_items=20, max_depth=4, max_bytes=1_000_000
)
recorder = Recorder(code, limits, 'lines', lambda data: os.write(1, data), sys.argv[2], {})
recorder.start()
exec(code, {})
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_killed_process_has_written_nearly_everything(bench: Bench, end: str) -> None:
    loop = "import os\nfor i in range({n}):\n    x = i\n" + end + "\n"
    for n, lost in ((3, 0), (1000, 64)):
        code = loop.format(n=n)
        command = [bench.python, "-c", _KILLED, str(GUEST), code]
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=60)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        events = [record for record in records if record[0] == "event"]
        assert 2 * n + 4 - lost <= len(events) <= 2 * n + 4


# --- real programs ----------------------------------------------------------------------


@pytest.mark.skipif(not CRUXEVAL.exists(), reason=f"needs {CRUXEVAL.name} in CODERL_TEST_DATA")
def test_cruxeval_calls_return_what_they_should(bench: Bench) -> None:
    samples = [json.loads(line) for line in CRUXEVAL.read_text().splitlines()]
    assert len(samples) == 400
    for sample in samples:
        answer = bench.run(sample["code"], "record", call=f"f({sample['input']})")
        assert eval(answer["value"]) == eval(sample["output"]), sample["id"]
        trace = Trace(answer)
        assert trace.summary["complete"] or trace.summary["reason"] in ("events", "bytes")
        assert trace.frame("f") and trace.frames[trace.frame("f")][0] is None
