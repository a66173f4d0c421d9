"""What the tests of the tracer share: a child to run programs in, and the comparison."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import executor_api.guest

GUEST = Path(executor_api.guest.__path__[0])
LIMITS = {
    "max_events": 10_000,
    "max_value_chars": 200,
    "max_items": 20,
    "max_depth": 4,
    "max_bytes": 1_000_000,
}


class ChildBench:
    """A process of one Python version that runs jobs (``forked_jobs.py``)."""

    def __init__(self, python: str, script: str, *arguments: str) -> None:
        self.python = python
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name(script)), str(GUEST), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def ask(self, **job: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "failure" not in answer, answer["failure"]
        return answer

    def close(self) -> None:
        with self._process:
            self._process.stdin and self._process.stdin.close()


class Bench(ChildBench):
    """Runs programs under the tracer, a naive tracer, or none."""

    def __init__(self, python: str) -> None:
        super().__init__(python, "tracer_child.py")

    def run(self, code: str, mode: str, detail: str = "lines", **more: Any) -> dict[str, Any]:
        limits = LIMITS | more.pop("limits", {})
        return self.ask(code=code, mode=mode, detail=detail, limits=limits, **more)

    def trace(self, code: str, detail: str = "lines", **more: Any) -> "Trace":
        return Trace(self.run(code, "record", detail, **more))


@contextmanager
def running_bench(version: str) -> Iterator[Bench]:
    """Skips the tests where there is no such Python."""
    with closing(Bench(python_of(version))) as bench:
        yield bench


class Trace:
    """The records of one run, sorted by type."""

    def __init__(self, answer: dict[str, Any]) -> None:
        records = [json.loads(line) for line in answer["records"].splitlines() if line]
        self.stdout, self.raised, self.value = (answer[k] for k in ("stdout", "raised", "value"))
        self.events, self.values = [], {}
        for _, kind, line, frame, *fields in (r for r in records if r[0] == "event"):
            if len(fields) % 2:
                self.values[len(self.events)] = fields.pop()
            changed = dict(zip(fields[::2], fields[1::2], strict=True))
            self.events.append([kind, line, frame, changed])
        self.frames = {record[1]: record[2:] for record in records if record[0] == "frame"}
        self.final = {record[1]: record[2] for record in records if record[0] == "final"}
        self.lines = sorted(n for record in records if record[0] == "lines" for n in record[1])
        assert records[-1][0] == "summary"
        self.summary = records[-1][1]

    def frame(self, function: str) -> int:
        """The first frame of ``function``."""
        return next(n for n, (_, name, _) in self.frames.items() if name == function)

    def last(self, name: str, function: str = "<module>") -> list[Any]:
        """``[value, type, line, visits]`` of a variable."""
        found: list[Any] = self.final[self.frame(function)][name]
        return found

    def states(self) -> list[list[Any]]:
        """The events with the full state of the frame at each."""
        frames: dict[int, dict[str, str]] = {}
        states = []
        for kind, line, frame, changed in self.events:
            state = frames.setdefault(frame, {})
            for name, text in changed.items():
                assert state.get(name) != text, f"{name} said again in {kind} {line}"
                state[name] = text
                if text is None:
                    del state[name]
            states.append([kind, line, frame, dict(state)])
        return states


def assert_exact_up_to(bench: Bench, code: str, events: int, **more: Any) -> int:
    """The same for a program that may have more events than are compared; returns how many were."""
    plain = bench.run(code, "plain", **more)
    naive = bench.run(code, "naive", limits={"naive_events": events}, **more)
    trace = bench.trace(code, limits={"max_events": events, "max_bytes": 100_000_000}, **more)
    answer = (trace.stdout, trace.raised, trace.value)
    assert answer == (plain["stdout"], plain["raised"], plain["value"])
    cut = len(naive["events"]) == events
    assert cut or trace.summary["complete"], trace.summary
    compare(trace.states(), naive["events"], cut)
    return len(naive["events"])


def assert_exact(bench: Bench, code: str) -> Trace:
    """The recorder says at every event what the naive tracer says, and disturbs nothing."""
    plain, naive = bench.run(code, "plain"), bench.run(code, "naive")
    limits = {"max_events": 1_000_000, "max_bytes": 100_000_000}
    trace = bench.trace(code, limits=limits)
    assert trace.summary["complete"], trace.summary
    assert (trace.stdout, trace.raised) == (plain["stdout"], plain["raised"])
    compare(trace.states(), naive["events"])
    assert bench.trace(code, "final", limits=limits).final == trace.final
    return trace


def compare(recorded: list[list[Any]], naive: list[list[Any]], cut: bool = False) -> None:
    """Equal event for event; ``cut``: as far as ``naive`` goes. settrace says ``return`` for every
    way to leave a frame; where an exception has just been seen in that frame, the recorder need not
    say it again."""
    said = {}
    rest = iter(recorded)
    event = next(rest, None)
    for kind, line, frame, state in naive:
        same = event is not None and event[2] == frame and _is_same_kind(event[0], kind)
        if not same:
            assert kind == "return" and said[frame][0] == "exception", (event, kind, line, frame)
            assert said[frame][3] == state
            continue
        assert event is not None
        assert event[3] == state, (event, line)
        assert event[1] == (line or 1), (event, line)
        said[frame] = event
        event = next(rest, None)
    assert cut or event is None, event


def _is_same_kind(recorded: str, naive: str) -> bool:
    if naive == "return":
        return recorded in ("return", "yield", "exception")
    return recorded == naive


def python_of(version: str) -> str:
    """The interpreter of that version; skips the tests where there is none."""
    python = bench_pythons().get(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    return python


@cache
def bench_pythons() -> dict[str, str]:
    """Version → interpreter, of those on this machine that can run the recorder."""
    found = {}
    for version in ("3.11", "3.12", "3.13"):
        name = f"python{version}"
        beside = sorted(Path(sys.base_prefix).parent.glob(f"{version}*/bin/{name}"))
        paths = [path for path in (shutil.which(name), *map(str, beside)) if path and _works(path)]
        found |= {version: paths[0]} if paths else {}
    return found | {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}


def _works(path: str) -> bool:
    return subprocess.run([path, "-c", ""], capture_output=True, timeout=30).returncode == 0


class RandomProgram:
    """A small program that ends: ints, lists, dicts, sets, loops, functions, closures, generators,
    coroutines, classes, patterns, exceptions, aliases, deletes."""

    def __init__(self, seed: int, counted: bool = False) -> None:
        """``counted``: only what the oracle of definitions can count."""
        self._random = random.Random(seed)
        self._counted = counted
        self._lines: list[str] = []
        self._functions: list[str] = []
        self._serial = 0
        self._emit(0, "a, b = 1, 2", "xs = [1, 2]", "ys = xs", "d = {}")
        self._block(0, 3, 8)
        self._emit(0, "print(a, b, xs, ys, d)")

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def _emit(self, indent: int, *lines: str) -> None:
        for line in "\n".join(lines).splitlines():
            self._lines.append("    " * indent + line)

    def _name(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}{self._serial}"

    def _block(self, indent: int, depth: int, count: int) -> None:
        for _ in range(self._random.randint(1, count)):
            self._statement(indent, depth)

    def _statement(self, indent: int, depth: int) -> None:
        counted = (
            self._for,
            self._if,
            self._try,
            self._function,
            self._generator,
            self._closure,
            self._class,
            self._recursion,
            self._levels,
            self._leaving,
            self._decorated,
        )
        others = (
            self._driven,
            self._coroutine,
            self._manager,
            self._match,
            self._object,
            self._shared,
        )
        compound = counted if self._counted else counted + others
        if depth and self._random.random() < 0.4:
            self._random.choice(compound)(indent, depth - 1)
        else:
            self._emit(indent, self._simple())

    def _number(self) -> str:
        simple = ["a", "b", "len(xs)", "d.get(1, 0)", str(self._random.randint(0, 3))]
        calls = [f"{name}({self._random.randint(0, 2)})" for name in self._functions[-2:]]
        return self._random.choice(simple + calls)

    def _simple(self) -> str:
        n, m = self._number(), self._number()
        choices = [
            f"a = {n}",
            f"b += ({n}) % 5",
            f"a, b = b, {n}",
            f"xs.append({n})",
            f"ys.append(({n}) + ({m}))",
            "ys = xs",
            "ys = list(xs)",
            "xs = xs[-4:]",
            f"d[{n}] = {m}",
            "d['xs'] = xs",
            "d.pop(1, None)",
            f"t = {n}; del t",
            f"for i in range({self._random.randint(0, 3)}): a += i",
            "w = 2\nwhile w: w -= 1",
            "xs = [q + 1 for q in xs if q]",
            "b = sum(q for q in range(3))",
            "a = max(xs, key=lambda v: -v, default=0)",
            f"a = max(\n    {n},\n    {m},\n)",
            "xs.sort()",
            "if (z := a): b = z",
            f"a, *xs = [{n}, *ys[-3:], {m}]",
            "(a, *_), b = (b, a), a",
            f"s = {{{n}, *xs[-2:]}}; s |= {{{m}}}; b = len(s)",
            "u = (xs, ys, [a]); u[2].append(b); ys = u[2]; del u",
            f"xs[-1:] = [{n}]; xs += ys[:1]",
            "d['k'] = d.get('k', 0); d['k'] += 1",
            "d.setdefault('l', []).append(b); ys = d['l']",
            "xs = [[p for p in range(q % 3) if p] and q for q in xs[-4:] if (b := q) is not None]",
            "d = {k: v for k, v in list(d.items())[-3:]}",
            "b = [a := a + j for j in range(2)][-1]",
            "a = 0 if a > b else (b if b < 9 else 1)",
            "b = a and b or len({*xs})",
            "while xs and len(xs) > 3: xs.pop()",
        ]
        return self._random.choice(choices)

    def _for(self, indent: int, depth: int) -> None:
        name = self._name("i")
        self._emit(indent, f"for {name} in range({self._random.randint(0, 3)}):")
        self._block(indent + 1, depth, 3)
        if self._random.random() < 0.3:
            self._emit(indent + 1, f"if {name} == 1:", f"    {self._random.choice(_JUMPS)}")
        if self._random.random() < 0.3:
            self._emit(indent, "else:", "    b = 0")

    def _if(self, indent: int, depth: int) -> None:
        self._emit(indent, f"if ({self._number()}) > 1:")
        self._block(indent + 1, depth, 2)
        self._emit(indent, "else:")
        self._block(indent + 1, depth, 2)

    def _try(self, indent: int, depth: int) -> None:
        self._emit(indent, "try:")
        self._block(indent + 1, depth, 2)
        self._emit(indent + 1, f"a = 1 // (({self._number()}) % 2)")
        self._emit(indent, "except ZeroDivisionError as e:", "    b = 7")
        self._block(indent + 1, depth, 2)
        if self._random.random() < 0.5:
            self._emit(indent, "finally:", "    a = 3")

    def _function(self, indent: int, depth: int) -> None:
        name = self._name("f")
        shared = "global a, xs, d" if indent == 0 else "pass"
        self._emit(indent, f"def {name}(p, *rest, k=2):", f"    {shared}")
        self._emit(indent + 1, *(() if indent == 0 else ("a, xs, d = 1, [], {}",)))
        self._emit(indent + 1, "b, ys = p, xs")
        self._block(indent + 1, 0, 3)
        self._emit(indent + 1, "try:", "    return b % 4", "finally:", "    b = k")
        self._emit(indent, f"a = {name}({self._number()}, k=a)")
        if indent == 0:
            self._functions.append(name)

    def _generator(self, indent: int, depth: int) -> None:
        name, item = self._name("g"), self._name("y")
        self._emit(indent, f"def {name}(n):", "    b = 0", "    try:", "        while n:")
        self._emit(indent + 3, "b = (yield b + n) or 0", "n -= 1")
        self._emit(indent + 1, "finally:", "    b = -1")
        end = self._random.choice(["break", "a = 2", "continue"])
        self._emit(indent, f"for {item} in {name}(2):", f"    {self._simple_line()}", f"    {end}")

    def _closure(self, indent: int, depth: int) -> None:
        name = self._name("c")
        self._emit(indent, f"def {name}(n):", "    seen, total = [], 0")
        self._emit(indent + 1, "def visit(k):", "    nonlocal total", "    total += k")
        self._emit(indent + 2, "if k: seen.append(k); visit(k - 1)")
        self._emit(indent + 1, "visit(n)", "return total + len(seen)")
        self._emit(indent, f"b = {name}({self._random.randint(0, 3)})")

    def _class(self, indent: int, depth: int) -> None:
        name = self._name("C")
        self._emit(indent, f"class {name}:", "    size = 1", "    table = [k for k in range(2)]")
        self._emit(indent + 1, "def __init__(self, v):", "    self.v = v", "    self.items = []")
        self._emit(indent + 1, "def push(self, x):", "    self.items.append(x)", "    self.v += x")
        self._emit(indent + 2, "return self")
        self._emit(indent, f"o = {name}(a % 3)", f"o.push({self._number()}).push(2)", "b = o.v % 5")

    def _recursion(self, indent: int, depth: int) -> None:
        name = self._name("r")
        self._emit(indent, f"def {name}(n, acc=()):", "    if n <= 0:", "        return len(acc)")
        self._emit(indent + 1, f"return {name}(n - 1, acc + (n,)) + {name}(n - 2)")
        self._emit(indent, f"a = {name}({self._random.randint(0, 4)})")

    def _levels(self, indent: int, depth: int) -> None:
        name = self._name("v")
        self._emit(indent, f"def {name}(n, kept=[]):", "    low, high = [n], 0")
        self._emit(indent + 1, "def middle(k):", "    nonlocal high", "    high += k")
        self._emit(indent + 2, "def inner():", "    nonlocal high, k", "    low.append(high)")
        self._emit(indent + 3, "high, k = high + 1, k - 1", "return k")
        self._emit(indent + 2, "while k > 0: inner()", "kept.append(k); return inner")
        self._emit(indent + 1, "last = middle(n)", "high -= 1")
        if not self._counted:  # what ended functions own counts for those that ran
            self._emit(indent + 1, "last()")
        self._emit(indent + 1, "return high % 7")
        self._emit(indent, f"b = {name}({self._random.randint(0, 2)})", f"a = {name}(1)")

    def _driven(self, indent: int, depth: int) -> None:
        name, driven = self._name("w"), self._name("it")
        self._emit(indent, f"def {name}(seen):", "    got = 0", "    while got is not None:")
        self._emit(indent + 2, "try:", "    got = yield got", "    seen.append(got)")
        self._emit(indent + 2, "except ValueError as e:", "    got = len(e.args)")
        self._emit(indent + 2, "else:", "    got = got and 1", "finally:", "    seen.append('f')")
        self._emit(indent, f"{driven} = {name}(xs[:0])", f"a = next({driven})")
        for _ in range(self._random.randint(1, 3)):
            step = self._random.choice(["send(2)", "throw(ValueError(1))", "send(0)"])
            self._emit(indent, f"b = {driven}.{step}")
        self._emit(indent, self._random.choice([f"{driven}.close()", f"{driven} = None", "pass"]))

    def _coroutine(self, indent: int, depth: int) -> None:
        name = self._name("co")
        self._emit(indent, f"async def {name}_items(n):", "    for i in range(n):")
        self._emit(indent + 2, "yield i", "n -= 1")
        self._emit(indent, f"async def {name}(n, out):", "    t = 0", "    if n > 0:")
        self._emit(indent + 2, f"t += await {name}(n - 1, out)", "out.append(t)")
        self._emit(indent + 1, f"async for i in {name}_items(n): t += i")
        self._emit(indent + 1, f"t += len([q async for q in {name}_items(n) if q])", "return t + n")
        self._emit(indent, "try:", f"    {name}({self._random.randint(0, 2)}, []).send(None)")
        self._emit(indent, "except StopIteration as e:", "    a = e.value")

    def _manager(self, indent: int, depth: int) -> None:
        name = self._name("M")
        self._emit(indent, f"class {name}:", "    def __init__(self, log): self.log = log")
        self._emit(indent + 1, "def __enter__(self):", "    self.log.append(1); return self")
        self._emit(indent + 1, "def __exit__(self, *e):", "    self.log.append(2)")
        self._emit(indent + 2, f"return {self._random.choice(['True', 'e[0] is not None'])}")
        self._emit(indent, f"with {name}([]) as m, {name}(m.log):")
        self._block(indent + 1, depth, 2)
        self._emit(indent + 1, f"a = 1 // (({self._number()}) % 2)", "m.log.append(3)")
        self._emit(indent, "b = len(m.log)")

    def _match(self, indent: int, depth: int) -> None:
        subject = self._random.choice(["xs", "d", "a", "(a, xs, *ys)", "[b, [a]]", "'a'"])
        self._emit(indent, f"match {subject}:", "    case [f1, *f2] if f2 and f1:")
        self._block(indent + 2, depth, 2)
        self._emit(indent + 1, "case {'k': f1, **f2} | {1: f1, **f2}:", "    b = len(f2)")
        self._emit(indent + 1, "case 0 | 1 as f3:", "    a = f3", "case int(f3): b = f3 % 3")
        self._emit(indent + 1, "case (f3, [f4]): f4 += 1" if depth else "case str(): a = 4")
        self._emit(indent + 1, "case _:", f"    {self._simple_line()}")

    def _leaving(self, indent: int, depth: int) -> None:
        name = self._name("l")
        ways = ["return k", "continue", "break", "k += 1", "raise KeyError(k)", "k = 1 // 0"]
        self._emit(indent, f"def {name}(k, seen=[]):", "    for i in range(3):", "        try:")
        self._emit(indent + 3, f"if i == 1: {self._random.choice(ways)}")
        self._emit(indent + 3, self._random.choice(ways))
        self._emit(indent + 2, "except KeyError as e:", f"    {self._random.choice(ways[:4])}")
        if self._random.random() < 0.5:
            self._emit(indent + 2, "except ArithmeticError:", "    k = 3")
        self._emit(indent + 2, "else:", "    seen.append(i)", "finally:")
        self._emit(indent + 3, f"if k == 2: {self._random.choice(ways[:3])}", "k = k + 1")
        self._emit(indent + 1, "else:", "    k = -1", "return k")
        self._emit(indent, "try:", f"    a = {name}({self._random.randint(0, 2)})")
        self._emit(indent, "except (KeyError, ZeroDivisionError):", "    b = 3")

    def _object(self, indent: int, depth: int) -> None:
        name = self._name("O")
        self._emit(indent, f"class {name}:", "    made, log = 0, []", "    for half in range(2):")
        self._emit(indent + 2, "if half: twice = half * 2", "del half")
        self._emit(indent + 1, "def __init__(self, v):", f"    {name}.made += 1", "    self.v = v")
        self._emit(indent + 1, "@property", "def top(self):", "    self.v += 1; return self.v")
        self._emit(indent + 1, "@top.setter", "def top(self, v):", "    self.log.append(v)")
        self._emit(indent + 1, "def __getitem__(self, i):", "    if i > 2: raise IndexError(i)")
        self._emit(indent + 2, "self.log.append(i); return i")
        self._emit(indent + 1, "def __iadd__(self, n): self.v += n; return self")
        self._emit(indent + 1, "def __lt__(self, o): o.v += 1; return self.v < o.v")
        self._emit(indent, f"p, q = {name}(1), {name}({self._random.randint(0, 2)}); r = p")
        self._emit(indent, "p += 1", "p.top = q.top", "r.v += 2", "a = p < q < r", "b = p[1]")
        self._emit(indent, "for i in q: a = i", "a, *ys = q; ys = [*p, a]", "p.log.clear()")
        self._emit(indent, "p.v, q.log[1:] = q.v, [p.v]", "b = sum(p) + q.v", "del p, r, q.v")

    def _shared(self, indent: int, depth: int) -> None:
        name = self._name("h")
        self._emit(indent, f"def {name}(p, q=[], *r, **k):", "    q.append(len(p)); p = p or q")
        self._emit(indent + 1, "p.append(0)", "k['new'] = q", "r += (p,)", "return k['new']")
        self._emit(indent, f"ys = {name}(xs)", f"ys = {name}(ys, xs, *ys[:2], **{{'z': d}})[-3:]")

    def _decorated(self, indent: int, depth: int) -> None:
        name, plain = self._name("k"), self._name("f")
        self._emit(indent, f"def {name}(n):", "    def around(f):", "        calls = []")
        self._emit(indent + 2, "def run(*v, **k):", "    calls.append(n); return f(*v, **k) + n")
        self._emit(indent + 2, "run.calls = calls; return run")
        self._emit(indent + 1, "return around")
        self._emit(indent, f"@{name}(1)", f"@{name}(a)")
        self._emit(indent, f"def {plain}(p, q=b): p += q; return p % 9")
        self._emit(indent, f"a = {plain}(b, q=2)", f"b = (lambda v=a: v + {plain}(v))()")

    def _simple_line(self) -> str:
        line = self._simple()
        return line if "\n" not in line else "a = 5"


_JUMPS = ("break", "continue", "pass")
