"""Test code as calls that the host judges: what converts, into what, and what it decides."""

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor_api.judge.assertions import Conversion, NoAssertion, convert
from executor_api.observation import End, Observation, Outcome
from executor_api.wire import ExceptionInfo, Verdict
from tests.executor_api.judge.in_process import observe, raised
from tests.executor_api.judge.plain_data import plain


def converted(code: str, program: str = "") -> Conversion:
    conversion = convert(code, program)
    assert conversion is not None, "did not convert"
    return conversion


def returned(*values: Any) -> list[Observation]:
    return [Observation(End.ANSWERED, outcome=Outcome.RETURNED, value=v) for v in values]


def verdict(code: str, *answers: Any, program: str = "") -> Verdict:
    failure = converted(code, program).judge(returned(*answers))
    return failure.verdict if failure else Verdict.ACCEPTED


# --- what becomes of the calls ----------------------------------------------------------


def call(function: str, *args: Any, materialize: str | None = None, **kwargs: Any) -> Any:
    named = [[name, value] for name, value in kwargs.items()]
    return {
        "kind": "call",
        "function": function,
        "args": list(args),
        "kwargs": named,
        "materialize": materialize,
    }


def evaluate(expression: str, **materialize: str) -> Any:
    return {"kind": "eval", "expression": expression, **materialize}


PAIR = "class Pair:\n    pass\n"
SOLUTION = "class Solution:\n    def f(self, x): ...\n"
CHECK = "def check(candidate):\n    assert candidate(1) == 2\n"

CALLS: list[tuple[str, str, list[Any]]] = [
    ("assert f(1, 'a', k=None) == 3", "", [call("f", 1, "a", k=None)]),
    ("assert 3 == f(-1)", "", [call("f", -1)]),
    ("assert f((1, 2))", "", [call("f", {"t": [1, 2]})]),
    ("assert not f()", "", [call("f")]),
    ("x = [1, 2]\nassert f(*x, **{'k': 3}) == 1", "", [call("f", 1, 2, k=3)]),
    (
        "for i in range(2):\n    assert f(i, i + 1) == str(i)",
        "",
        [call("f", 0, 1), call("f", 1, 2)],
    ),
    ("assert all(f(x) == y for x, y in [(1, 2), (3, 4)])", "", [call("f", 1), call("f", 3)]),
    ("assert f(1) == 1 and f(2) == 2", "", [call("f", 1), call("f", 2)]),
    ("n = 0\nassert n == 0 or f(n)", "", [evaluate("None")]),
    ("assert f(1) == 1, 'not ' + str(f(2))", "", [call("f", 1)]),
    ("assert list(f(2)) == [0, 1]", "", [call("f", 2, materialize="list")]),
    ("assert sorted(f(2)) == [0, 1]", "", [call("f", 2, materialize="sorted")]),
    ("assert set(f(2)) == {0, 1}", "", [call("f", 2, materialize="set")]),
    ("assert tuple(f(2)) == (0, 1)", "", [call("f", 2, materialize="tuple")]),
    ("assert sorted(f(2), reverse=True) == [1, 0]", "", [call("f", 2)]),
    ("assert abs(f(1) - 2.0) < 1e-6", "", [call("f", 1)]),
    ("import math\nassert math.isclose(f(math.pi), 2.0)", "", [call("f", 3.141592653589793)]),
    ("if 1 < 2:\n    assert f(1)\nelse:\n    assert f(2)", "", [call("f", 1)]),
    ("i = 0\nwhile i < 2:\n    i += 1\n    assert f(i)", "", [call("f", 1), call("f", 2)]),
    (CHECK + "check(g)", "", [call("g", 1)]),
    (CHECK + "check(Solution().f)", SOLUTION, [call("Solution.f", 1)]),
    ("s = Solution()\nassert s.f(1) == 2", SOLUTION, [call("Solution.f", 1)]),
    ("assert Solution().f([1]) == 2", SOLUTION, [call("Solution.f", [1])]),
    ("def make(n):\n    return [n] * n\nassert f(make(2)) == 1", "", [call("f", [2, 2])]),
    ("def make():\n    d = 3\n    return d\nassert f(make()) == 3", "", [call("f", 3)]),
    ("def make(g):\n    return g + 1\nassert f(make(2)) == 3", "", [call("f", 3)]),
    ("def make():\n    f = 3\n    return f\nassert f(make()) == 3", "", [call("f", 3)]),
    (
        "def make(n):\n    def twice(k):\n        return k * 2\n    return twice(n)\n"
        "assert f(make(2)) == 3",
        "",
        [call("f", 4)],
    ),
    (
        "def make():\n    from math import gcd\n    x: Row = gcd(4, 6)\n    return x\n"
        "assert f(make()) == 3",
        "",
        [call("f", 2)],
    ),
    (
        "def odd(n):\n    return n > 0 and even(n - 1)\n"
        "def even(n):\n    return n == 0 or odd(n - 1)\nassert f(even(4)) == 3",
        "",
        [call("f", True)],
    ),
    (
        "def make():\n    return n\nn = 2\ndef check(n):\n    assert n(make()) == 3\ncheck(f)",
        "",
        [call("f", 2)],
    ),
    ("if __name__ == '__main__':\n    assert f(1)", "", [call("f", 1)]),
    ("assert f(Pair(5, 24)) == 1", PAIR, [evaluate("f(Pair(5, 24))")]),
    ("n = [1]\nassert f(Pair(n, 2), 3) == 1", PAIR, [evaluate("f(Pair(([1]), 2), 3)")]),
    ("assert f(x, int) == 1", "", [evaluate("f(x, int)")]),
    ("assert f(1, int) == 1", "", [evaluate("f(1, int)")]),
    ("assert f(lambda x: x + 1) == 1", "", [evaluate("f(lambda x: x + 1)")]),
    ("assert list(f(2, int)) == [1]", "", [evaluate("f(2, int)", materialize="list")]),
    ("assert sorted(f(2, key=len)) == [1]", "", [evaluate("f(2, key=len)", materialize="sorted")]),
    ("assert sum(f(2, key=len)) == 1", "", [evaluate("f(2, key=len)", materialize="iterated")]),
    ("assert any(x for x in f(2, int))", "", [evaluate("f(2, int)", materialize="iterated")]),
    ("xs = [1, 2]\nassert f(xs.pop(), int) == 1", "", [evaluate("f((2), int)")]),
    ("xs = [1, 2]\nassert f(int, k=xs.pop()) == 1", "", [evaluate("f(int, k=(2))")]),
    ("xs = [1, 2]\nassert Pair(xs.pop()).get() == 1", PAIR, [evaluate("Pair((2)).get()")]),
    (
        "xs = [1, 2]\nassert set(Pair(xs.pop()).get(0)) == {1}",
        PAIR,
        [evaluate("Pair((2)).get(0)", materialize="set")],
    ),
    ("assert LIMIT == 5", "", [evaluate("LIMIT")]),
    ("assert Pair(1, 2).a == 1", PAIR, [evaluate("Pair(1, 2).a")]),
    ("assert f(g(1)) == 1", "", [evaluate("f(g(1))")]),
    ("assert f([x for x in range(2)]) == 1", "", [call("f", [0, 1])]),
]


@pytest.mark.parametrize(("code", "program", "guest_tests"), CALLS)
def test_converts_to(code: str, program: str, guest_tests: list[Any]) -> None:
    conversion = converted(code, program)
    assert conversion.guest_tests == guest_tests
    assert conversion.trust == "high"


NEEDING_THE_PROGRAM = [
    "def ok(x):\n    ys = [g for g in [1]]\n    return g(x)",
    "def ok(x):\n    ys = sorted([1], key=lambda g: g)\n    return g(x)",
    "def ok(x):\n    def inner(g):\n        return g\n    return g(x)",
    "def ok(x):\n    def inner():\n        g = 1\n    return g(x)",
    "def ok(x):\n    from solution import g\n    return g(x)",
    "y = 1\ndef ok(x):\n    from solution import g as y\n    return y(x)",
    "def ok(x):\n    g = 1\n    def inner():\n        global g\n        return g\n    return x",
    "def ok(x, key=lambda g: g):\n    return g(x)",
    "def ok(x):\n    return [g for g in g(x)]",
    "def ok(x):\n    def inner(y=g(1)):\n        g = 1\n    return x",
    "def first(g):\n    return second(g)\ndef second(y):\n    return g(y)\n"
    "def ok(x):\n    return first(x)",
]
"""Functions whose every name is bound somewhere, if not where it is used."""
NOT_FOR_THE_HOST = [
    "f'{x:02d}' == '01'",
    "f'{x!r}' == '1'",
    "'%d' % x == '1'",
    "f'{x}%d' % x == '1'",
    "(y := x) == 1",
    "x.format(1) == '1'",
    "x.real == 1",
    "x is y",
    "x != ...",
    "{**x} == {}",
    "list(map(known, x)) == [1]",
    "sorted(x, key=lambda *y: y) == [1]",
    "sorted(x, key=lambda y: f'{y:2}') == [1]",
    "sorts(x) == [1]",
    "tries(x) == [1]",
    "maps(x) == [1]",
    "starred(x) == [1]",
    "known(*x) == 1",
    "known(**x) == 1",
    "list(map(str.lower, x)) == ['a']",
    "augments(x) == 1",
    "recurses(x) == 1",
    "imports(x) == 1",
    "imports_from(x) == 1",
]
HELPERS = """
y = 1
def known(x):
    return x
def sorts(x):
    x.sort(key=lambda y: -y)
    return x
def tries(x):
    try:
        return int(x)
    except ValueError:
        return 0
def maps(x):
    def inner(y):
        return y
    return list(map(inner, x))
def augments(x):
    x[0] += 1
    return x
def recurses(x):
    return x and recurses(x - 1)
def imports(x):
    import cmath
    return x
def imports_from(x):
    from math import nothing
    return x
def starred(x):
    def inner(*y):
        return y
    return inner(x)
"""

DEFINITIONS = "class Stack: ...\nclass Registry: ...\ndef known(x): ...\n"
SANDBOXED = [
    "x = f(1)\nassert g(x) == 2",
    "assert g(x) == 2 if (x := f(1)) else True",
    "assert list(map(known, [1])) == [2]",
    "assert isinstance(f(1), Stack)",
    "def key(x):\n    return -x\nassert sorted(f(1), key=key) == [2, 1]",
    "if f(1):\n    assert f(2)",
    "for x in f(1):\n    assert x",
    "while f(1):\n    assert f(2)",
    "try:\n    f(1)\nexcept ValueError:\n    pass\nelse:\n    assert False",
    "import pytest\nwith pytest.raises(ValueError):\n    f(1)",
    "import numpy as np\nassert np.isclose(f(1), 2)",
    "import os\nassert f(os.environ) == 1",
    "assert eval('f(1)') == 2",
    "assert open('/etc/passwd').read()",
    "assert f(1) is 2",
    "assert f(1).__class__ == int and g(1) is f(1)",
    "stack = Stack()\nassert stack.pop() == 1",
    "Registry.add(1)\nassert Registry.size() == 1",
    "xs = [3, 1]\nf(xs)\nassert xs == [1, 3]",
    "xs = [[3], [1]]\nf(xs[0])\nassert sorted(xs) == [[1], [3]]",
    "xs = [1, 1, 2]\nk = f(xs)\nassert xs[:k] == [1, 2]",
    "xs = [3, 1]\nf(xs)\nassert xs[0] == 1",
    "xs = [3, 1]\nf(xs)\nassert len(xs) == 1",
    "xs = [3, 1]\nf(xs)\nassert all(xs[i] <= xs[i + 1] for i in range(1))",
    "xs = [3, 1]\nf(xs)\nfor x in xs:\n    assert x == 2",
    "xs = [3, 1]\nassert (f(xs), xs) == (None, [1, 3])",
    "xs = [3, 1]\nassert f(xs) == xs",
    "xs = [3, 1]\nassert f(xs) == xs[::-1][0]",
    "xs = [[3], [1]]\nf(xs)\nassert xs[0][0] == 1",
    "xs = [[3], [1]]\nys = xs[0]\nf(xs)\nassert ys == [1]",
    "xs = [3, 1]\nf(xs, lambda v: v)\nassert xs == [1, 3]",
    "xs = [3, 1]\nf(k=xs)\nassert xs[0] == 1",
    "xs = [3, 1]\nf(xs)\nys = xs\nassert len(ys) == 1",
    "xs = [3, 1]\nf(xs)\na, b = xs\nassert a == 1",
    "xs = [[3], [1]]\nf(xs[0])\nassert xs[0] == [3]",
    "def check(a):\n    assert len(a) == 1\nxs = [3, 1]\nf(xs)\ncheck(xs)",
    "import random\nx = random.Random().random()\nassert f(x) == x",
    "import random\nrandom.seed()\nx = random.random()\nassert f(x) == x",
    "import random\nr = random.Random(5)\nr.seed()\nx = r.random()\nassert f(x) == x",
    "import random\nrandom.seed(None)\nx = random.random()\nassert f(x) == x",
    "out = []\nout.append(f(1))\nassert out == [1]",
    "out = {}\nout['a'] = f(1)\nassert out == {'a': 1}",
    "assert '%s' % f(1) == '1'",
    "assert '%s' % 1 == f(1)",
    "assert f'{f(1):>5}' == '    1'",
    "assert f(1) == ().__class__.__base__.__subclasses__()",
    "assert 1 / 0 == f(1)",
    "assert f(...) == 1",
    "async def t():\n    assert f(1)\nt()",
    "class T:\n    pass\nassert f(1)",
    "def t(n):\n    t(n + 1)\nt(0)\nassert f(1)",
    "assert (x := f(1)) == 1",
    "global f\nassert f(1)",
    "del f\nassert f(1)",
    "break\nassert f(1)",
    "d = {1: 2}\nfor k in d:\n    d[k + 1] = 3\nassert f(d)",
    "assert f(1, *2)",
    "assert f(**{1: 2})",
    "a, *b = [1, 2]\nassert f(a)",
    "def t(*args):\n    assert f(args)\nt(1)",
    "def t(a):\n    assert f(a)\nt()",
    "from math import dist\nassert f(dist)",
    "from math import gcd\nassert f(gcd) == 1",
    "kind = int\nassert list(f(kind)) == [1]",
    *(f"{body}\nassert all(ok(x) for x in f(3))" for body in NEEDING_THE_PROGRAM),
    "assert all([g for g in [1]] and g(x) for x in f(3))",
    "assert all((lambda g: g)(x) == g(x) for x in f(3))",
    "assert sorted(f(3), key=lambda x: [g for g in [x]] and g(x)) == [1]",
    "def ok(x):\n    return g(x)\ndef check(g):\n    assert all(ok(x) for x in f(3))\ncheck(1)",
    "y = 1\nassert f(3, lambda x: (lambda y: y)(x) + y) == 1",
    "import math as m\nassert m.dist([1], [2]) == f(1)",
    "assert sorted(f(1), key=lambda x, y=1: y) == [1]",
    "assert {**{}, 'a': f(1)}['a'] == 1",
    "assert f(1) == b'%d' % 3",
    "assert 10 ** 10 ** 10 == f(1)",
    "assert 'a' * 10 ** 10 == f(1)",
    "assert 1 << 10 ** 10 == f(1)",
    "assert sum(range(10 ** 12)) == f(1)",
    "assert list(range(10 ** 9)) == f(1)",
    "for i in range(10 ** 9):\n    pass\nassert f(1)",
    "while True:\n    pass\nassert f(1)",
    "x = [0]\nfor i in range(100):\n    x = x + x\nassert f(x)",
    "x = []\nfor i in range(100):\n    x = [x, x]\nassert f(x) == 1",
    "x = []\nfor i in range(100):\n    x = [x, x]\nassert f(1) == 1 and x == [x]",
    "x = []\nx.append(x)\nassert f(x) == 1",
    "x = []\nx.append(x)\nassert f(x, int) == 1",
    "x = ()\nfor i in range(100):\n    x = (x, x)\nassert f(x, int) == 1",
    "x = []\nfor i in range(100):\n    x = [x, x]\nassert f(g(1), x) == 1",
    "x = 'a'\nfor i in range(100):\n    x = x.replace('a', x + 'a')\nassert f(x)",
    "x = 3\nfor i in range(100):\n    x = x * x\nassert f(x)",
    "x = [1]\nfor i in range(100):\n    x += x\nassert f(x)",
    "x = 'a'\nfor i in range(100):\n    x = f'{x}{x}'\nassert f(x)",
    "x = ['a'] * 1000\nassert f(('b' * 100000).join(x))",
    "import math\nassert math.factorial(10 ** 6) == f(1)",
    "assert round(1, 10 ** 9) == f(1)",
    "assert pow(3, 10 ** 9) == f(1)",
    "assert f(1) == 1 + " + "1 + " * 5000 + "1",
    "assert " + "not " * 3000 + "f(1)",
]


@pytest.mark.parametrize("expression", NOT_FOR_THE_HOST)
@pytest.mark.parametrize("waits", ["all({} for x in f(3))", "max(f(3), key=lambda x: {})"])
def test_tries_nothing_that_waits_for_an_answer(expression: str, waits: str) -> None:
    assert convert(f"{HELPERS}assert {waits.format(expression)}", DEFINITIONS) is None


@pytest.mark.parametrize("code", SANDBOXED, ids=range(len(SANDBOXED)))
def test_leaves_to_the_sandbox(code: str) -> None:
    try:
        assert convert(code, DEFINITIONS) is None
    except SyntaxError as error:  # where Python's own parser gives up first
        assert "nested too deeply" in str(error) or "too many" in str(error)


@pytest.mark.parametrize(
    "code",
    [
        "f(1)",
        "x = 1",
        "def check(candidate):\n    assert candidate(1)",
        "for x in []:\n assert f(x)",
    ],
)
def test_refuses_code_that_asserts_nothing(code: str) -> None:
    with pytest.raises(NoAssertion, match="executes no assertion"):
        convert(code, "")


@pytest.mark.parametrize("code", ["assert f(", "assert f(1) = 2", "\0", "'\ud800'"])
def test_refuses_what_is_not_python(code: str) -> None:
    with pytest.raises(SyntaxError):
        convert(code, "")


# --- what the host decides --------------------------------------------------------------

JUDGED: list[tuple[str, list[Any], bool]] = [
    ("assert f(1) == 2", [2], True),
    ("assert f(1) == 2", [3], False),
    ("assert f(1) == 2", [None], False),
    ("assert f(1) == True", [1], True),
    ("assert f(1) is True", [1], False),
    ("assert f(1) is True", [True], True),
    ("assert f(1) is None", [None], True),
    ("assert f(1) is not None", [None], False),
    ("assert f(1) == (1, 2)", [[1, 2]], False),
    ("assert f(1) == 0.3", [0.1 + 0.2], False),
    ("assert abs(f(1) - 0.3) < 1e-6", [0.1 + 0.2], True),
    ("assert abs(f(1) - 0.3) < 1e-6", [None], False),
    ("assert abs(f(1) - 0.3) < 1e-6", [float("nan")], False),
    ("import math\nassert math.isclose(f(1), 0.3)", [0.1 + 0.2], True),
    ("from math import isclose\nassert isclose(f(1), 0.3, rel_tol=1e-9)", [0.4], False),
    ("assert f(1) in (1, 2)", [2], True),
    ("assert f(1) not in [1, 2]", [2], False),
    ("assert 0 <= f(1) < 5", [4], True),
    ("assert 0 <= f(1) < 5", [5], False),
    ("assert f(1) and not f(2)", [True, False], True),
    ("assert f(1) == 1 or f(2) == 2", [0, 2], True),
    ("assert f(1) == 1 or f(2) == 2", [0, 0], False),
    ("assert len(f(1)) == 2", ["ab"], True),
    ("assert isinstance(f(1), list)", [[]], True),
    ("assert isinstance(f(1), (int, str))", [1.5], False),
    ("assert type(f(1)) == int", [True], False),
    ("assert set(f(1)) == {1, 2}", [{1, 2}], True),
    ("assert sorted(f(1), key=lambda p: p[1]) == [(2, 1), (1, 2)]", [[(1, 2), (2, 1)]], True),
    ("assert sum(f(1), []) == [1, 2]", [[[1], [2]]], True),
    ("assert f(1).keys() == {1}", [{1: 2}], True),
    ("assert max(f(1), key=len) == 'ab'", [["a", "ab"]], True),
    ("assert [round(x, 1) for x in f(1)] == [0.3, 0.1]", [[0.3000001, 0.1]], True),
    ("assert all(x > 0 for x in f(1))", [[1, 0]], False),
    ("assert any(x > 0 for x in f(1))", [[1, 0]], True),
    ("assert {k: v + 1 for k, v in f(1).items()} == {1: 3}", [{1: 2}], True),
    ("assert f(1)[0]['a'] == 5", [[{"a": 5}]], True),
    ("assert f(1)[0] == 5", [[]], False),
    ("assert f(1)[-2:] == 'yz'", ["xyz"], True),
    ("a, b = f(1)\nassert a == 1 and b == 2", [(1, 2)], True),
    ("a, b = f(1)\nassert a == 1 and b == 2", [(1, 2, 3)], False),
    ("a, b = f(1)\nassert a == 1 and b == 2", [None], False),
    ("r = f(1)\nassert r.lower().split() == ['a', 'b']", ["A B"], True),
    ("r = f(1)\nassert r.lower() == 'a'", [5], False),
    ("r = f(1)\nassert r == 1\nr = f(2)\nassert r == 2", [1, 2], True),
    ("assert ','.join(f(1)) == 'a,b'", [["a", "b"]], True),
    ("assert f'{f(1)}-{2}' == '1-2'", [1], True),
    ("assert (f(1), 'always true')", [False], True),
    ("assert (1 if f(1) else 2) == 2", [0], True),
    (
        "from collections import Counter\nassert Counter(f(1)) == Counter('aab')",
        [["b", "a", "a"]],
        True,
    ),
    ("def near(a, b):\n    return abs(a - b) < 1e-3\nassert near(f(1), 2)", [2.0001], True),
    ("def near(a, b):\n    assert abs(a - b) < 1e-3\nnear(f(1), 2)", [3], False),
    ("assert f(1) == 1\nassert False", [1], False),
    ("assert True\nassert f(1) == 1", [1], True),
    (
        "for x, y in zip([1, 2], [3, 4]):\n    if x == 2:\n        continue\n    assert f(x) == y",
        [3],
        True,
    ),
    (
        "for i in range(5):\n  if i == 2:\n    break\n  assert f(i) == i\nelse:\n  assert False",
        [0, 1],
        True,
    ),
    ("assert [y for x in f(1) for y in x if y > 1] == [2, 3]", [[[1, 2], [3]]], True),
    ("assert [x * f(x) for x in range(2) for _ in 'ab'] == [0, 0, 3, 3]", [1, 2, 3, 3], True),
    ("x: int = f(1)\nassert x == 1", [1], True),
    ("x = 1\nx += f(1)\nassert x == 3", [2], True),
    ("n = {}\nn['a'] = 1\nassert f(n) == 1", [1], True),
    ("xs = [3, 1]\nxs.sort()\nxs.append(4)\nlast = xs[::-1][0]\nassert f(xs) == last", [4], True),
    ("xs = [3, 1]\nassert f(xs) == 3\nassert f(xs) == 3", [3, 3], True),
    ("xs = [3, 1]\nassert f([xs]) == 3\nassert f([xs]) == 3", [3, 3], True),
    ("d = {'a': [1]}\nassert f(d['a']) == 1\nassert f(d['a']) == 2", [1, 2], True),
    (
        "def check(a, k, w):\n    assert f(a, k) == w\nxs = [3]\ncheck(xs, 1, 2)\ncheck(xs, 2, 3)",
        [2, 3],
        True,
    ),
    ("xs = [3, 1]\nf(xs)\nys = xs\nassert f(ys) == 3", [3, 3], True),
    ("h = f if True else g\nassert h(1) == 1", [1], True),
    ("import random\nx = random.Random(5).random()\nassert f(1) == 1 or x > 1", [1], True),
    ("assert -f(1) == 1 and +f(2) == 2 and ~f(3) == -4", [-1, 2, 3], True),
    ("assert f(1) + 1 == 2 and f(2) - 1 == 1 and f(3) // 2 == 1", [1, 2, 3], True),
    ("assert f(1) % 2 == 1 and f(2) ** 2 == 4 and f(3) << 1 == 6", [1, 2, 3], True),
    ("assert f(1) * 'a' == 'aa' and [0] * f(2) == [0]", [2, 1], True),
    ("assert pow(f(1), 2, 5) == 4 and divmod(f(2), 2) == (1, 1)", [3, 3], True),
    (
        "assert list(map(str, f(1))) == ['1'] and list(filter(None, f(2))) == [1]",
        [[1], [0, 1]],
        True,
    ),
    ("assert [*enumerate(f(1))] == [(0, 'a')]", ["a"], True),
    ("assert list(reversed(f(1))) == [2, 1]", [[1, 2]], True),
    ("import random\nrandom.seed(1)\nrandom.random()\nassert f(1) == 1", [1], True),
    ("import copy\nx = [1]\nassert f(copy.deepcopy(x)) == x", [[1]], True),
    ("import string\nassert f(1) in string.digits", ["5"], True),
    ("assert ' '.join(w.title() for w in f(1)) == 'A B'", [["a", "b"]], True),
    ("assert sum(f(i) for i in range(3)) == 6", [1, 2, 3], True),
    ("assert [f(i) for i in range(2)] == [0, 1]", [0, 1], True),
    (
        "n = 1\nkey = lambda x: n * x\n"
        "def check(n):\n    assert sorted(f(1), key=key) == [1, 2]\ncheck(-1)",
        [[2, 1]],
        True,
    ),
    (
        "n = 1\ndef scaled(x):\n    m = n * x\n    return m\n"
        "def check(n):\n    assert f(scaled(2)) == scaled(2)\ncheck(-1)",
        [2],
        True,
    ),
    (
        "def ok(x):\n    from math import gcd\n    n = 0\n"
        "    for y in [x]:\n        n += gcd(y, 2)\n"
        "    return n == 2\nassert all(ok(x) for x in f(1))",
        [[2, 4]],
        True,
    ),
    ("import math\nassert all(math.floor(x) < math.pi for x in f(1))", [[1.5]], True),
    ("def ok(x):\n    y = x + 1\n    return y > 1\nassert all(ok(x) for x in f(1))", [[1]], True),
]


@pytest.mark.parametrize(("code", "answers", "holds"), JUDGED)
def test_judges(code: str, answers: list[Any], holds: bool) -> None:
    assert verdict(code, *answers) is (Verdict.ACCEPTED if holds else Verdict.WRONG_ANSWER)


@pytest.mark.parametrize(("code", "answers", "holds"), JUDGED)
def test_python_judges_the_same(code: str, answers: list[Any], holds: bool) -> None:
    pending = iter(answers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "assertion is always true"
            exec(code, {"f": lambda *args, **kwargs: next(pending)})
    except Exception:
        assert not holds
    else:
        assert holds


def test_the_message_quotes_the_assertion_and_what_was_found() -> None:
    code = "def check(candidate):\n    assert candidate([1, 2],\n        3) == 4\ncheck(f)"
    failure = converted(code).judge(returned([5, 6]))
    assert failure is not None
    assert failure.message == "assert candidate([1, 2], 3) == 4 fails: found [5, 6]"


def test_a_message_is_short_whatever_the_code_and_the_value() -> None:
    failure = converted(f"assert f({'1, ' * 5000}) == 1").judge(returned("x" * 10_000))
    assert failure is not None and failure.message is not None and len(failure.message) <= 300


def test_what_happens_first_decides() -> None:
    conversion = converted("assert f(1) == 1\nassert f(2) == 2")
    killed = Observation(End.CPU_LIMIT)
    assert judged(conversion, [*returned(1), killed]) is Verdict.TIME_LIMIT
    assert judged(conversion, [*returned(0), killed]) is Verdict.WRONG_ANSWER
    assert judged(conversion, [killed]) is Verdict.TIME_LIMIT


def test_an_exception_counts_only_where_its_answer_is_needed() -> None:
    conversion = converted("assert f(1) or f(2)")
    error = raised(ValueError("boom"))
    assert judged(conversion, [*returned(True), error]) is Verdict.ACCEPTED
    assert judged(conversion, [*returned(False), error]) is Verdict.RUNTIME_ERROR


def test_a_missing_answer_is_no_verdict() -> None:
    conversion = converted("assert f(1) == 1\nassert f(2) == 2")
    assert judged(conversion, returned(1)) is Verdict.SANDBOX_ERROR
    assert judged(conversion, []) is Verdict.SANDBOX_ERROR


def test_a_test_without_calls_still_needs_the_program_to_load() -> None:
    conversion = converted("assert True")
    broken = Observation(End.ANSWERED, outcome=Outcome.COMPILE_ERROR)
    assert judged(conversion, [broken]) is Verdict.COMPILE_ERROR
    assert conversion.judge(returned(None)) is None


def test_random_arguments_are_the_same_each_time() -> None:
    code = (
        "import random\nfor _ in range(20):\n"
        "    x = random.randint(0, 10**6)\n    assert f(x) == x + 1"
    )
    conversion = converted(code)
    assert conversion.guest_tests == converted(code).guest_tests
    values = [test["args"][0] for test in conversion.guest_tests]
    assert len(set(values)) > 15
    assert conversion.judge(returned(*(x + 1 for x in values))) is None
    assert conversion.judge(returned(*values)) is not None


def judged(conversion: Conversion, observations: list[Observation]) -> Verdict:
    failure = conversion.judge(observations)
    return failure.verdict if failure else Verdict.ACCEPTED


# --- cheats -----------------------------------------------------------------------------


def test_nothing_expected_is_in_the_guest_tests() -> None:
    code = "EXPECTED = 'secret'\nassert f(1) == 'secret'\nassert f(2) == EXPECTED"
    assert "secret" not in str(converted(code).guest_tests)


def test_a_program_cannot_replace_the_builtin_that_checks_it() -> None:
    program = "def f(x):\n    return 5\ndef abs(x):\n    return 0\n"
    conversion = converted("assert abs(f(1) - 2.0) < 1e-6", program)
    assert judged(conversion, observe(program, conversion.guest_tests)) is Verdict.WRONG_ANSWER
    assert convert("assert hash(f(1)) == 3", program + "def hash(x):\n    return 3\n") is None


def test_a_builtins_name_is_the_programs_where_the_test_names_nothing_else() -> None:
    program = "def sum(a, b):\n    return a + b\n"
    conversion = converted("assert sum(10, 15) == 25", program)
    assert conversion.guest_tests == [call("sum", 10, 15)]
    assert conversion.judge(observe(program, conversion.guest_tests)) is None


@pytest.mark.parametrize(
    "test",
    [
        "assert sum([1, 2]) == max(3, 2)",
        "assert abs(sum([1.0]) - 3.14) < 1e-6",
        "assert isinstance(sum([1, 2]), int)",
    ],
)
def test_of_two_builtins_either_may_be_meant(test: str) -> None:
    program = "def sum(x): return 0\ndef max(*a): return 0\ndef abs(x): return 0\n"
    conversion = convert(test, program)
    assert conversion is None or conversion.trust == "low"
    alone = convert(test, "def abs(x): return 0\ndef max(*a): return 3\n")
    assert alone is None or alone.trust == "low" or not alone.asks


def test_the_programs_opinion_of_its_own_results_is_worth_less() -> None:
    for code in (
        "assert same(f(1), make([2]))",
        "def check(candidate):\n    assert same(candidate(1), make([2])) == True\ncheck(f)",
        "assert not differs(f(1), 2) and f(2) == 3",
        "assert all(valid(f(n)) for n in range(3))",
        "assert fast(3) == slow(3)",
    ):
        assert converted(code).trust == "low"
    assert (
        converted("def check(candidate):\n    assert candidate(make(1)) == True\ncheck(f)").trust
        == "high"
    )
    assert converted("assert f(f(1)) == 1").trust == "high"


def test_hostile_answers_are_failures() -> None:
    collisions = [k * (2**61 - 1) for k in range(1, 20_001)]
    huge = 1 << 3_999_999
    deep: Any = []
    for _ in range(90):
        deep = [deep]
    for code, answer in [
        ("assert f(1) * 1000 == 1", "x" * 10_000),
        ("assert f(1) ** 2 == 1", huge),
        ("assert f(1) % 7 == 1", huge),
        ("assert f(1) == 1", huge),
        ("assert str(f(1)) == '1'", huge),
        ("assert {x for x in f(1)} == {1}", collisions),
        ("assert len({x: 1 for x in f(1)}) == 1", collisions),
        ("from collections import Counter\nassert Counter(f(1)) == {}", collisions),
        ("assert sum(f(1)) == 1", [[1], [2]]),
        ("assert list(range(f(1))) == []", 10**12),
        ("assert 'a' * f(1) == ''", 10**12),
        ("assert f(1) == []", deep),
        ("assert f(1).isdigit()", 5),
        ("assert f(1)() == 1", "x"),
        ("assert sorted(f(1)) == [1]", [1, "a", None]),
        ("import math\nassert math.gcd(f(1), 2) == 5", huge),
    ]:
        conversion = convert(code, "")
        if conversion is not None and conversion.guest_tests[0]["kind"] == "call":
            found = judged(conversion, returned(answer))
            assert found in (Verdict.WRONG_ANSWER, Verdict.INVALID_VALUE), code


def test_a_name_of_the_programs_that_an_answer_chooses_is_asked_for_once() -> None:
    assert verdict("assert (A if g(2) else 0) == 2", True, 2) is Verdict.ACCEPTED
    assert verdict("assert (A if g(2) else 0) == 2", False, 2) is Verdict.WRONG_ANSWER


def test_an_error_in_the_program_is_reported_as_its_own() -> None:
    info = ExceptionInfo(type="ZeroDivisionError", message="division by zero", line=2)
    seen = Observation(End.ANSWERED, outcome=Outcome.RAISED, exception=info)
    failure = converted("assert f(0) == 1").judge([seen])
    assert failure is not None
    assert (failure.verdict, failure.exception) == (Verdict.RUNTIME_ERROR, info)


@given(st.sampled_from(JUDGED), st.lists(plain, min_size=5, max_size=5))
def test_judging_never_raises_whatever_the_program_answers(
    case: tuple[str, list[Any], bool], answers: list[Any]
) -> None:
    judged(converted(case[0]), returned(*answers))
