"""Programs that attack their grader, an honest one beside each: the first get the verdict that
describes them, the second are accepted."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.service import Service, running_service

pytestmark = pytest.mark.gvisor

LIMITS = {"cpu_seconds": 1, "wall_seconds": 3, "memory_mb": 128, "output_bytes": 100_000}
HONEST = {
    "id": "honest",
    "code": "def f(x):\n    return x + 1\n",
    "tests": [{"kind": "call", "function": "f", "args": [n], "expected": n + 1} for n in range(3)],
}
EVERY_DESCRIPTOR = "for fd in range(3, 64):\n    try: {}\n    except OSError: pass\n"
FRAME = (
    "import os, json, struct\n"
    "body = json.dumps({'outcome': 'returned', 'value': 3, 'stdout': '', 'stderr': ''}).encode()\n"
    "frame = struct.pack('>III', len(body), 0, 0) + body\n"
)
FINDER = (
    "import gc, re, sys\n"
    "def find(texts):\n"
    "    found = re.search(r'secret-\\d+', ' '.join(texts))\n"
    "    return found.group() if found else None\n"
)
FORK_BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"

CALLS = {
    "always equal": (
        "class A:\n    def __eq__(s, o): return True\ndef f(x): return A()",
        "invalid_value",
    ),
    "int subclass": (
        "class A(int):\n    def __eq__(s, o): return True\ndef f(x): return A()",
        "invalid_value",
    ),
    "str subclass": ("class A(str): pass\ndef f(x): return A('4')", "invalid_value"),
    "list of those": (
        "class A:\n    def __eq__(s, o): return True\ndef f(x): return [A()]",
        "invalid_value",
    ),
    "sys.exit": ("import sys\ndef f(x): sys.exit(0)", "exited_early"),
    "os._exit": ("import os\ndef f(x): os._exit(0)", "exited_early"),
    "kills itself": ("import os\ndef f(x): os.kill(os.getpid(), 9)", "exited_early"),
    "exits at import": ("import os\nos._exit(0)", "exited_early"),
    "patched builtins": (
        "import builtins\nbuiltins.print = builtins.len = None\ndef f(x): return 0",
        "exited_early",
    ),
    "patched json": (
        "import json\njson.dumps = lambda *a, **k: '{}'\ndef f(x): return 0",
        "wrong_answer",
    ),
    "forged answers of a wrong value": (
        FRAME + EVERY_DESCRIPTOR.format("os.write(fd, frame * 9)") + "def f(x): return 0",
        "wrong_answer",
    ),
    "junk for the supervisor": (
        "import os\n"
        + EVERY_DESCRIPTOR.format("os.write(fd, b'\\xff' * 999)")
        + "def f(x): return 0",
        "exited_early",
    ),
    "closes every descriptor": (
        "import os\nos.closerange(0, 64)\ndef f(x): return 4",
        "exited_early",
    ),
    "walks the frames": (
        FINDER + "def f(x):\n    frame, seen = sys._getframe(), []\n    while frame:\n"
        "        seen += [repr(v) for v in (*frame.f_locals.values(), *frame.f_globals.values())]\n"
        "        frame = frame.f_back\n"
        "    return find(seen)",
        "wrong_answer",
    ),
    "walks the heap": (
        FINDER + "def f(x): return find(map(repr, gc.get_objects()))",
        "wrong_answer",
    ),
    "generator": ("def f(x): yield 4", "invalid_value"),
    "recursive value": ("def f(x):\n    a = []\n    a.append(a)\n    return a", "invalid_value"),
    "deep value": (
        "def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a",
        "invalid_value",
    ),
    "huge value": ("def f(x): return [0] * 3_000_000", "invalid_value"),
}

RUNS = {
    "fork bomb": (FORK_BOMB, {"time_limit"}),
    "fork bomb that leaves": (
        f"import os\nif os.fork(): os._exit(0)\nos.setsid()\n{FORK_BOMB}",
        {"wrong_answer"},
    ),
    "memory": ("a = []\nwhile True: a.append(bytearray(10**7))", {"memory_limit"}),
    "memory of children": (
        "import os\nfor _ in range(8):\n    if not os.fork():\n        a = []\n"
        "        while True: a.append(b'a' * 10**6)\nos.wait()",
        {"time_limit", "wrong_answer", "runtime_error", "memory_limit"},
    ),
    "fills its disk": (
        "n = 0\nwhile True:\n    n += 1\n    open(str(n), 'wb').write(b'a' * 10**7)",
        {"runtime_error"},
    ),
    "floods stdout": ("while True: print('a' * 1000)", {"output_limit"}),
    "floods stderr": (
        "import sys\nwhile True: print('a' * 1000, file=sys.stderr)",
        {"output_limit"},
    ),
    "floods the supervisor": (
        FRAME
        + "while True:\n    "
        + EVERY_DESCRIPTOR.format("os.write(fd, frame)").replace("\n", "\n    "),
        {"time_limit", "invalid_value", "wrong_answer"},
    ),
    "descriptors": ("a = []\nwhile True: a.append(open('/dev/null'))", {"runtime_error"}),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)",
        {"time_limit", "memory_limit", "runtime_error"},
    ),
    "stops itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", {"time_limit"}),
    "kills its neighbours": (
        "import os\nfor pid in [-1, *range(1, 9999)]:\n    try: os.kill(pid, 9)\n"
        "    except OSError: pass",
        {"runtime_error"},
    ),
    "network": ("import socket\nsocket.create_connection(('1.1.1.1', 53), 1)", {"runtime_error"}),
    "ignores its limits": (
        "import resource, signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        {"time_limit"},
    ),
    "raises its limits": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nprint('ok')",
        {"runtime_error"},
    ),
    "becomes root": ("import os\nos.setuid(0)", {"runtime_error"}),
    "reads what the supervisor is told": (
        "for fd in range(9):\n    try: print(open(f'/proc/1/fd/{fd}', 'rb').read(1))\n"
        "    except PermissionError: continue\nraise SystemExit(3)",
        {"runtime_error"},
    ),
    "reads the streams of others": (
        "import os\nown = [os.fstat(fd).st_ino for fd in range(3)]\n"
        "own.append(os.stat('/dev/null').st_ino)\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    for fd in range(16):\n"
        "        try:\n            file = open(f'/proc/{pid}/fd/{fd}', 'r+b')\n"
        "            if os.fstat(file.fileno()).st_ino not in own: print('opened', pid, fd)\n"
        "        except OSError: continue\nraise SystemExit(3)",
        {"runtime_error"},
    ),
    "traces the supervisor": ("open('/proc/1/mem', 'rb')", {"runtime_error"}),
    "writes the guest": ("open('/guest/runner.py', 'a')", {"runtime_error"}),
    "mounts": (
        "import ctypes\nc = ctypes.CDLL(None)\n"
        "assert c.mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0",
        {"runtime_error"},
    ),
    "a million directories": (
        "import os\nwhile True:\n    os.mkdir('a')\n    os.chdir('a')",
        {"time_limit", "runtime_error"},
    ),
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service("runsc", "--sandboxes", "2") as running:
        yield running


def beside_an_honest_one(service: Service, program: dict[str, Any]) -> dict[str, Any]:
    first, attacker, last = service.execute(HONEST, program | {"limits": LIMITS}, HONEST)
    assert first["verdict"] == last["verdict"] == "accepted"
    return attacker


@pytest.mark.parametrize("name", CALLS)
def test_call(service: Service, name: str) -> None:
    code, verdict = CALLS[name]
    test = {"kind": "call", "function": "f", "args": [3], "expected": "secret-7391"}
    result = beside_an_honest_one(service, {"code": code, "tests": [test, test]})
    assert (result["verdict"], result["passed"]) == (verdict, 0)


@pytest.mark.parametrize("name", RUNS)
def test_run(service: Service, name: str) -> None:
    code, verdicts = RUNS[name]
    test = {"kind": "stdio", "stdin": "", "stdout": "unreachable"}
    result = beside_an_honest_one(service, {"code": code, "tests": [test]})
    assert result["verdict"] in verdicts
    assert result["passed"] == 0
    assert "opened" not in result["tests"][0]["stdout"]


def test_nothing_of_the_service_is_in_the_environment(service: Service) -> None:
    code = "import os\nprint(sorted(os.environ))"
    test = {"kind": "stdio", "stdin": "", "stdout": ""}
    (result,) = service.execute({"code": code, "tests": [test]})
    names = set(eval(result["tests"][0]["stdout"]))
    assert names <= {
        *("HOME", "LANG", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "TMPDIR"),
        *("TZ", "LC_CTYPE"),
    }


def test_what_is_written_is_gone_for_the_next_program(service: Service) -> None:
    write = (
        "import os\nfor d in ('/tmp', '/dev/shm', '/box', os.getcwd()):\n"
        "    try: open(d + '/mark', 'w').write('x')\n    except OSError: pass\n"
    )
    look = (
        "import os\nfound = [n for d in ('/tmp', '/dev/shm', '.') for n in os.listdir(d)]\n"
        "print(found)"
    )
    programs = [
        {"code": code, "tests": [{"kind": "stdio", "stdin": "", "stdout": "[]"}]}
        for code in (write, look) * 6
    ]
    results = service.execute(*programs)
    assert {result["verdict"] for result in results[1::2]} == {"accepted"}
