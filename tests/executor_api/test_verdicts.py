"""Each verdict, from a real program in a real sandbox."""

from typing import Any

import pytest

from tests.service import Service

pytestmark = pytest.mark.gvisor

FAST = {"cpu_seconds": 1, "wall_seconds": 2, "memory_mb": 128, "output_bytes": 10_000}


def stdio(stdin: str, stdout: str) -> dict[str, Any]:
    return {"kind": "stdio", "stdin": stdin, "stdout": stdout}


def call(function: str, *args: Any, expected: Any) -> dict[str, Any]:
    return {"kind": "call", "function": function, "args": list(args), "expected": expected}


def run(service: Service, code: str, *tests: dict[str, Any], **program: Any) -> dict[str, Any]:
    batch = {"code": code, "tests": list(tests), "limits": FAST} | program
    (result,) = service.execute(batch)
    assert result["runtime"] == "runsc"
    assert result["total"] == len(tests) == len(result["tests"])
    return result


def test_accepted_stdio(service: Service) -> None:
    result = run(service, "print(int(input()) * 2)", stdio("3\n", "6\n"), stdio("5", "10"))
    assert (result["verdict"], result["passed"], result["trust"]) == ("accepted", 2, "high")
    assert result["tests"][0]["stdout"] == "6\n"


def test_accepted_call(service: Service) -> None:
    code = "class Solution:\n    def add(self, a, b):\n        return a + b\n"
    result = run(service, code, call("Solution.add", 1, 2, expected=3))
    assert result["verdict"] == "accepted"
    assert result["tests"][0]["value"] == "3"


def test_call_with_literals(service: Service) -> None:
    test = {
        "kind": "call",
        "function": "f",
        "args_literal": "({(1, 2): {3}}, b'x')",
        "expected_literal": "({(1, 2): {3}}, b'x', float('nan'))".replace("float('nan')", "nan"),
    }
    result = run(service, "def f(a, b):\n    return a, b, float('nan')", test)
    assert result["verdict"] == "accepted", result


def test_wrong_answer(service: Service) -> None:
    result = run(service, "def add(a, b):\n    return a - b", call("add", 1, 2, expected=3))
    assert (result["verdict"], result["passed"]) == ("wrong_answer", 0)
    assert result["tests"][0]["value"] == "-1"


def test_compile_error(service: Service) -> None:
    result = run(service, "x = 1\ndef f(:\n", call("f", expected=1), stdio("", ""))
    assert [test["verdict"] for test in result["tests"]] == ["compile_error"] * 2
    assert result["tests"][0]["exception"]["line"] == 2


def test_runtime_error(service: Service) -> None:
    result = run(service, "def f(x):\n    return 1 / x\n", call("f", 0, expected=1))
    assert result["verdict"] == "runtime_error"
    exception = result["tests"][0]["exception"]
    assert (exception["type"], exception["line"]) == ("ZeroDivisionError", 2)


def test_runtime_error_of_exit_status(service: Service) -> None:
    result = run(service, "print(1)\nimport sys\nsys.exit(3)", stdio("", "1"))
    assert result["verdict"] == "runtime_error"


def test_exit_status_zero_is_a_normal_end_of_stdio(service: Service) -> None:
    code = "import os, sys\nprint(input(), flush=True)\nos._exit(0)"
    result = run(service, code, *(stdio(text, text) for text in "abc"))
    assert (result["verdict"], result["passed"]) == ("accepted", 3)


def test_signal_is_a_runtime_error(service: Service) -> None:
    code = "import ctypes\ndef f():\n    ctypes.string_at(0)"
    result = run(service, code, call("f", expected=None))
    assert result["verdict"] == "runtime_error"
    assert result["tests"][0]["exception"]["type"] == "SIGSEGV"


@pytest.mark.parametrize(
    "ending", ["sys.exit(0)", "os._exit(0)", "os.kill(os.getpid(), 9)", "raise SystemExit"]
)
def test_exited_early(service: Service, ending: str) -> None:
    code = f"import os, sys\ndef f():\n    {ending}"
    result = run(service, code, call("f", expected=None))
    assert result["verdict"] == "exited_early"


@pytest.mark.parametrize(
    ("code", "clock"), [("while True: pass", "cpu"), ("import time; time.sleep(60)", "wall")]
)
def test_time_limit(service: Service, code: str, clock: str) -> None:
    result = run(service, f"print(1, flush=True)\n{code}", stdio("", "1"))
    assert (result["verdict"], result["tests"][0]["limit"]) == ("time_limit", clock)
    assert result["tests"][0]["stdout"] == "1\n"


@pytest.mark.parametrize(
    "code",
    [
        "x = bytearray(10**9)",
        "hoard = []\nwhile True: hoard.append(bytes(1 << 20))",
        "hoard = []\nwhile True: hoard.append([None] * 9999)",
        "text = 'x'\nwhile True: text += text",
        "hoard = []\nprint('x' * 9000)\nwhile True: hoard.append(bytes(9999))",
    ],
)
def test_memory_limit(service: Service, code: str) -> None:
    result = run(service, code, stdio("", ""), stdio("", ""))
    assert result["verdict"] == "memory_limit"
    assert [test["verdict"] for test in result["tests"]] == ["memory_limit"] * 2
    assert result["tests"][0]["exception"]["type"] == "MemoryError"


def test_what_earlier_tests_left_is_not_counted_against_a_test(service: Service) -> None:
    """The functions of a module and its globals hold each other: a cycle that stays for a while."""
    code = "def main(): return len(table)\ntable = [0] * 8_000_000\nprint(main() + int(input()))"
    tests = [stdio(f"{n}\n", f"{8_000_000 + n}\n") for n in range(5)]
    result = run(service, code, *tests, limits=FAST | {"memory_mb": 100})
    assert [test["verdict"] for test in result["tests"]] == ["accepted"] * 5


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_limit(service: Service, stream: str) -> None:
    code = f"import sys\nwhile True: sys.{stream}.write('a' * 1000)"
    result = run(service, code, stdio("", "a"))
    assert result["verdict"] == "output_limit"
    assert result["tests"][0]["stdout_truncated"] or stream == "stderr"
    assert len(result["tests"][0][stream]) <= FAST["output_bytes"]


def test_a_megabyte_of_right_output_is_accepted(service: Service) -> None:
    text = "".join(f"{n}\n" for n in range(165_000))
    assert 1_000_000 < len(text) < 1_048_576
    code = "for n in range(int(input())): print(n)"
    limits = FAST | {"cpu_seconds": 5, "wall_seconds": 10, "output_bytes": 1_048_576}
    for checker in ("exact", "tokens", "lines", "unordered_lines"):
        test, kind = stdio("165000", text), {"type": checker}
        assert run(service, code, test, limits=limits, checker=kind)["verdict"] == "accepted"


def test_a_flood_is_an_output_limit_at_once(service: Service) -> None:
    code = "while True: print('flood' * 1000)"
    limits = FAST | {"cpu_seconds": 20, "wall_seconds": 40, "output_bytes": 1_048_576}
    result = run(service, code, stdio("", ""), limits=limits)
    assert result["verdict"] == "output_limit"
    assert result["tests"][0]["wall_seconds"] < 2  # a second on a machine with nothing else to do


def test_truncated_output_is_never_right(service: Service) -> None:
    limit = int(FAST["output_bytes"])
    result = run(service, f"print('a' * {limit + 100}, end='')", stdio("", "a" * limit))
    assert result["verdict"] == "output_limit"


@pytest.mark.parametrize("value", ["object()", "lambda: 1", "(i for i in 'ab')", "[[]] and type"])
def test_invalid_value(service: Service, value: str) -> None:
    result = run(service, f"def f():\n    return {value}", call("f", expected=1))
    assert result["verdict"] == "invalid_value"


@pytest.mark.parametrize("stop", [False, True])
def test_a_large_value_is_judged_like_a_small_one(service: Service, stop: bool) -> None:
    value = [[number] for number in range(20_000)]
    tests = [
        {"kind": "call", "function": "f", "args": [20_000], "expected": value},
        {"kind": "call", "function": "f", "args": [20_001], "expected": value},
        {"kind": "call", "function": "f", "args": [1], "expected": [[0]]},
    ]
    program = {"code": "def f(n): return [[i] for i in range(n)]", "tests": tests}
    (result,) = service.execute(program | {"stop_on_failure": stop})
    verdicts = ["accepted", "wrong_answer", "skipped" if stop else "accepted"]
    assert [test["verdict"] for test in result["tests"]] == verdicts


def test_recursive_value_is_invalid(service: Service) -> None:
    code = "def f():\n    x = []\n    x.append(x)\n    return x"
    assert run(service, code, call("f", expected=[]))["verdict"] == "invalid_value"


def test_always_equal_object_is_invalid(service: Service) -> None:
    code = "class A:\n    def __eq__(self, o):\n        return True\ndef f():\n    return A()"
    assert run(service, code, call("f", expected=1))["verdict"] == "invalid_value"


def test_int_subclass_is_invalid(service: Service) -> None:
    code = "class A(int):\n    def __eq__(self, o):\n        return True\ndef f():\n    return A()"
    assert run(service, code, call("f", expected=1))["verdict"] == "invalid_value"


PLAIN_BUT_FOR_ITS_CLASS = """
from collections import namedtuple
from typing import NamedTuple

Point = namedtuple("Point", "x y")

class Range(NamedTuple):
    low: int
    high: int = 3

    def width(self):
        return self.high - self.low

class Words(list):
    def __repr__(self):
        return "words"

class Loud(list):
    def __len__(self):
        return 9

def f(kind):
    return {"point": Point(1, [2]), "range": Range(1), "words": Words("ab"), "loud": Loud()}[kind]
"""


def test_what_only_adds_to_plain_data_is_plain_data(service: Service) -> None:
    tests = [
        {"kind": "assert", "code": "assert f('point') == (1, [2])\nassert f('range') == (1, 3)"},
        {"kind": "assert", "code": "x, (y,) = f('point')\nassert x + y == 3"},
        call("f", "words", expected=["a", "b"]),
        call("f", "loud", expected=[]),
    ]
    result = run(service, PLAIN_BUT_FOR_ITS_CLASS, *tests)
    verdicts = [test["verdict"] for test in result["tests"]]
    assert verdicts == ["accepted", "accepted", "accepted", "invalid_value"]
    assert result["trust"] == "high"


SOLUTIONS = {
    "a class with a metaclass": "from abc import ABC\nclass S(ABC):\n    def f(self): return 3",
    "a dictionary": (
        "from collections import UserDict\n"
        "class S(UserDict):\n    def f(self): return 3 + len(self)"
    ),
    "a function in the place of a class": (
        "def only_one(kind):\n    one = kind()\n    return lambda: one\n"
        "@only_one\nclass S:\n    def f(self): return 3"
    ),
    "an object": "class A:\n    def f(self): return 3\nS = A()",
    "an enumeration": (
        "import enum\nclass S(enum.Enum):\n    A = 1\n    @staticmethod\n    def f(): return 3"
    ),
    "a class method": "class S:\n    @classmethod\n    def f(cls): return 3",
}


def test_methods_are_called_on_whatever_has_them(service: Service) -> None:
    test = call("S.f", expected=3)
    programs = [{"id": name, "code": code, "tests": [test]} for name, code in SOLUTIONS.items()]
    assert [r["id"] for r in service.execute(*programs) if r["verdict"] != "accepted"] == []


def test_stop_on_failure_skips_the_rest(service: Service) -> None:
    code = "print(int(input()))"
    tests = [stdio("1", "1"), stdio("x", "1"), stdio("3", "3")]
    result = run(service, code, *tests, stop_on_failure=True)
    assert [test["verdict"] for test in result["tests"]] == ["accepted", "runtime_error", "skipped"]


def test_assertions_become_calls(service: Service) -> None:
    test = {"kind": "assert", "code": "assert add(1, 2) == 3\nassert add(0, 0) == 0"}
    result = run(service, "def add(a, b):\n    return a + b", test)
    assert (result["verdict"], result["trust"]) == ("accepted", "high")


def test_assertion_fails(service: Service) -> None:
    test = {"kind": "assert", "code": "assert add(1, 2) == 3"}
    result = run(service, "def add(a, b):\n    return a - b", test)
    assert (result["verdict"], result["trust"]) == ("wrong_answer", "high")


NOT_CALLS = "with_state = Counter()\nwith_state.add(2)\nassert with_state.total == {}"
COUNTER = """
class Counter:
    def __init__(self):
        self.total = 0
    def add(self, n):
        self.total += n
"""


@pytest.mark.parametrize(("total", "verdict"), [(2, "accepted"), (3, "wrong_answer")])
def test_other_assertions_run_apart_with_low_trust(
    service: Service, total: int, verdict: str
) -> None:
    result = run(service, COUNTER, {"kind": "assert", "code": NOT_CALLS.format(total)})
    assert (result["verdict"], result["trust"]) == (verdict, "low")


@pytest.mark.parametrize(("body", "verdict"), [("xs.sort()", "accepted"), ("", "wrong_answer")])
def test_assertion_sees_what_a_call_changed(service: Service, body: str, verdict: str) -> None:
    test = {"kind": "assert", "code": "xs = [3, 1]\nf(xs)\nassert xs == [1, 3]"}
    result = run(service, f"def f(xs):\n    {body or 'pass'}", test)
    assert (result["verdict"], result["trust"]) == (verdict, "low")


@pytest.mark.parametrize(
    ("definition", "test"),
    [
        ("def sum(a, b): return a + b", "assert sum(10, 15) == 25"),
        ("def f(x): return x\ndef max(*a): return 0", "assert f(3) == max(3, 2)"),
        ("def f(x): return x\ndef abs(x): return 9", "assert abs(f(3) - 4) == 1"),
        ("import math\ndef f(x): return 0.5", "assert math.isclose(f(1), 0.5)"),
        ("class queue:\n    def size(self): return 2", "assert queue().size() == 2"),
        ("def time(): return 7", "assert time() == 7"),
    ],
)
def test_names_in_a_low_trust_test_are_what_they_seem(
    service: Service, definition: str, test: str
) -> None:
    code = f"with open('/dev/null'):\n    {test}"
    result = run(service, definition, {"kind": "assert", "code": code})
    assert (result["verdict"], result["trust"]) == ("accepted", "low")


BAG = """\
class Bag:
    left = None
    def __init__(self): self.items = []
    def __len__(self): return len(self.items)
    def __getitem__(self, i): return self.items[i]
    def __setitem__(self, i, x): self.items[i] = x
    def __delitem__(self, i): del self.items[i]
    def __iter__(self): return iter(self.items)
    def __str__(self): return f"Bag{self.items}"
    def __contains__(self, x): return True
    def __eq__(self, other): return True
def depth(bag): return 1 + depth(bag.left) if bag else 0
"""


@pytest.mark.parametrize(
    "test",
    [
        "root = Bag()\nroot.items = [0]\nroot.left = Bag()\nassert depth(root) == 1",
        "b = Bag()\nassert not b\nb.items = [1, 2]\nassert b and len(b) == 2 and b[1] == 2",
        "b = Bag()\nb.items = [1, 2]\nb[0] = 5\ndel b[1]\nassert list(b) == [5]",
        "b = Bag()\nb.items = [7]\nassert str(b) == 'Bag[7]' and f'{b}' == 'Bag[7]'",
        "it = iter(Bag())\ntry:\n    next(it)\nexcept StopIteration:\n    assert not Bag()",
    ],
)
def test_an_assertion_uses_the_programs_objects(service: Service, test: str) -> None:
    result = run(service, BAG, {"kind": "assert", "code": test})
    assert (result["verdict"], result["trust"]) == ("accepted", "low")


FAST_IO = """\
import os, sys
from io import BytesIO, IOBase
class FastIO(IOBase):
    newlines = 0
    def __init__(self, file):
        self._fd = file.fileno()
        self.buffer = BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None
    def readline(self):
        while self.newlines == 0:
            b = os.read(self._fd, max(os.fstat(self._fd).st_size, 8192))
            self.newlines = b.count(b"\\n") + (not b)
            at = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(b), self.buffer.seek(at)
        self.newlines -= 1
        return self.buffer.readline()
    def flush(self):
        if self.writable:
            os.write(self._fd, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)
source, sink = FastIO(sys.stdin), FastIO(sys.stdout)
sink.write(source.readline())
sink.flush()
"""


@pytest.mark.parametrize(
    "code",
    [
        "print(input())\nexit()",
        "print(input())\nquit(0)",
        FAST_IO,
        "import codecs, sys\nsys.stdout = codecs.getwriter('utf-8')(sys.stdout.detach())\n"
        "sys.stdout.write(input())",
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint(input())",
        "import threading, time\n"
        "threads = [threading.Thread(target=time.sleep, args=(.1,)) for _ in range(10)]\n"
        "for t in threads: t.start()\nfor t in threads: t.join()\nprint(input())",
    ],
    ids=["exit", "quit", "fast input", "detached output", "wrapped output", "threads"],
)
def test_what_contestants_write(service: Service, code: str) -> None:
    result = run(service, code, stdio("1\n", "1"), stdio("2\n", "2"), stdio("3\n", "3"))
    assert result["verdict"] == "accepted", result["tests"]


@pytest.mark.parametrize(
    "test",
    [
        "assert sum(up(3)) == 3 and max(up(3)) == 2",
        "assert [x + 1 for x in up(3)] == [1, 2, 3]",
        "assert ','.join(map(str, up(3))) == '0,1,2'",
        "assert ','.join(letters(3)) == 'a,a,a'",
        "assert [*up(3)] == [0, 1, 2] and [*zip(up(2), 'ab')] == [(0, 'a'), (1, 'b')]",
        "total = 0\nfor x in up(3):\n    total += x\nassert total == 3",
        "assert all(x < 3 for x in up(3)) and not any(Counter().down(0))",
        "assert sum([1, 2]) + sum(plain(3)) == 9 and max(five(1), five(2)) == 5",
        "assert dict(pairs(2)) == {0: 0, 1: 1}",
    ],
)
def test_what_is_only_iterated_may_be_an_iterator(service: Service, test: str) -> None:
    code = (
        "from collections import deque\ndef up(n): yield from range(n)\ndef five(x): return 5\n"
        "def letters(n): return ('a' for _ in range(n))\ndef plain(n): return deque([1, 2, n])\n"
        "def pairs(n): return zip(range(n), range(n))\n"
        "class Counter:\n    def down(self, n): return reversed(range(n))\n"
    )
    result = run(service, code, {"kind": "assert", "code": test})
    assert result["verdict"] == "accepted", result["tests"]


UNITTEST = """\
import unittest
class TestDouble(unittest.TestCase):
    def test(self):
        self.assertEqual(double(2), 4)
"""


@pytest.mark.parametrize(
    ("test", "body", "verdict"),
    [
        (UNITTEST + "unittest.main()", "2 * x", "accepted"),
        (UNITTEST + "if __name__ == '__main__': unittest.main()", "3 * x", "wrong_answer"),
        ("class Test:\n    def test(self):\n        assert double(2) == 4", "2", "invalid_value"),
        ("try:\n    double(2)\nexcept:\n    pass", "__import__('os')._exit(0)", "exited_early"),
        (
            "with open('/dev/null'):\n    xs = [1]\n    assert double(xs) is not xs",
            "x",
            "wrong_answer",
        ),
        ("with open('/dev/null'):\n    xs = [1]\n    assert double(xs) is xs", "x", "accepted"),
        ("import solution\nassert solution.double(2) == 4", "2 * x", "accepted"),
        ("from solution import double as d\nassert d(2) == 4", "2 * x", "accepted"),
    ],
)
def test_what_test_code_may_be(service: Service, test: str, body: str, verdict: str) -> None:
    result = run(service, f"def double(x): return {body}", {"kind": "assert", "code": test})
    assert result["verdict"] == verdict, result["tests"]


HIGHER_ORDER = """\
class Negative(ValueError):
    def __init__(self, x=0):
        super().__init__(f"negative: {x}")
        self.x = x
class Worse(Negative): pass
class Stack:
    class Empty(Exception): pass
    def pop(self): raise Stack.Empty
class Node: pass
class Leaf(Node): pass
class Open:
    closed = False
    def __enter__(self): return self
    def __exit__(self, *error): self.closed = error[0] is not None
class Vector:
    def __init__(self, x): self.x = x
    def __add__(self, other): return Vector(self.x + other.x)
LEAST = 5
SEEN = {}
def root(x):
    if x < 0: raise Negative(x) if x > -10 else Worse(x)
    SEEN[x] = x ** 0.5
    return SEEN[x]
def lower():
    global LEAST
    LEAST -= 1
def double(x): return 2 * x
def apply(f, xs): return [f(x) for x in xs]
def sort(xs, key): xs.sort(key=key)
def compose(*fs):
    def all_of_them(x):
        for f in fs: x = f(x)
        return x
    return all_of_them
def attempt(f):
    try: return f()
    except ValueError as error: return str(error)
"""


@pytest.mark.parametrize(
    "test",
    [
        "try:\n    root(-1)\n    assert False\nexcept Negative as e:\n    assert e.x == -1",
        "try:\n    root(-1)\nexcept (KeyError, Negative) as e:\n    assert 'negative' in str(e)",
        "try:\n    root(-1)\nexcept Worse:\n    assert False\nexcept ValueError:\n    pass",
        "try:\n    root(-20)\nexcept Negative as e:\n    assert isinstance(e, Worse)",
        "try:\n    raise Negative(3)\nexcept Negative as e:\n    assert e.x == 3",
        "try:\n    Stack().pop()\n    assert False\nexcept Stack.Empty:\n    pass",
        "assert isinstance(Leaf(), Node) and not isinstance(Node(), (Leaf, int))",
        "assert issubclass(Leaf, Node) and issubclass(Negative, ValueError)",
        "assert LEAST == 5\nlower()\nassert LEAST == 4",
        "root(4)\nassert SEEN == {4: 2.0} and 4 in SEEN",
        "assert apply(double, [1, 2]) == [2, 4] and apply(str, [1]) == ['1']",
        "seen = []\ndef see(x):\n    seen.append(x)\n    return double(x)\n"
        "assert apply(see, [1, 2]) == [2, 4] and seen == [1, 2]",
        "xs = [1, 3, 2]\nsort(xs, key=lambda x: -x)\nassert xs == [3, 2, 1]",
        "xs = [3, 1]\nsort(xs=xs, key=None)\nassert xs == [1, 3]",
        "assert compose(double, lambda x: x + 1)(3) == 7",
        "fs = [double, double]\nassert compose(*fs)(1) == 4 and apply(lambda f: f(3), fs)[1] == 6",
        "def bad():\n    raise ValueError('bad')\nassert attempt(bad) == 'bad'",
        "def bad():\n    raise Negative(7)\nassert attempt(bad) == 'negative: 7'",
        "def bad():\n    raise KeyError(7)\ntry:\n    attempt(bad)\nexcept KeyError:\n    pass",
        "assert callable(root) and root.__name__ == 'root' and not callable(Node())",
        "with Open() as o:\n    assert not o.closed\nassert not o.closed",
        "assert (Vector(1) + Vector(2)).x == 3",
        "n = Node()\nn.next = n\nassert n.next is n and n.next == n and n != Node()",
    ],
)
def test_an_assertion_has_functions_and_exceptions(service: Service, test: str) -> None:
    code = "with open('/dev/null'):\n" + "".join(f"    {line}\n" for line in test.splitlines())
    result = run(service, HIGHER_ORDER, {"kind": "assert", "code": code})
    assert (result["verdict"], result["trust"]) == ("accepted", "low"), result["tests"]


@pytest.mark.parametrize(
    "test", ["assert 3 in b", "assert b == 3", "assert 3 == b", "assert b in [3]"]
)
def test_an_object_cannot_call_everything_equal(service: Service, test: str) -> None:
    result = run(service, BAG, {"kind": "assert", "code": f"b = Bag()\nb.items = [1]\n{test}"})
    assert result["verdict"] != "accepted"


def test_colliding_hashes_are_an_invalid_value(service: Service) -> None:
    code = "def f():\n    return {i * (2**61 - 1) for i in range(30000)}"
    assert run(service, code, call("f", expected=1))["verdict"] in ("invalid_value", "time_limit")


def test_program_cannot_reach_a_low_trust_expectation(service: Service) -> None:
    code = COUNTER + (
        "\nimport gc, sys, os\n"
        "found = [o for o in gc.get_objects() if 'assert' + ' with_state' in repr(o)]\n"
        "def add(*a): pass\nCounter.add = lambda self, n: os._exit(0)\n"
    )
    result = run(service, code, {"kind": "assert", "code": NOT_CALLS.format(2)})
    assert (result["verdict"], result["trust"]) == ("exited_early", "low")


def test_globals_are_fresh_for_each_stdio_test(service: Service) -> None:
    code = "n = globals().get('n', 0) + 1\nprint(n)\nopen('left', 'a').write('x')"
    assert run(service, code, stdio("", "1"), stdio("", "1"))["verdict"] == "accepted"


@pytest.mark.parametrize("isolation", ["program", "test", "sandbox"])
def test_isolation(service: Service, isolation: str) -> None:
    code = "import os\nprint(os.path.exists('/tmp/left'))\nopen('/tmp/left', 'w').write('x')\n"
    for _ in range(2):
        result = run(service, code, stdio("", "False"), isolation=isolation)
        assert result["verdict"] == "accepted"


def test_each_isolated_test_has_its_own_process(service: Service) -> None:
    code = "import os, json\nprint(hasattr(json, 'mark'))\njson.mark = 1"
    tests = [stdio("", "False"), stdio("", "False")]
    assert run(service, code, *tests, isolation="test")["verdict"] == "accepted"


def test_daemon_does_not_outlive_its_program(service: Service) -> None:
    daemon = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        time.sleep(300)\n    os._exit(0)\nprint('started')"
    )
    census = (
        "import os\n"
        "pids = [int(p) for p in os.listdir('/proc') if p.isdigit()]\n"
        "print([p for p in pids if os.stat(f'/proc/{p}').st_uid and p != os.getpid()])"
    )
    for _ in range(4):
        assert run(service, daemon, stdio("", "started"))["verdict"] == "accepted"
    for _ in range(4):
        assert run(service, census, stdio("", "[]"))["verdict"] == "accepted"


def test_exit_handlers_and_threads_belong_to_the_run(service: Service) -> None:
    code = (
        "import atexit, threading, time\natexit.register(lambda: print('exit'))\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()\n"
        "print('main')"
    )
    result = run(service, code, *[stdio("", "main thread exit")] * 2)
    assert result["verdict"] == "accepted", result["tests"]


def test_program_wall_clock_is_bounded_over_all_tests() -> None:
    from tests.service import running_service

    with running_service("runsc", "--sandboxes", "1", CODERL_PROGRAM_SECONDS="2") as short:
        code = "import time\ntime.sleep(0.9)\nprint(1)"
        (result,) = short.execute({"code": code, "tests": [stdio("", "1")] * 20})
        code = "import time\ndef f(n):\n    time.sleep(0.05)\n    return n"
        test = {"kind": "assert", "code": "for n in range(500):\n    assert f(n) == n"}
        (calls,) = short.execute({"code": code, "tests": [test]})
    assert (calls["verdict"], calls["tests"][0]["limit"]) == ("time_limit", "wall")
    verdicts = [test["verdict"] for test in result["tests"]]
    assert verdicts[0] == "accepted"
    assert verdicts[-1] == "skipped"
    assert result["verdict"] == "time_limit"


@pytest.mark.parametrize(
    "code",
    [
        "x = {}\ni = 0\nwhile True:\n    x[i] = str(i)\n    i += 1",
        "x = []\nwhile True: x.append([None] * 50)",
        "x = ()\nwhile True: x = (x, 1.5)",
    ],
)
def test_memory_taken_in_small_pieces_is_memory(service: Service, code: str) -> None:
    """To the last byte: nothing is left then to say so with."""
    limits = {"memory_mb": 48, "cpu_seconds": 10, "wall_seconds": 30}
    programs = [
        {"code": f"{code}\n#{n}", "tests": [stdio("", "")] * 2, "limits": limits} for n in range(2)
    ]
    results = service.execute(*programs)
    verdicts = [test["verdict"] for result in results for test in result["tests"]]
    assert verdicts == ["memory_limit"] * 4
