"""Programs that count their own definitions: the same end values as the recorder's, or none."""

import ast
import gzip
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.data_sets import DATA
from tests.executor_api.tracer_bench import Bench, Trace, running_bench
from tests.security.mutations import MUTATIONS

_LIMITS = {"max_events": 1_000_000, "max_bytes": 100_000_000}


@pytest.fixture(scope="module", params=["3.12", "3.13"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with running_bench(request.param) as started:
        yield started


def _compare(bench: Bench, code: str, **job: Any) -> bool:
    """Whether the program counted for itself; it must make no difference."""
    job |= {"limits": _LIMITS, "detail": "final"}
    looked, counted = (bench.run(code, "record", count=count, **job) for count in (False, True))
    ours, theirs = Trace(counted), Trace(looked)
    assert ours.final == theirs.final
    assert ours.frames == theirs.frames and ours.lines == theirs.lines
    assert (ours.stdout, ours.raised, ours.value) == (theirs.stdout, theirs.raised, theirs.value)
    assert ours.summary == theirs.summary
    return bool(counted["counted"])


_MUTATIONS = ("swapped comparison", "off by one", "dropped return", "exception")

_COUNTED = {
    "nested in place": "t = [[0] * 3 for _ in range(2)]\nt[1][2] += 4\nt[0][1] = t[1][2] + 1\n",
    "scalars": "def f(n):\n    s = 0\n    for i in range(n):\n        s += i\nx = f(9)\n",
    "lists": """
def f(n):
    evens, odds = [], []
    for i in range(n):
        if i % 2:
            odds.append(i)
        else:
            evens.append(i)
    return evens, odds
a, b = f(30)
""",
    "items": "d = {}\nfor w in 'abcab':\n    if w not in d:\n        d[w] = 0\n    d[w] += 1\n",
    "table": """
n = 4
t = [[0] * n for _ in range(n)]
for i in range(n):
    for j in range(n):
        t[i][j] = i * j
""",
    "stack": """
stack = [1, 2, 3]
seen = []
while stack:
    top = stack.pop()
    seen.append(top)
stack.append(9)
""",
    "queue": """
from collections import deque
from heapq import heappush, heappop
q, h = deque([1]), []
for i in range(3):
    q.append(i)
    v = q.popleft()
    heappush(h, v)
least = heappop(h)
""",
    "raises midway": """
def f(xs):
    out = []
    for x in xs:
        y = 10 // x
        out.append(y)
    return out
try:
    f([1, 2, 0, 3])
except ZeroDivisionError:
    failed = True
""",
    "item out of range": "a = [0]\ntry:\n    a[1] = 2\nexcept IndexError:\n    b = 1\na[0] = 5\n",
    "uncaught": "def f(a):\n    b = a\n    c = b / 0\nx = 1\nf(2)\n",
    "several sites": "def f(n, m=1):\n    if n: m = 2\n    n = n - m\n    m = 3\nf(1)\nf(0)\n",
    "recursion": "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nx = f(9)\n",
    "class": """
class Solution:
    '''Text.'''
    def double(self, n: int) -> int:
        r = n * 2
        return r
x = Solution().double(4)
""",
    "inner code": """
k = 3
a = [i * k for i in range(4) if i]
f = max(a, key=lambda v: -v)
g = sum(v for v in a)
""",
    "imports": "from typing import *\nimport math\nfrom itertools import *\nx = math.floor(2.5)\n",
    "finally": "def f():\n    try:\n        return 1\n    finally:\n        x = 2\nf()\n",
    "exit": "import sys\nx = 1\nsys.exit(2)\n",
    "names of the library": "from math import *\ne, d = 1, 2\ndef tau(pi): return pi\nx = tau(e)\n",
    "future": "'''Text.'''\nfrom __future__ import annotations\nx: int = 1\ny: int\n",
    "one line": "for i in range(3): x = i; y = x\nif x: z = 1\n",
    "while else": "n = 3\nwhile n:\n    n = n - 1\nelse:\n    m = 1\n",
    "nothing": "",
}


@pytest.mark.parametrize("name", _COUNTED)
def test_the_same_end_values(bench: Bench, name: str) -> None:
    assert _compare(bench, _COUNTED[name]), "it did not count for itself"


@pytest.mark.parametrize(
    "code",
    [
        "a = [1]\nb = a\nb.append(2)\n",
        "a = [1]\nb = [a]\na.append(2)\n",
        "a = [[]]\nb = a[0]\nb.append(2)\n",
        "row = [0]\na = [row] * 2\na[0][0] = 1\n",
        "a = []\nfor row in [a]:\n    row.append(1)\n",
        "def f(p):\n    p.append(1)\na = []\nf(a)\n",
        "def f(p=[]):\n    p.append(1)\nf()\n",
        "def f(p):\n    p += [1]\n    return p\na = [1]\nf(a)\n",
        "a = []\ndef f():\n    a.append(1)\nf()\n",
        "a = []\nf = lambda: a.append(1)\nf()\n",
        "a = []\nadd = a.append\nadd(1)\n",
        "a = []\nlist(map(a.append, [1, 2]))\n",
        "a = [1]\nb = {'k': 1}\nb['a'] = a\na.append(2)\n",
        "a = [2, 1]\na.sort()\n",
        "s = {1}\ns.add(1)\n",
        "r = [1]\nt = [[0]]\nt[0] = r\nt[0][0] = 5\n",
        "t = [[0], [1]]\nfor i, row in enumerate(t):\n    t[i][0] = 5\n",
        "t = [[0], [1]]\nrow = t[0]\nt[0][0] = 5\n",
        "t = [[0], [1]]\nu = t[:1]\nt[0][0] = 5\n",
        "t = [[0], [1]]\nu = [row for row in t]\nt[0][0] = 5\n",
        "t = [[0], [1]]\nu = t + t\nt[1][0] = 5\n",
        "t = [[[0]]]\nu = t[0] + []\nt[0][0][0] = 5\n",
        "t = [[[0]]]\nu = t[0][0]\nt[0][0] += [5]\n",
        "t = [[0], [1]]\nu = max(t)\nt[1][0] = 5\n",
        "r = [1]\nt = [[0]]\nt[0][0] = r\nt[0][0] += [5]\n",
        "r = [1]\nt = [[0]]\nt.append(r)\nt[1][0] = 5\n",
        "r = [[1]]\nt = list(r)\nt[0][0] = 5\n",
        "d = {}\nd.setdefault(1, []).append(2)\n",
        "n = 0\ndef f():\n    global n\n    n += 1\nf()\n",
        "class A:\n    def __init__(self):\n        self.x = 1\na = A()\n",
        "class S:\n    def add(self, x): pass\ns = {1}\ns.add(2)\n",
        "x = 1\ndel x\n",
        "if (z := 3): y = z\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    x = 1\n",
        "def g():\n    yield 1\nx = list(g())\n",
        "from random import shuffle\na = [1]\nshuffle(a)\n",
        "from collections import defaultdict\nd = defaultdict(list)\nx = d[1]\n",
        "class A:\n    def f(self):\n        __x = 1\nA().f()\n",
        "class A:\n    def __del__(self): pass\na = A()\na = 1\n",
        "from random import shuffle\ndef f(shuffle, a): return shuffle(a)\nf(len, [1])\n",
        "import numpy\n",
        "x = 1\nprint(sorted(globals()))\n",
        "a, b = [1, 2], 3\na[0], b = b, a[0]\n",
        "a = [1]\nfor a[0] in range(3): pass\n",
        "def len(a): a.append(1)\na = []\nlen(a)\n",
        "a = []\nb = a or [1]\nb.append(1)\n",
        "a = []\nif True: a.append(1); a.append(2)\n",
    ],
)
def test_what_is_not_certain_is_looked_at(bench: Bench, code: str) -> None:
    assert not _compare(bench, code)


@pytest.mark.skipif(not DATA.exists(), reason="needs data sets: CODERL_TEST_DATA")
def test_real_programs_and_faulty_ones_count_the_same(bench: Bench) -> None:
    programs = list(_real_programs())
    chosen = random.Random(5).sample(programs, 150)
    counted = sum(_compare(bench, code, **job) for code, job in chosen)
    assert counted > len(chosen) / 2


def _real_programs() -> Iterator[tuple[str, dict[str, Any]]]:
    for line in gzip.decompress((DATA / "mbpp_train_val.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        yield "\n".join((row["code"], *row["test_list"])) + "\n", {}
    for number, line in enumerate((DATA / "cruxeval_first400.jsonl").read_text().splitlines()):
        row = json.loads(line)
        tree = ast.parse(row["code"])
        mutation = MUTATIONS[_MUTATIONS[number % len(_MUTATIONS)]]
        function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
        if mutation(function) and "while" not in row["code"]:
            yield ast.unparse(ast.fix_missing_locations(tree)), {"call": f"f({row['input']})"}
        yield row["code"], {"call": f"f({row['input']})"}
