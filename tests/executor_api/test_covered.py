"""Lines and branches in the guest against coverage.py, on each Python at hand.

coverage.py reads the ways a program may take from its syntax tree and tells lines of one statement
apart no further; ours come from the bytecode. ``_folded`` says what that makes different.
"""

# ruff: noqa: E501 (programs, a line each)
import ast
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.executor_api.tracer_bench import ChildBench, RandomProgram, python_of

Arc = tuple[int, int]


class Bench(ChildBench):
    """Runs programs under our coverage, or coverage.py."""

    def __init__(self, version: str, folder: Path) -> None:
        self.version = version
        (folder / "coverage").symlink_to(Path(coverage.__file__).parent)
        super().__init__(python_of(version), "coverage_child.py", str(folder))

    def see(self, code: str, *, oracle: bool = False, traced: bool = False) -> dict[str, Any]:
        return self.ask(code=code, oracle=oracle, traced=traced)

    def run(self, code: str) -> "Seen":
        return Seen(self.see(code))


class Seen:
    """What our coverage told of one run."""

    def __init__(self, answer: dict[str, Any]) -> None:
        kind, lines, arcs = answer["possible"]
        assert kind == "possible"
        self.stdout, self.raised = answer["stdout"], answer["raised"]
        self.untold = {(line, to) for line, to in answer["untold"]}
        self.lines = {what[0] for what in answer["seen"] if len(what) == 1}
        self.arcs = {(what[0], what[1]) for what in answer["seen"] if len(what) == 2}
        assert "lost" not in self.lines
        assert len(answer["seen"]) == len(self.lines) + len(self.arcs), "told twice"
        self.missed_lines = set(lines) - self.lines
        self.missed_arcs = {(line, to) for line, to in arcs} - self.arcs
        assert self.lines <= set(lines)
        assert self.arcs <= {(line, to) for line, to in arcs}


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13"])
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("coverage")
    with closing(Bench(request.param, folder)) as started:
        yield started


def first_lines(code: str) -> dict[int, int]:
    """Each line of a statement (of a compound one, of its head) → the statement's first."""
    found: dict[int, int] = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            last = node.end_lineno or node.lineno
            if isinstance(body, list):
                head = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
                last = head.lineno - 1
            for line in range(node.lineno, max(last, node.lineno) + 1):
                found[line] = max(found.get(line, 0), node.lineno)
    return found


def _folded(arcs: set[Arc], firsts: dict[int, int]) -> set[Arc]:
    """Between statements only, and of lines that still branch then; all exits are one."""
    folded = {(firsts.get(line, line), firsts.get(to, to) if to > 0 else -1) for line, to in arcs}
    return {(line, to) for line, to in folded if line != to}


def _shared_lines(code: str) -> set[int]:
    """Where one line holds a function and its body, whose ways coverage.py takes for the line's, or
    an ``if`` and the jump it guards, whose way may begin with the end of a ``with``."""
    nodes = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef | ast.If)]
    return {node.lineno for node in nodes if node.body[0].lineno == node.lineno}


def compare(bench: Bench, code: str) -> Seen:
    seen, oracle = bench.run(code), bench.see(code, oracle=True)
    assert (seen.stdout, seen.raised) == (oracle["stdout"], oracle["raised"])
    firsts = first_lines(code)
    statements = set(oracle["executed_lines"]) | set(oracle["missing_lines"])
    executed = {firsts.get(line, line) for line in seen.lines}
    assert executed & statements == set(oracle["executed_lines"]), code
    missed = {firsts.get(line, line) for line in seen.missed_lines} - executed
    assert missed & statements == set(oracle["missing_lines"]), code
    taken, missing = _folded(seen.arcs, firsts), _folded(seen.missed_arcs, firsts)
    taken_there, missing_there = (
        _folded({(line, to) for line, to in oracle[name]}, {})
        for name in ("executed_branches", "missing_branches")
    )
    shared = _shared_lines(code)
    taken, missing, taken_there, missing_there = (
        {arc for arc in arcs if arc[0] not in shared}
        for arcs in (taken, missing, taken_there, missing_there)
    )
    ours, theirs = taken | missing, taken_there | missing_there
    branching = {line for line, _ in ours if sum(line == start for start, _ in ours) > 1}
    ours = {arc for arc in ours if arc[0] in branching}
    assert ours == theirs, (code, ours ^ theirs)
    assert taken & ours == taken_there, (code, (taken & ours) ^ taken_there)
    return seen


_PROGRAMS = {
    "if": "for n in range(3):\n    if n:\n        x = n\n    y = n\nif y > 5:\n    x = 0\n",
    "if and": "def f(a, b):\n    if a and b:\n        return 1\n    return 2\nf(1, 0)\nf(1, 1)\n",
    "elif": "for n in (1, 2):\n    if n == 1:\n        a = 1\n    elif n == 2:\n        a = 2\n"
    "    else:\n        a = 3\n",
    "loop with break and else": "def f(xs):\n    for x in xs:\n        if x == 3:\n            break\n"
    "    else:\n        return None\n    return x\nf([3])\n",
    "loop that ends": "def f(xs):\n    for x in xs:\n        if x == 3:\n            break\n"
    "    else:\n        return None\n    return x\nf([1, 2])\nf([])\n",
    "while with else": "n = 3\nwhile n:\n    n -= 1\n    if n == 7:\n        break\nelse:\n    n = 9\n",
    "continue": "t = 0\nfor i in range(5):\n    if i % 2:\n        continue\n    t += i\nprint(t)\n",
    "endless": "n = 0\nwhile True:\n    n += 1\n    if n > 3:\n        break\nprint(n)\n",
    "try": "def f(x):\n    try:\n        y = 1 // x\n    except ZeroDivisionError:\n        y = 0\n"
    "    except TypeError:\n        y = 2\n    else:\n        y += 1\n    return y\nf(0)\nf(1)\n",
    "finally": "def f(x):\n    try:\n        if x:\n            return 1\n        y = 1\n    finally:\n"
    "        if x > 1:\n            z = 1\n        w = 2\n    return y\nf(0)\nf(1)\n",
    "raise": "def f(x):\n    if x:\n        raise ValueError(x)\n    return x\nf(0)\ntry:\n    f(1)\n"
    "except ValueError as error:\n    if error.args == (2,):\n        print(1)\n",
    "with suppressed": "import contextlib\ndef f(a):\n    with contextlib.suppress(ValueError):\n"
    "        if a:\n            raise ValueError\n        a = 3\n    return a\nf(1)\n",
    "match": "def f(v):\n    match v:\n        case 1:\n            return 'one'\n"
    "        case [a, b] if a:\n            return a\n        case {'k': k}:\n            return k\n"
    "    return None\nf(1)\nf([0, 1])\nf({'k': 3})\n",
    "comprehension": "xs = [i for i in range(4) if i % 2]\nys = {\n    k: v\n    for k, v in"
    " zip(xs, xs)\n    if v\n}\nif xs:\n    print(ys)\n",
    "generator": "def g(n):\n    while n:\n        if n == 2:\n            yield n\n        n -= 1\n"
    "print(list(g(3)), sum(x for x in g(1)))\n",
    "one line": "def f(x):\n    if x: return 1\n    for i in range(x): x += i\n    return 2\nf(0)\n",
    "nested functions": "def f(n):\n    def g(m):\n        if m:\n            return m\n"
    "        return n\n    return g(n)\nf(0)\n",
    "class": "class C:\n    if 1 > 2:\n        x = 1\n    def m(self):\n        if self:\n"
    "            return 1\nC().m()\n",
    "lambda and condition": "f = lambda x: 1 if x else 2\ny = f(0)\nz = (\n    3\n    if y\n    else 4\n)\n",
    "assert": "def f(x):\n    assert x, 'no'\n    return x\nf(1)\n",
    "last in a function": "def f(x):\n    if x:\n        print(x)\ndef g(xs):\n    for x in xs:\n"
    "        print(x)\nf(0)\ng([1])\n",
    "uncaught": "def f(x):\n    if x:\n        return 1 // 0\n    return 2\nfor i in (0, 1):\n    f(i)\n",
    "recursion": "def f(n):\n    if n == 0:\n        return 0\n    return f(n - 1)\nf(50)\n",
    "async": "import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    if n:\n        return 1\n"
    "    return 2\nasyncio.run(f(1))\n",
    "nothing": "",
}


@pytest.mark.parametrize("name", _PROGRAMS)
def test_as_coverage_py_says(bench: Bench, name: str) -> None:
    compare(bench, _PROGRAMS[name])


@pytest.mark.parametrize("seed", range(40))
def test_as_coverage_py_says_of_random_programs(bench: Bench, seed: int) -> None:
    compare(bench, str(RandomProgram(seed)))


def test_a_branch_at_the_end_of_with_goes_to_its_line(bench: Bench) -> None:
    """Which runs again to end it, as a trace shows; coverage.py says what runs after that."""
    code = "import io\ndef f(a):\n    with io.StringIO():\n        if a:\n            a = 2\n    return a\nf(0)\n"
    seen, oracle = bench.run(code), bench.see(code, oracle=True)
    assert (seen.arcs, seen.missed_arcs) == ({(4, 3)}, {(4, 5)})
    assert (oracle["executed_branches"], oracle["missing_branches"]) == ([[4, 6]], [[4, 5]])


def test_both_halves_of_a_condition_on_two_lines(bench: Bench) -> None:
    seen = bench.run("a, b = 1, 0\nif (\n    a\n    and b\n):\n    a = 2\nb = 3\n")
    if bench.version == "3.11":  # it gives the jumps the line of the ``if``
        assert (seen.arcs, seen.missed_arcs) == ({(2, 4), (2, 7)}, {(2, 6)})
    else:
        assert (seen.arcs, seen.missed_arcs) == ({(3, 4), (4, 7)}, {(3, 7), (4, 6)})


@pytest.mark.parametrize("seed", range(20))
def test_beside_a_recorder(bench: Bench, seed: int) -> None:
    if bench.version == "3.11":
        pytest.skip("one hook only: a trace on Python 3.11 tells no branches")
    code = str(RandomProgram(seed))
    traced, alone = vars(Seen(bench.see(code, traced=True))), vars(bench.run(code))
    del traced["untold"], alone["untold"]  # only the program that runs alone is marked
    assert traced == alone, code


_TOLD_ONCE = {
    "if": "if x:\n        y = 1\n    z = 1",
    "last in a loop": "for i in range(3):\n        if x:\n            y = 1",
    "elif": "if not x:\n        y = 1\n    elif x:\n        y = 2\n    z = 1",
    "chained": "if 0 < x < 2:\n        y = 1\n    z = 1",
    "break": "while x:\n        x -= 1\n        if x == 7:\n            break\n    z = 1",
    "for": "for i in (1, 2):\n        if i == 7:\n            break\n    z = 1",
    "and": "if (\n        x\n        and x < 2\n    ):\n        y = 1\n    z = 1",
    "or": "while (\n        x > 2\n        or not (x and\n        x)\n    ):\n        y = 1\n    z = 1",
    "mixed": "if (x and x\n        or y):\n        y = 1\n    else:\n        y = 2",
    "match": "match x:\n        case 1:\n            y = 1\n        case [a, 2]:\n            y = 2\n    z = 1",
    "comprehension": "y = [\n        i\n        for i in (1, 2)\n        if i\n    ]",
}


@pytest.mark.parametrize("name", _TOLD_ONCE)
def test_no_branch_costs_more_than_once(bench: Bench, name: str) -> None:
    """Each of its ways has an instruction that tells of it, so that its own event is switched off;
    what is told is what the unmarked program tells."""
    if bench.version == "3.11":
        pytest.skip("sys.settrace tells of every line")
    code = f"def f(x):\n    y = 0\n    {_TOLD_ONCE[name]}\nf(1)\nf(1)\n"
    marked, unmarked = bench.run(code), Seen(bench.see(code, traced=True))
    assert marked.untold == set()
    assert (marked.lines, marked.arcs) == (unmarked.lines, unmarked.arcs)
    assert (marked.missed_lines, marked.missed_arcs) == (
        unmarked.missed_lines,
        unmarked.missed_arcs,
    )


@pytest.mark.parametrize(
    "code",
    [
        "def f(n):\n    for i in range(n):\n        if n:\n            n += 0\n    1 // 0\nf(2)\n",
        "import sys\ndef f(n):\n    if (n\n        and n):\n        n = 1\n"
        "    print(sys._getframe().f_lineno, f.__code__.co_names)\nf(0)\n",
        "match 3:\n    case int(x) | x:\n        print(x)\nmatch 3:\n    case (x as y):\n        print(y)\n",
    ],
)
def test_marks_change_nothing_that_a_program_sees(bench: Bench, code: str) -> None:
    ours, plain = bench.see(code), bench.see(code, oracle=True)
    assert (ours["stdout"], ours["raised"]) == (plain["stdout"], plain["raised"])


def test_what_cannot_be_marked_is_covered_all_the_same(bench: Bench) -> None:
    code = "x = " + "+".join(["1"] * 2000) + "\nfor i in (1, 2):\n    if i:\n        x = 2\n"
    seen = bench.run(code)
    assert (seen.arcs, seen.missed_arcs) == ({(2, -1), (2, 3), (3, 4)}, {(3, 2)})


def test_threads_are_seen(bench: Bench) -> None:
    code = "import threading\ndef f(n):\n    if n:\n        return 1\n    return 2\n"
    seen = bench.run(code + "t = threading.Thread(target=f, args=(1,))\nt.start()\nt.join()\n")
    assert (seen.arcs, seen.missed_arcs) == ({(3, 4)}, {(3, 5)})


def test_a_forked_child_tells_nothing(bench: Bench) -> None:
    code = "import os\nif os.fork():\n    os.wait()\nelse:\n    os._exit(0)\n"
    seen = bench.run(code)
    assert (seen.lines, seen.arcs) == ({1, 2, 3}, {(2, 3)})


_GONE = {
    "3.11": "import sys\nsys.settrace(None)\n",
    "3.12": "import sys\nsys.monitoring.free_tool_id(1)\n",
    "3.13": "import sys\nsys.monitoring.free_tool_id(1)\n",
}


def test_a_program_that_takes_the_hook_away_is_told_of(bench: Bench) -> None:
    answer = bench.see(_GONE[bench.version] + "x = 1\n")
    assert answer["raised"] is None and answer["seen"][-1] == ["lost"]
    assert answer["seen"][:2] == [[1], [2]]
