"""Many tests in one process: each has its own input, output, clocks, and verdict."""

from typing import Any

import pytest

from tests.service import Service

pytestmark = pytest.mark.gvisor

ECHO = "import sys\nsys.stdout.write(sys.stdin.read())\n"


def stdio(stdin: str, stdout: str | None = None) -> dict[str, Any]:
    return {"kind": "stdio", "stdin": stdin, "stdout": stdin if stdout is None else stdout}


def run(service: Service, code: str, tests: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    (result,) = service.execute({"code": code, "tests": tests, **more})
    return result


@pytest.mark.parametrize("sizes", [[5, 3, 0, 9, 1], [50_000, 10, 60_000, 70_000, 0, 200_000, 7]])
def test_inputs_and_outputs_of_any_order_of_sizes(service: Service, sizes: list[int]) -> None:
    texts = [("é" + str(size)) * (size // 4) for size in sizes]
    result = run(service, ECHO, [stdio(text) for text in texts], checker={"type": "exact"})
    assert result["verdict"] == "accepted"
    assert [test["stdout"] for test in result["tests"]] == texts


def test_an_end_amid_quick_tests_is_its_own(service: Service) -> None:
    code = "import os\nx = input()\nprint(x, flush=True)\nif x == '7': os._exit(3)\n"
    result = run(service, code, [stdio(str(n)) for n in range(12)])
    expected = ["accepted"] * 7 + ["runtime_error"] + ["accepted"] * 4
    assert [test["verdict"] for test in result["tests"]] == expected
    assert result["tests"][7]["stdout"] == "7\n"


def test_a_limit_amid_quick_tests_is_its_own(service: Service) -> None:
    code = "x = input()\nprint(x, flush=True)\nwhile x == '7': pass\n"
    tests = [stdio(str(n)) for n in range(9)]
    result = run(service, code, tests, limits={"cpu_seconds": 0.5})
    assert [test["verdict"] for test in result["tests"]] == (
        ["accepted"] * 7 + ["time_limit", "accepted"]
    )
    assert result["tests"][7]["stdout"] == "7\n"
    assert result["tests"][7]["cpu_seconds"] < 2


def test_errors_of_a_test_stay_with_it(service: Service) -> None:
    code = "import sys\nx = input()\nif x == '1': print('!', file=sys.stderr)\nprint(x)\n"
    result = run(service, code, [stdio(str(n)) for n in range(3)])
    assert [test["stderr"] for test in result["tests"]] == ["", "!\n", ""]


def test_output_past_the_limit_of_one_test_only(service: Service) -> None:
    code = "n = int(input())\nprint('x' * n)\n"
    tests = [stdio(str(n), "x" * n) for n in (900, 1001, 900)]
    result = run(service, code, tests, limits={"output_bytes": 1001})
    assert [test["verdict"] for test in result["tests"]] == ["accepted", "output_limit", "accepted"]


@pytest.mark.parametrize(
    "ending",
    [
        "sys.stdout.close()",
        "sys.stdout = None",
        "sys.stdin.close()",
        "sys.stdout.detach()",
        "os.close(5)",
        "os.closerange(3, 6)",
        "os.write(5, b'!' * 999)",
    ],
)
def test_what_one_test_does_to_its_streams_ends_with_it(service: Service, ending: str) -> None:
    code = f"import os, sys\nx = input()\nprint(x)\nsys.stdout.flush()\nif x == '1': {ending}\n"
    result = run(service, code, [stdio(str(n)) for n in range(4)])
    assert [test["verdict"] for test in result["tests"]][2:] == ["accepted"] * 2
    assert result["tests"][1]["stdout"] == "1\n"


def test_calls_share_the_streams_that_their_module_took(service: Service) -> None:
    code = "import sys\nout = sys.stdout\ndef f(x):\n    out.write(f'{x};')\n    return x\n"
    tests = [{"kind": "call", "function": "f", "args": [n], "expected": n} for n in range(4)]
    result = run(service, code, [stdio("", ""), *tests])
    assert result["verdict"] == "accepted"
    assert [test["stdout"] for test in result["tests"]] == ["", "0;", "1;", "2;", "3;"]


def test_a_stream_a_call_closed_is_there_for_the_next(service: Service) -> None:
    code = "import sys\ndef f(x):\n    print(x)\n    sys.stdout.close()\n    return x\n"
    tests = [{"kind": "call", "function": "f", "args": [n], "expected": n} for n in range(3)]
    result = run(service, code, tests)
    assert [test["stdout"] for test in result["tests"]] == ["0\n", "1\n", "2\n"]
    assert result["verdict"] == "accepted"


def test_a_long_run_of_tests_is_measured_test_by_test(service: Service) -> None:
    code = "import time\nx = int(input())\ntime.sleep(x / 1000)\nprint(x)\n"
    result = run(service, code, [stdio(str(n)) for n in (0, 0, 300, 0, 0)])
    walls = [test["wall_seconds"] for test in result["tests"]]
    assert walls[2] >= 0.3 and max(walls[:2] + walls[3:]) < 0.3


def test_output_of_a_flooding_test_stays_with_it(service: Service) -> None:
    code = "n = int(input())\nfor _ in range(n): print('x' * 999)\n"
    counts = (1, 300, 1, 90, 0, 2)
    tests = [stdio(str(n), ("x" * 999 + "\n") * n) for n in counts]
    result = run(service, code, tests, limits={"output_bytes": 100_000})
    assert [test["verdict"] for test in result["tests"]] == [
        *("accepted", "output_limit", "accepted", "accepted", "accepted", "accepted")
    ]
    assert [len(test["stdout"]) for test in result["tests"]] == [
        *(1000, 100_000, 1000, 90_000, 0, 2000)
    ]


@pytest.mark.parametrize(
    "code",
    [
        "print(input())",
        "import sys\nprint(sys.stdin.buffer.readline().decode())",
        "import os\nprint(os.read(0, 99).decode())",
        "import os, sys\nprint(os.read(sys.stdin.fileno(), 99).decode())",
        "print(open(0).read())",
        "print(open('/dev/stdin').read())",
        "import subprocess\nprint(subprocess.run(['cat'], capture_output=True).stdout.decode())",
        "import io, sys\nprint(io.BufferedReader(sys.stdin.buffer.raw).read().decode())",
        "import os, io\nprint(io.BytesIO(os.read(0, os.fstat(0).st_size)).read().decode())",
        "import sys\nsys.stdin.read(1)\nsys.stdin.seek(0)\nprint(sys.stdin.read())",
        "import fileinput\nprint(*fileinput.input('-'))",
        "import sys\nprint(sys.stdin.buffer.peek().decode())",
        "import sys\nsys.stdin.reconfigure(encoding='utf-8')\nprint(sys.stdin.readline())",
    ],
)
def test_every_way_to_read_the_input(service: Service, code: str) -> None:
    result = run(service, code, [stdio("größe 12"), stdio("1"), stdio("a b")])
    assert [test["verdict"] for test in result["tests"]] == ["accepted"] * 3, result["tests"]


WITHIN_STREAMS = {
    "sums": "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "input to the end": "n = 0\nwhile True:\n    n += int(input())\n    print(n)",
    "interactive": "print(input('name? '), flush=True)\nprint('é')",
    "errors": "import sys\nprint('out')\nprint('err', file=sys.stderr)\nint('x')",
    "errors only sometimes": "import sys\nif input() == '2': sys.stderr.write('two')",
    "exit with words": "import sys\nprint(1)\nsys.exit('no')",
    "exit": "raise SystemExit(3)",
    "long": "print('x' * 70_000)\nprint('y' * 90_000)",
    "longer than allowed": "print('x' * 150_000)\nprint('y' * 90_000)",
    "many lines": "for n in range(9000): print(n)",
    "a flood": "print('before')\nwhile True: print('x' * 999)",
    "errors in a flood": "import sys\nwhile True: sys.stderr.write('x' * 999)",
    "no end": (
        "n = input()\nprint('before', flush=True)\nprint('not flushed')\nwhile n == '5': pass"
    ),
    "no memory": (
        "n = input()\nprint('before', flush=True)\nx = []\n"
        "while n == '5': x.append(bytearray(1 << 20))"
    ),
    "closed": "import sys\nprint(1)\nsys.stdout.close()\nprint(2)",
    "replaced": "import io, sys\nsys.stdout = io.StringIO()\nprint(1)",
    "bytes": "import sys\nsys.stdout.buffer.write(bytes(range(256)))",
    "bytes and text": "import sys\nprint(1)\nsys.stdout.buffer.write(b'2')\nprint(3)",
    "lines of bytes": "import sys\nprint(*sys.stdin.buffer.readlines())",
    "deep": "def f(n):\n    print(n)\n    f(n + 1)\nf(0)",
    "surrogate": "print(chr(0xD800))",
    "tells": "import sys\nprint(sys.stdin.isatty(), sys.stdout.isatty(), sys.stdout.writable())",
    "after the end": "import sys\nclass A:\n    def __del__(self): print('bye')\na = A()",
}
SAME = ("verdict", "stdout", "stderr", "stdout_truncated", "exception", "limit", "message")


@pytest.mark.parametrize("name", WITHIN_STREAMS)
def test_streams_in_memory_are_like_files(service: Service, name: str) -> None:
    """Programs that stay within their streams have them in memory, others have files."""
    code = f"def f(): import {{}}\n{WITHIN_STREAMS[name]}\n"
    tests = [stdio(f"{n}\n" * n, "no") for n in range(6)]
    limits = {"cpu_seconds": 2, "wall_seconds": 30, "memory_mb": 64, "output_bytes": 200_000}
    runs = [run(service, code.format(module), tests, limits=limits) for module in ("re", "os")]
    for memory, file in zip(*(result["tests"] for result in runs), strict=True):
        different = [key for key in SAME if memory[key] != file[key]]
        if "flood" in name:  # which may meet the bound of a file before it is stopped
            different = [key for key in different if key not in ("stderr", "exception")]
        assert not different, [
            (str(memory[key])[-300:], str(file[key])[-300:]) for key in different
        ]


def test_what_cannot_be_written_is_not_the_next_tests(service: Service) -> None:
    code = "n = int(input())\nwhile n == 1: print('x' * 9999)\nprint(n)\n"
    for prefix in ("", "import os\n"):
        result = run(service, prefix + code, [stdio(str(n)) for n in (0, 1, 2, 3)])
        verdicts = [test["verdict"] for test in result["tests"]]
        assert verdicts == ["accepted", "output_limit", "accepted", "accepted"]


def test_what_input_asks_the_kernel_is_asked_once(service: Service) -> None:
    """Under gVisor a system call a line would take most of the time limit."""
    code = "for _ in range(100_000): input()\nprint('read')\n"
    result = run(service, code, [stdio("1\n" * 100_000, "read")], limits={"cpu_seconds": 1})
    assert result["verdict"] == "accepted"


AS_IF_ALONE = {
    "a pool of threads that nobody ends": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "print(ThreadPoolExecutor(2).submit(lambda: 5).result())"
    ),
    "a pool of processes that nobody ends": (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "print(ProcessPoolExecutor(1).submit(abs, -5).result())"
    ),
    "a queue between processes": (
        "import multiprocessing\n"
        "queue = multiprocessing.Queue()\n"
        "child = multiprocessing.Process(target=queue.put, args=(5,))\n"
        "child.start()\nprint(queue.get())\nchild.join()"
    ),
    "a child that goes on to the end": (
        "import os\n"
        "child = os.fork()\n"
        "if child:\n    os.waitpid(child, 0)\n    print('')\n"
        "else:\n    print(5, end='')"
    ),
    "a child that exits": (
        "import os, sys\nif not os.fork():\n    sys.exit(3)\nprint(5 if os.wait()[1] == 768 else 6)"
    ),
    "an event loop that it closes": (
        "import asyncio\n"
        "async def five():\n    return 5\n"
        "loop = asyncio.get_event_loop_policy().get_event_loop()\n"
        "print(loop.run_until_complete(five()))\nloop.close()"
    ),
    "a folder that must be new": "import os\nos.mkdir('d')\nprint(5)",
    "a file that grows": (
        "with open('log', 'a') as log:\n    log.write('x' * 5)\nprint(len(open('log').read()))"
    ),
    "a folder that it goes to": "import os\nos.chdir('/tmp')\nopen('five', 'w').close()\nprint(5)",
    "a thread with a large stack": (
        "import threading\n"
        "threading.stack_size(1 << 28)\n"
        "threading.Thread(target=print, args=(5,)).start()"
    ),
    "a larger stack": (
        "import resource, subprocess\n"
        "resource.setrlimit(resource.RLIMIT_STACK, (1 << 29, -1))\n"
        "subprocess.run(['echo', '5'])"
    ),
    "a finalizer": "class C:\n    def __del__(self):\n        print(5)\nlast = C()\nlast.it = last",
    "a generator that has not ended": (
        "def numbers():\n    try:\n        yield 1\n    finally:\n        print(5)\n"
        "last = numbers()\nnext(last)"
    ),
    "a byte order mark": "\ufeffprint(5)",
    "a recursion as deep as Python allows": (
        "def f(n):\n    return n if n == 998 else f(n + 1)\nprint(f(1) - 993)"
    ),
}


def test_each_test_of_a_program_runs_as_if_alone(service: Service) -> None:
    tests = [stdio("", "5\n")] * 4
    limits = {"wall_seconds": 5}
    results = service.execute(
        *(
            {"id": name, "code": code, "tests": tests, "limits": limits}
            for name, code in AS_IF_ALONE.items()
        )
    )
    wrong = {r["id"]: [t["verdict"] for t in r["tests"]] for r in results if r["passed"] < 4}
    assert not wrong


def test_a_program_that_always_fails_is_not_started_again(service: Service) -> None:
    """Its process tells how often it has run."""
    code = (
        "import builtins, os\n"
        "builtins.runs = getattr(builtins, 'runs', 0) + 1\n"
        "raise ValueError(builtins.runs)"
    )
    result = run(service, code, [stdio("") for _ in range(3)])
    messages = [test["exception"]["message"] for test in result["tests"]]
    assert messages == ["1", "2", "3"]


@pytest.mark.parametrize("detail", ["final", "lines"])
@pytest.mark.parametrize(
    "name", ["a child that goes on to the end", "a finalizer", "a byte order mark"]
)
def test_a_trace_ends_as_a_run_does(service: Service, detail: str, name: str) -> None:
    """Of a program and its child only the program is traced."""
    (result,) = service.trace({"code": AS_IF_ALONE[name], "detail": detail})
    assert (result["status"], result["stdout"], result["complete"]) == ("completed", "5\n", True)
    assert result["frames"][0]["function"] == "<module>"
    ends = [event for event in result["events"] if event[0] == "return" and event[2] == 0]
    assert len(ends) == (detail == "lines")
