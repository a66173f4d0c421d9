"""What is large or deep costs the tracer no more than its limits allow, and the program nothing."""

import json
from collections.abc import Iterator

import pytest

from tests.executor_api.tracer_bench import LIMITS, Bench, Trace, running_bench


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with running_bench(request.param) as started:
        yield started


_PROGRAMS = {
    "recursion": """
import sys
sys.setrecursionlimit(20_000)
def f(n):
    if n == 0: return 0
    return 1 + f(n - 1)
print(f(10_000))
""",
    "containers": """
a = list(range(10**6))
for i in range(200): a.append(i)
b = dict.fromkeys(range(10**6))
for i in range(200): b[i] = i
s = set(range(10**6))
for i in range(200): s.add(-i)
t = 'x' * 10**6
print(len(a), len(b), len(s), len(t))
""",
    "classes": "for i in range(10**5):\n    C = type(f'C{i}', (), {})\n    c = C()\nprint(i)\n",
    "cycles": """
a, d = [], {}
a.append(a)
d['d'] = d, a
class N: pass
n = N()
n.n = n
for i in range(100): n.i = i
print(len(a))
""",
    "variables": "".join(f"v{i} = {i}\n" for i in range(10_000)) + "print(v9)\n",
    "functions": "".join(f"def f{i}(): return {i}\nf{i}()\n" for i in range(3_000)) + "print(1)\n",
    "huge int": "a = 10**50_000\nb = [a] * 5\nfor i in range(300): a += 1\nprint(1)\n",
    "nested": "a = []\nfor i in range(10_000): a = [a]\nprint(len(a))\n",
    "surrogate": "s = '\\ud800'\nd = {s: [s]}\nprint(len(s))\n",
}


@pytest.mark.parametrize("detail", ["lines", "final"])
@pytest.mark.parametrize("name", _PROGRAMS)
def test_within_the_limits(bench: Bench, name: str, detail: str) -> None:
    code = _PROGRAMS[name]
    plain = bench.run(code, "plain")
    answer = bench.run(code, "record", detail, count=True)
    trace = Trace(answer)
    assert (trace.stdout, trace.raised) == (plain["stdout"], plain["raised"])
    assert trace.summary["reason"] in ("end", "events", "bytes")
    assert len(trace.events) <= LIMITS["max_events"]
    records = answer["records"].splitlines()
    counted = [r for r in records if json.loads(r)[0] in ("event", "frame", "final")]
    assert sum(map(len, counted)) <= LIMITS["max_bytes"]
