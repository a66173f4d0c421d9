"""Programs that want a test accepted without solving it, by family."""

from tests.security.attacks import ASSERT, CALL, INSIDE, OPAQUE, UNREACHABLE, Attack, family

FINDER = """
import gc, re, sys
def find(values):
    found = re.search(r"secret-[0-9a-f]{16}", " ".join(map(repr, values)))
    return found.group() if found else None
def frames():
    frame = sys._getframe()
    while frame:
        yield from (*frame.f_locals.values(), *frame.f_globals.values())
        frame = frame.f_back
"""
FORGER = """
import json, os, struct
def send(data):
    while data:
        os.write(5, b"!")
        data = data[os.write(4, data[:50_000]):]
def answer(body, claimed=None):
    data = (body if type(body) is str else json.dumps(body)).encode()
    send(struct.pack(">III", claimed or len(data), 0, 0) + data)
RETURNED = {"outcome": "returned", "stdout": "", "stderr": ""}
"""
INSIDE_FINDER = FINDER.replace("secret", "inside")
EVERY_DESCRIPTOR = "for fd in range(3, 64):\n    try: {}\n    except OSError: pass\n"
DAEMON = """
import os, sys
if not os.fork():
    os.setsid()
    if os.fork(): os._exit(0)
    {}
    os._exit(0)
os.wait()
"""


def asserting(code: str) -> dict[str, str]:
    return {"kind": "assert", "code": code}


def in_the_sandbox(code: str) -> dict[str, str]:
    """The same, in a form that the host cannot turn into calls."""
    return asserting("with open('/dev/null'):\n" + "".join(f"    {x}\n" for x in code.splitlines()))


def expecting(expected: str) -> dict[str, object]:
    return {"kind": "call", "function": "f", "args": [3], "expected_literal": expected}


def printing(stdout: str) -> dict[str, str]:
    return {"kind": "stdio", "stdin": "", "stdout": stdout}


def one(
    name: str,
    group: str,
    verdicts: str,
    code: str,
    *tests: dict[str, object],
    survives: str | None = None,
    **limits: object,
) -> Attack:
    return Attack(
        name,
        group,
        code,
        frozenset(verdicts.split("|")),
        tests,
        limits=limits,
        survives=survives,
    )


EQUALITY = [
    *family(
        "equality",
        CALL,
        {
            "always equal": (
                "invalid_value",
                "class A:\n    def __eq__(s, o): return True\ndef f(x): return A()",
            ),
            "always equal, within a list": (
                "invalid_value",
                "class A:\n    def __eq__(s, o): return True\ndef f(x): return [A()]",
            ),
            "always equal, as a key": (
                "invalid_value",
                "class A:\n    def __eq__(s, o): return True\n"
                "    def __hash__(s): return 0\ndef f(x): return {A(): A()}",
            ),
            "an int's subclass": (
                "invalid_value",
                "class A(int):\n    def __eq__(s, o): return True\ndef f(x): return A()",
            ),
            "a str's subclass": ("wrong_answer", "class A(str): pass\ndef f(x): return A('4')"),
            "a list's subclass": (
                "invalid_value",
                "class A(list):\n    def __eq__(s, o): return True\ndef f(x): return A()",
            ),
            "a dict's subclass": (
                "invalid_value",
                "class A(dict):\n    def __eq__(s, o): return True\ndef f(x): return A()",
            ),
            "a named tuple": (
                "invalid_value",
                "from collections import namedtuple\n"
                "class A(namedtuple('A', 'x')):\n    def __eq__(s, o): return True\n"
                "def f(x): return A(1)",
            ),
            "an enumeration": (
                "invalid_value",
                "import enum\nclass A(enum.IntEnum):\n    X = 3\ndef f(x): return A.X",
            ),
            "unittest.mock.ANY": (
                "invalid_value",
                "from unittest.mock import ANY\ndef f(x): return ANY",
            ),
            "a metaclass, the class itself": (
                "invalid_value",
                "class M(type):\n    def __eq__(s, o): return True\n"
                "    def __hash__(s): return 0\nclass A(metaclass=M): pass\ndef f(x): return A",
            ),
            "the class replaced after the fact": (
                "invalid_value",
                "class A:\n    __class__ = str\n    def __eq__(s, o): return True\n"
                "def f(x): return A()",
            ),
        },
    ),
    one(
        *("less than everything", "equality", "invalid_value"),
        "class A:\n    def __lt__(s, o): return True\ndef f(x): return A()",
        asserting("assert f(3) < 10"),
    ),
    one(
        *("contains everything", "equality", "invalid_value"),
        "class A:\n    def __contains__(s, o): return True\ndef f(x): return A()",
        asserting("assert 5 in f(3)"),
    ),
    one(
        *("no distance to anything", "equality", "invalid_value"),
        "class A:\n    def __sub__(s, o): return 0\n    __rsub__ = __sub__\ndef f(x): return A()",
        asserting("assert abs(f(3) - 3.14) < 1e-6"),
    ),
    one(
        *("items equal to everything", "equality", "invalid_value"),
        "class A:\n    def __eq__(s, o): return True\ndef f(x): return iter([A()])",
        asserting("assert list(f(3)) == [5]"),
    ),
    one(
        *("hash of everything", "equality", "invalid_value"),
        "class A:\n    def __eq__(s, o): return True\n    def __hash__(s): return hash(5)\n"
        "def f(x): return A()",
        asserting("assert f(3) in {5, 6}"),
    ),
    one(
        *("pretends a type", "equality", "invalid_value"),
        "class A:\n    __class__ = int\ndef f(x): return A()",
        asserting("assert isinstance(f(3), int)"),
    ),
    one(
        *("always equal, judged inside", "equality", "wrong_answer"),
        "class A:\n    def __eq__(s, o): return True\ndef f(x): return A()",
        OPAQUE,
    ),
]

NUMBERS = [
    one("nan for 1.5", "numbers", "wrong_answer", "def f(x): return 0 * 1e999", expecting("1.5")),
    one("inf for 1e308", "numbers", "wrong_answer", "def f(x): return 1e999", expecting("1e308")),
    one("1e308 for inf", "numbers", "wrong_answer", "def f(x): return 1e308", expecting("1e999")),
    one("True for 1", "numbers", "wrong_answer", "def f(x): return True", expecting("1")),
    one("its text", "numbers", "wrong_answer", "def f(x): return '1'", expecting("1")),
    one(
        *("a complex beyond all bounds", "numbers", "wrong_answer"),
        "def f(x): return 1j",
        expecting("1.7e308+1.7e308j"),
    ),
    one("nan for a token", "numbers", "wrong_answer", "print('nan')", printing("3.5")),
    one("inf for a token", "numbers", "wrong_answer", "print('inf')", printing("3.5")),
    one(
        *("nan for all comparisons", "numbers", "wrong_answer"),
        "def f(x): return 0 * 1e999",
        asserting("assert abs(f(3) - 3.14) < 1e-6"),
    ),
]

SCAN = """
import re
def scan(pattern):
    memory = open("/proc/self/mem", "rb")
    for line in open("/proc/self/maps"):
        start, end = (int(n, 16) for n in line.split()[0].split("-"))
        try:
            memory.seek(start)
            found = re.search(pattern, memory.read(end - start))
        except (OSError, ValueError, OverflowError, MemoryError):
            continue
        if found:
            return found.group().decode()
"""

LOOKING = [
    *family(
        "looking for the expectation",
        CALL,
        {
            "walks the frames": ("wrong_answer", FINDER + "def f(x): return find(frames())"),
            "walks the heap": (
                "wrong_answer",
                FINDER + "def f(x): return find(gc.get_objects())",
            ),
            "walks what refers to its argument": (
                "wrong_answer",
                FINDER + "def f(x): return find(gc.get_referrers(x) + gc.get_referrers(f))",
            ),
            "walks the modules": (
                "wrong_answer",
                FINDER + "def f(x): return find(vars(m) for m in list(sys.modules.values()))",
            ),
            "reads its own memory": (
                "wrong_answer",
                SCAN + "def f(x): return scan(rb'secret-[0-9a-f]{16}')",
            ),
            "traces its caller": (
                "wrong_answer",
                FINDER + "seen = []\n"
                "def spy(frame, event, arg):\n"
                "    seen.extend(frame.f_locals.values()); seen.append(arg)\n    return spy\n"
                "def f(x):\n    sys.setprofile(spy)\n    sys.settrace(spy)\n    return find(seen)",
            ),
            "asks the supervisor's modules": (
                "wrong_answer",
                FINDER + "import sys, types\ndef f(x):\n"
                "    frame, scopes = sys._getframe(), []\n"
                "    while frame:\n"
                "        scopes.append(frame.f_globals)\n        frame = frame.f_back\n"
                "    modules = [m for s in scopes for m in s.values()"
                " if type(m) is types.ModuleType]\n"
                "    assert {'runner', 'tester'} <= {m.__name__ for m in modules}\n"
                "    return find([*scopes, *map(vars, modules)])",
            ),
            "reads what the process is told": (
                "time_limit|wrong_answer",
                "import os\ndef f(x): return os.read(3, 9999).decode()",
            ),
            "reads /proc": (
                "wrong_answer",
                "import glob\ndef f(x):\n    seen = ''\n"
                "    for name in glob.glob('/proc/[0-9]*/*'):\n"
                "        if name.endswith(('/fd', '/task', '/mem', '/clear_refs')): continue\n"
                "        try: seen += open(name, errors='replace').read(5000)\n"
                "        except OSError: pass\n"
                "    return seen[:100] if 'secret-' in seen else None",
            ),
            "reads the pipes of others": (
                "wrong_answer",
                "import os\ndef f(x):\n"
                "    for pid in [p for p in os.listdir('/proc') if p.isdigit()]:\n"
                "        if int(pid) == os.getpid(): continue\n"
                "        for fd in range(16):\n"
                "            path = f'/proc/{pid}/fd/{fd}'\n"
                "            try: return os.read(os.open(path, os.O_NONBLOCK), 99).decode()\n"
                "            except OSError: continue",
            ),
        },
    ),
    one(
        *("walks the frames from an assertion", "looking for the expectation", "wrong_answer"),
        FINDER + "def f(x): return find(frames())",
        ASSERT,
    ),
    one(
        *("walks the heap from an assertion", "looking for the expectation", "wrong_answer"),
        FINDER + "def f(x): return find(gc.get_objects())",
        ASSERT,
    ),
    one(
        *("walks the heap, judged inside", "looking for the expectation", "wrong_answer"),
        INSIDE_FINDER + "def f(x): return find(gc.get_objects())",
        OPAQUE,
    ),
    one(
        *("walks the frames, judged inside", "looking for the expectation", "wrong_answer"),
        INSIDE_FINDER + "def f(x): return find(frames())",
        OPAQUE,
    ),
    one(
        *("has itself judged inside", "looking for the expectation", "wrong_answer"),
        INSIDE_FINDER + "class f:\n    def __new__(cls, x): return find(frames())",
        asserting(f"assert f(3) == {INSIDE!r}"),
    ),
]

EARLIER = [
    Attack(
        "reads what an earlier program left in memory",
        "looking for the expectation",
        SCAN + "print(scan(rb'inside-[0-9a-f]{16}'))",
        frozenset({"wrong_answer"}),
        (printing(INSIDE),),
        limits={"cpu_seconds": 2, "wall_seconds": 4, "memory_mb": 256},
        before=(
            {
                "id": "earlier",  # what it leaves has the processes forked ahead ended with it
                "code": f"# {INSIDE}\n" * 500 + "import os, time\n"
                "if os.fork() == 0:\n    os.setsid()\n    time.sleep(9)\n"
                "time.sleep(0.1)\nprint('done')",
                "tests": [printing("done")],
            },
        ),
    )
]

FORGING = [
    *family(
        "forging answers",
        CALL,
        {
            "a wrong value": (
                "wrong_answer",
                FORGER + "answer(RETURNED | {'value': 3})\ndef f(x): return 0",
            ),
            "a wrong value on every descriptor": (
                "wrong_answer",
                FORGER + "data = json.dumps(RETURNED | {'value': 3}).encode()\n"
                "data = struct.pack('>III', len(data), 0, 0) + data\n"
                + EVERY_DESCRIPTOR.format("os.write(fd, data * 9)")
                + "def f(x): return 0",
            ),
            "a verdict": (
                "invalid_value",
                FORGER + "answer({'verdict': 'accepted', 'passed': 1})\ndef f(x): return 0",
            ),
            "an outcome that there is not": (
                "invalid_value",
                FORGER + "answer({'outcome': 'accepted'})\ndef f(x): return 0",
            ),
            "no value": ("invalid_value", FORGER + "answer(RETURNED)\ndef f(x): return 0"),
            "a value of no kind": (
                "invalid_value",
                FORGER + "answer(RETURNED | {'value': {'any': []}})\ndef f(x): return 0",
            ),
            "a value of hostile types": (
                "invalid_value",
                FORGER + "answer(RETURNED | {'value': {'d': 5}, 'cpu': 'x', 'status': []})\n"
                "def f(x): return 0",
            ),
            "ten thousand brackets": (
                "invalid_value",
                FORGER + "answer('[' * 10_000)\ndef f(x): return 0",
            ),
            "a length and nothing behind it": (
                "time_limit",
                FORGER + "answer('{', 1 << 20)\ndef f(x):\n    while True: pass",
            ),
            "a length beyond all bounds": (
                "exited_early",
                FORGER + "answer('{', (1 << 32) - 1)\ndef f(x): return 0",
            ),
            "junk for the supervisor": (
                "exited_early",
                "import os\n"
                + EVERY_DESCRIPTOR.format("os.write(fd, b'\\xff' * 999)")
                + "def f(x): return 0",
            ),
            "closes every descriptor": (
                "exited_early",
                "import os\nos.closerange(0, 64)\ndef f(x): return 4",
            ),
            "answers by the runner's own hand": (
                "wrong_answer",
                "import sys\ndef f(x):\n    frame = sys._getframe()\n"
                "    while 'reporter' not in frame.f_locals: frame = frame.f_back\n"
                "    body = {'outcome': 'returned', 'value': 'accepted'}\n"
                "    frame.f_locals['reporter'].send(body)",
            ),
            "replaces the encoder": (
                "wrong_answer",
                "import sys\nframe = sys._getframe()\n"
                "while 'encoded' not in frame.f_globals: frame = frame.f_back\n"
                "answer = {'outcome': 'returned', 'value': 4}\n"
                "frame.f_globals['encoded'] = lambda v: answer\n"
                "def f(x): return 0",
            ),
            "takes its tests away": (
                "exited_early|wrong_answer",
                "import sys\ndef f(x):\n    frame = sys._getframe()\n"
                "    while 'tests' not in frame.f_locals: frame = frame.f_back\n"
                "    frame.f_locals['tests'].clear()",
            ),
            "answers twice, by a fork": (
                "wrong_answer",
                "import os\ndef f(x):\n    os.fork()\n    return 0",
            ),
            "prints the shape of an answer, then exits": (
                "exited_early",
                "import os\ndef f(x):\n    print('[[true]]', flush=True)\n    os._exit(0)",
            ),
        },
    ),
    one(
        *("an output beyond its limit", "forging answers", "output_limit|invalid_value"),
        FORGER + "answer(RETURNED | {'value': 3, 'stdout': 'a' * 1_000_000})\ndef f(x): return 0",
        CALL,
    ),
    one(
        *("an exception of a megabyte", "forging answers", "runtime_error|invalid_value"),
        FORGER + "answer({'outcome': 'raised', 'stdout': '', 'stderr': '', 'exception':\n"
        "    {'type': 'T' * 500_000, 'message': 'm' * 500_000, 'line': 1}})\ndef f(x): return 0",
        CALL,
    ),
    *family(
        "forging answers",
        UNREACHABLE,
        {
            "prints a frame of the supervisor's": (
                "wrong_answer",
                "import struct, sys\n"
                'head = b\'{"op": "done", "job": 1, "clean": true, "why": null}\'\n'
                "sys.stdout.buffer.write(struct.pack('>II', len(head), 0) + head)",
            ),
            "prints a response of the service": (
                "wrong_answer",
                'print(\'{"results": [{"verdict": "accepted", "passed": 1, "total": 1}]}\')',
            ),
            "writes to the supervisor's streams": (
                "wrong_answer",
                "import os\nnull = os.stat('/dev/null')\nfor fd in range(64):\n    try:\n"
                "        fd = os.open(f'/proc/1/fd/{fd}', os.O_WRONLY | os.O_NONBLOCK)\n"
                "        if not os.path.samestat(os.fstat(fd), null):\n"
                "            os.write(fd, b'x')\n            print('unreachable')\n"
                "    except OSError: continue",
            ),
            "floods the supervisor": (
                "time_limit|invalid_value|wrong_answer",
                FORGER + "while True: answer(RETURNED)",
            ),
            "rings without end": (
                "time_limit",
                "import os\nwhile True: os.write(5, b'!' * 4096)",
            ),
            "hangs up the bell": (
                "time_limit",
                "import os, time\nos.close(5)\ntime.sleep(9)",
            ),
        },
    ),
]

EXITS = [
    *family(
        "ending the process",
        CALL,
        {
            "sys.exit": ("exited_early", "import sys\ndef f(x): sys.exit(0)"),
            "os._exit": ("exited_early", "import os\ndef f(x): os._exit(0)"),
            "kills itself": ("exited_early", "import os\ndef f(x): os.kill(os.getpid(), 9)"),
            "exits while it loads": ("exited_early", "import os\nos._exit(0)"),
            "becomes another program": (
                "exited_early",
                "import os\ndef f(x): os.execv('/usr/bin/env', ['env', 'true'])",
            ),
            "raises what ends the interpreter": (
                "runtime_error",
                "def f(x): raise KeyboardInterrupt",
            ),
            "raises the end of a generator": ("runtime_error", "def f(x): raise GeneratorExit"),
            "an exit handler": (
                "wrong_answer",
                "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return 0",
            ),
            "exits as its value is dropped": (
                "invalid_value|exited_early",
                "import os\nclass A:\n    def __del__(self): os._exit(0)\ndef f(x): return A()",
            ),
            "exits once it has returned": (
                "wrong_answer|exited_early",
                "import os, signal\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\n"
                "signal.setitimer(signal.ITIMER_REAL, 0.0005)\ndef f(x): return 0",
            ),
            "exits from a thread": (
                "exited_early|wrong_answer",
                "import os, threading\n"
                "threading.stack_size(1 << 20)\n"
                "def f(x): threading.Thread(target=os._exit, args=(0,)).start()",
            ),
            "exits from a child of its own": (
                "exited_early",
                "import os\ndef f(x):\n    if os.fork(): os._exit(0)\n    return 0",
            ),
        },
    ),
    one(
        *("sys.exit in an assertion", "ending the process", "exited_early"),
        "import sys\ndef f(x): sys.exit(0)",
        ASSERT,
    ),
    one(
        *("os._exit in an assertion", "ending the process", "exited_early"),
        "import os\ndef f(x): os._exit(0)",
        ASSERT,
    ),
    one(
        *("sys.exit, judged inside", "ending the process", "exited_early"),
        "import sys\ndef f(x): sys.exit(0)",
        OPAQUE,
    ),
    one(
        *("os._exit, judged inside", "ending the process", "exited_early"),
        "import os\ndef f(x): os._exit(0)",
        OPAQUE,
    ),
    one(
        *("exits while it loads, judged inside", "ending the process", "exited_early"),
        "import os\nos._exit(0)",
        OPAQUE,
    ),
    one(
        *("ends the loop over it, judged inside", "ending the process", "runtime_error"),
        "def f(x): raise StopIteration",
        in_the_sandbox("assert all(map(lambda x: f(x) == 3 * x, [1, 2]))"),
    ),
    *family(
        "ending the process",
        UNREACHABLE,
        {
            "os._exit, having printed nothing": ("wrong_answer", "import os\nos._exit(0)"),
            "an exit handler that exits": (
                "wrong_answer",
                "import atexit, os\natexit.register(os._exit, 0)",
            ),
            "a hook for its exception": (
                "runtime_error",
                "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\nraise ValueError",
            ),
            "an exit status of another type": (
                "runtime_error",
                "class A(int):\n    def __and__(s, o): return 0\nraise SystemExit(A(3))",
            ),
        },
    ),
]

PATCHES = [
    *family(
        "replacing what judges",
        CALL,
        {
            "builtins": (
                "exited_early",
                "import builtins\nbuiltins.print = builtins.len = None\ndef f(x): return 0",
            ),
            "json": (
                "wrong_answer",
                "import json\njson.dumps = lambda *a, **k: '{}'\ndef f(x): return 0",
            ),
            "os.write": (
                "wrong_answer",
                "import os\nos.write = lambda fd, data: len(data)\ndef f(x): return 0",
            ),
            "the types of the encoder": (
                "wrong_answer|invalid_value|exited_early",
                "import sys\nframe = sys._getframe()\n"
                "while 'encode' not in frame.f_globals: frame = frame.f_back\n"
                "names = frame.f_globals['encode'].__globals__\n"
                "names['type'], names['encode'] = (lambda x: str), (lambda *a: 'x')\n"
                "def f(x): return 0",
            ),
            "operators": (
                "wrong_answer",
                "import operator\noperator.eq = lambda a, b: True\ndef f(x): return 0",
            ),
            "sys.modules": (
                "wrong_answer",
                "import sys\nsys.modules.clear()\ndef f(x): return 0",
            ),
            "the clock": (
                "time_limit",
                "import time\ntime.monotonic = time.time = time.process_time = lambda: 0\n"
                "def f(x):\n    while True: pass",
            ),
        },
    ),
    one(
        *("abs", "replacing what judges", "wrong_answer"),
        "def abs(x): return 0\ndef f(x): return 0.0",
        asserting("assert abs(f(3) - 3.14) < 1e-6"),
    ),
    one(
        *("abs, by a class", "replacing what judges", "wrong_answer"),
        "class abs:\n    def __new__(cls, x): return 0\ndef f(x): return 0.0",
        asserting("assert abs(f(3) - 3.14) < 1e-6"),
    ),
    one(
        *("all and range", "replacing what judges", "wrong_answer"),
        "def all(x): return True\ndef range(x): return []\ndef f(x): return None",
        asserting("assert all(f(i) == i for i in range(3))"),
    ),
    one(
        *("math.isclose", "replacing what judges", "wrong_answer"),
        "import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 0.0",
        asserting("import math\nassert math.isclose(f(3), 3.14)"),
    ),
    one(
        *("the module math", "replacing what judges", "wrong_answer"),
        "import sys, types\nclass M(types.ModuleType):\n    def isclose(s, *a, **k): return True\n"
        "math = sys.modules['math'] = M('math')\ndef f(x): return 0.0",
        asserting("import math\nassert math.isclose(f(3), 3.14)"),
    ),
    one(
        *("math.isclose, judged inside", "replacing what judges", "wrong_answer"),
        "import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 0.0",
        in_the_sandbox("import math\nassert math.isclose(f(3), 3.14)"),
    ),
    one(
        *("builtins, judged inside", "replacing what judges", "wrong_answer|exited_early"),
        "import builtins\nbuiltins.all = builtins.isinstance = lambda *a: True\n"
        "def f(x): return None",
        in_the_sandbox("assert isinstance(f(3), int)\nassert all([f(3) == 3])"),
    ),
    one(
        *("unittest's assertEqual", "replacing what judges", "wrong_answer"),
        "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\ndef f(x): return 1",
        asserting("import unittest\nunittest.TestCase().assertEqual(f(3), 7)"),
    ),
    one(
        *("unittest's suite", "replacing what judges", "wrong_answer"),
        "import unittest\nunittest.TestSuite.run = lambda *a, **k: None\n"
        "unittest.TestResult.wasSuccessful = lambda *a: True\ndef f(x): return 1",
        asserting(
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
            "        self.assertEqual(f(3), 7)\nr = unittest.TestResult()\n"
            "unittest.defaultTestLoader.loadTestsFromTestCase(T).run(r)\n"
            "assert r.testsRun and r.wasSuccessful()"
        ),
    ),
    one(
        *("pytest", "replacing what judges", "wrong_answer|runtime_error"),
        "import sys, types\nclass Raises:\n    def __init__(s, *a): pass\n"
        "    def __enter__(s): return s\n    def __exit__(s, *a): return True\n"
        "sys.modules['pytest'] = pytest = types.ModuleType('pytest')\npytest.raises = Raises\n"
        "def f(x): return 1",
        asserting("import pytest\nwith pytest.raises(ValueError):\n    f(3)\n    assert False"),
    ),
    one(
        *("Counter's equality, judged inside", "replacing what judges", "wrong_answer"),
        "from collections import Counter\nCounter.__eq__ = lambda *a: True\ndef f(x): return [1]",
        in_the_sandbox("from collections import Counter\nassert Counter(f(3)) == Counter([7])"),
    ),
    one(
        *("the tester's functions", "replacing what judges", "wrong_answer"),
        "import sys\nframe = sys._getframe()\n"
        "while 'tester' not in frame.f_globals: frame = frame.f_back\n"
        "tester, served = frame.f_globals['tester'], frame.f_globals['served']\n"
        "tester.run_assertion = tester._outcome = lambda *a: {'outcome': 'returned'}\n"
        "def f(x): return 0",
        OPAQUE,
    ),
    one(
        *("other names than it has", "replacing what judges", "runtime_error|wrong_answer"),
        "import sys\nframe = sys._getframe()\n"
        "while 'served' not in frame.f_globals: frame = frame.f_back\n"
        "served = frame.f_globals['served']._Served\n"
        "served.introduction = lambda self: {'names': ['__builtins__', '__name__', 'f'],\n"
        "    'variables': ['sorted', '__builtins__'], 'exceptions': []}\n"
        "served.perform = lambda self, request: {'outcome': 'returned', 'value': True,\n"
        "    'changed': []}\ndef f(x): return 0",
        in_the_sandbox("def holds():\n    return sorted(f(3)) == [7]\nassert holds()"),
    ),
    one(
        *("an exception that failures are", "replacing what judges", "runtime_error"),
        "Wrong = Exception\ndef f(x): return 0",
        in_the_sandbox("try:\n    f(3)\n    assert False\nexcept Wrong:\n    pass"),
    ),
    one(
        *("exceptions that failures are", "replacing what judges", "runtime_error"),
        "Wrong = (ValueError, AssertionError)\ndef f(x): return 0",
        in_the_sandbox("try:\n    f(3)\n    assert False\nexcept Wrong:\n    pass"),
    ),
    one(
        *("an exception that says all is well", "replacing what judges", "exited_early"),
        "class Wrong(Exception):\n    program_body = {'outcome': 'returned'}\n"
        "    def __str__(self): raise SystemExit\ndef f(x): return 0",
        in_the_sandbox("if f(3) != 7:\n    raise Wrong(3)"),
    ),
    one(
        *("a difference that is nothing", "replacing what judges", "runtime_error"),
        "class Close:\n    __sub__ = __rsub__ = __add__ = __mod__ = lambda *a: 0\n"
        "    __abs__ = lambda self: self\ndef f(x): return Close()",
        in_the_sandbox("assert abs(f(3) - 3.14) < 1e-6"),
    ),
    one(
        *("a context that hides failures", "replacing what judges", "wrong_answer"),
        "class Context:\n    __enter__ = lambda self: self\n    __exit__ = lambda *a: True\n"
        "def f(x): return 0",
        in_the_sandbox("with Context():\n    assert f(3) == 7"),
    ),
    one(
        *("a call that hides failures", "replacing what judges", "wrong_answer"),
        "def run(test):\n    try: test()\n    except BaseException: pass\ndef f(x): return 0",
        in_the_sandbox("def test():\n    assert f(3) == 7\nrun(test)"),
    ),
    one(
        *("abs, judged inside", "replacing what judges", "wrong_answer"),
        "def abs(x): return 0\nclass f:\n    def __new__(cls, x): return 0.0",
        asserting("assert abs(f(3) - 3.14) < 1e-6"),
    ),
    one(
        *("all and range, judged inside", "replacing what judges", "wrong_answer"),
        "all = lambda x: True\nrange = lambda *a: ()\ndef f(x): return None",
        in_the_sandbox("assert all(f(i) == i for i in range(3))"),
    ),
    one(
        *("a module by its name, judged inside", "replacing what judges", "wrong_answer"),
        "class math:\n    isclose = lambda *a, **k: True\ndef f(x): return 0.0",
        in_the_sandbox("assert math.isclose(f(3), 3.14)"),
    ),
    one(
        *("the builtin that is not tested", "replacing what judges", "wrong_answer"),
        "def abs(x): return 0\ndef sum(x): return 0.0",
        asserting("assert abs(sum([3.0]) - 3.14) < 1e-6"),
        survives="a test that names builtins alone does not say which of them it means; trust: low",
    ),
]

OUTPUT = [
    *family(
        "output",
        UNREACHABLE,
        {
            "stdout replaced by its like": (
                "wrong_answer",
                "import io, sys\nsys.stdout = io.StringIO('unreachable')",
            ),
            "a stdout that lies": (
                "wrong_answer",
                "import sys\nclass S:\n    closed = False\n    buffer = property(lambda s: s)\n"
                "    def write(s, t): return len(t)\n    def flush(s): raise SystemExit(0)\n"
                "    def getvalue(s): return 'unreachable'\nsys.stdout = sys.__stdout__ = S()",
            ),
            "stdout closed": ("wrong_answer|runtime_error", "import os\nos.close(1)"),
            "stdout exchanged for input": ("wrong_answer", "import os\nos.dup2(0, 1)"),
            "stdout without end": ("output_limit", "while True: print('unreachable')"),
            "the answer, then a flood": (
                "output_limit",
                "print('unreachable')\nwhile True: print(' ' * 1000)",
            ),
            "bytes that are no text": (
                "wrong_answer",
                "import sys\nsys.stdout.buffer.write(b'unreachable\\xff')",
            ),
            "the answer rubbed out": ("wrong_answer", "print('x\\bunreachable')"),
            "the answer on errors": (
                "wrong_answer",
                "import sys\nprint('unreachable', file=sys.stderr)",
            ),
        },
    ),
    one("the first line only", "output", "wrong_answer", "print(1)", printing("1\n2\n3\n")),
    one("a line too many", "output", "wrong_answer", "print(1)\nprint(2)", printing("1\n")),
    one("many guesses", "output", "wrong_answer", "print(*range(99))", printing("42")),
    one(
        *("right as far as it goes", "output", "output_limit"),
        "print('a' * 200_000, end='')",
        printing("a" * 100_000),
    ),
]

VALUES = [
    *family(
        "values that are none",
        CALL,
        {
            "a generator": ("invalid_value", "def f(x): yield 4"),
            "a coroutine": ("invalid_value", "async def f(x): return 4"),
            "a lazy map": ("invalid_value", "def f(x): return map(str, [x])"),
            "a range": ("invalid_value", "def f(x): return range(x)"),
            "a view": ("invalid_value", "def f(x): return {x: x}.keys()"),
            "a function": ("invalid_value", "def f(x): return f"),
            "a class": ("invalid_value", "def f(x): return int"),
            "a lazy list": (
                "invalid_value",
                "class A(list):\n    def __iter__(s):\n        while True: yield 1\n"
                "def f(x): return [A()]",
            ),
            "an endless iterator in a list": (
                "invalid_value",
                "import itertools\ndef f(x): return [itertools.count()]",
            ),
            "a value that holds itself": (
                "invalid_value",
                "def f(x):\n    a = []\n    a.append(a)\n    return a",
            ),
            "a dict that holds itself": (
                "invalid_value",
                "def f(x):\n    a = {}\n    a[1] = a\n    return a",
            ),
            "a deep value": (
                "invalid_value",
                "def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a",
            ),
            "a huge value": ("invalid_value", "def f(x): return [0] * 3_000_000"),
            "a huge value of few objects": (
                "invalid_value|time_limit",
                "def f(x):\n    a = 'ab'\n    for _ in range(40): a = [a, a]\n    return a",
            ),
            "a huge number": ("invalid_value", "def f(x): return 1 << 5_000_000"),
            "a huge text": (
                "wrong_answer|time_limit",
                "def f(x): return 'a' * 30_000_000",
            ),
            "a text that is none": ("wrong_answer", "def f(x): return '\\ud800'"),
        },
    ),
    one(
        *("sets of one hash", "values that are none", "invalid_value|wrong_answer"),
        "def f(x): return [\n"
        "    {(i + 1000 * j) * (2**61 - 1) for i in range(1000)} for j in range(400)]",
        CALL,
        **{"cpu_seconds": 20, "wall_seconds": 30, "memory_mb": 512},
    ),
    one(
        *("a set of few hashes, forged", "values that are none", "invalid_value|wrong_answer"),
        FORGER + "items = [n * (2**61 - 1) for n in range(1, 24_000)] + list(range(8_001))\n"
        "answer(RETURNED | {'value': {'s': items}})\ndef f(x): return 0",
        CALL,
    ),
]

TIME = [
    *family(
        "time",
        CALL,
        {
            "works for ever": ("time_limit", "def f(x):\n    while True: pass"),
            "sleeps for ever": ("time_limit", "import time\ndef f(x): time.sleep(99)"),
            "never loads": ("time_limit", "while True: pass"),
            "waits for itself": (
                "time_limit",
                "import threading\ndef f(x):\n    lock = threading.Lock()\n    lock.acquire()\n"
                "    lock.acquire()",
            ),
            "an expression of a century": ("time_limit", "def f(x): return 9**9**9"),
            "a pattern of a century": (
                "time_limit",
                "import re\ndef f(x): return re.match('(a*)*$', 'a' * 60 + 'b')",
            ),
            "a thread that stays": (
                "wrong_answer|exited_early",
                "import threading, time\nthreading.stack_size(1 << 20)\ndef f(x):\n"
                "    threading.Thread(target=time.sleep, args=(99,)).start()\n    return 0",
            ),
        },
    ),
    one(
        *("works through exceptions", "time", "time_limit"),
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        UNREACHABLE,
    ),
    one(
        *("work left to a daemon", "time", "time_limit|wrong_answer"),
        "import os\n" + DAEMON.format("while True: pass") + "def f(x): return 0",
        *(CALL, CALL, CALL),
    ),
    one(
        *("a daemon for the next program", "time", "wrong_answer"),
        DAEMON.format(
            "while True:\n        for d in ('/tmp', '/box', '/dev/shm', '.'):\n"
            "            try: open(d + '/solution.py', 'w').write('x')\n"
            "            except OSError: pass"
        ),
        UNREACHABLE,
    ),
    one(
        *("an answer from behind", "time", "wrong_answer|exited_early"),
        FORGER + "import threading, time\nthreading.stack_size(1 << 20)\n"
        "def later():\n    time.sleep(0.05)\n    answer(RETURNED | {'value': 3})\n"
        "def f(x):\n    threading.Thread(target=later).start()\n    return 0",
        *(CALL, CALL),
    ),
]

CHEATS = [
    attack
    for group in (
        EQUALITY,
        NUMBERS,
        LOOKING,
        EARLIER,
        FORGING,
        EXITS,
        PATCHES,
        OUTPUT,
        VALUES,
        TIME,
    )
    for attack in group
]

HONEST = {
    "call": {
        "id": "honest call",
        "code": "def f(x):\n    return x + 1\n",
        "tests": [{"kind": "call", "function": "f", "args": [1], "expected": 2}] * 2,
    },
    "stdio": {
        "id": "honest output",
        "code": "print('a' * 200_000, input())",
        "tests": [{"kind": "stdio", "stdin": "7", "stdout": "a" * 200_000 + " 7\n"}],
    },
    "assert": {
        "id": "honest assertion",
        "code": "def f(x):\n    return x + 1\n",
        "tests": [asserting("assert f(3) == 4"), in_the_sandbox("assert f(3) == 4")],
    },
}
"""For each kind of test a program that passes it."""
