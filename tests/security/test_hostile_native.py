"""Programs in C++ and bash that attack their grader, an honest one beside each."""

import re
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.service import Service, running_service

pytestmark = [pytest.mark.gvisor, pytest.mark.languages]

LIMITS = {"cpu_seconds": 1, "wall_seconds": 2, "memory_mb": 128, "output_bytes": 100_000}
HONEST = {
    "language": "bash",
    "code": "read n; find /box /tmp /dev/shm -user $UID -type f | wc -l; echo $n",
    "tests": [{"kind": "stdio", "stdin": str(n), "stdout": f"1 {n}"} for n in range(2)],
}
FORK = "#include <unistd.h>\n#include <sys/wait.h>\n#include <csignal>\n"


def forged(report: str) -> str:
    """A program that writes a report of its own wherever its launcher could."""
    frame = struct.pack(">III", len(report), 0, 0) + report.encode()
    text = "".join(f"\\x{byte:02x}" for byte in frame)
    return f"for fd in /proc/$PPID/fd/*; do printf '{text}' >$fd && echo wrote; done 2>&1; sleep 1"


ATTACKS: dict[str, tuple[str, str, set[str]]] = {
    "fork bomb": ("bash", "f() { f | f & }; f; wait", {"time_limit", "wrong_answer"}),
    "fork bomb in C++": (
        *("cpp", FORK + "int main() { while (true) fork(); }"),
        {"time_limit", "runtime_error"},
    ),
    "fork bomb that leaves": (
        *("cpp", FORK + "int main() { if (fork()) return 0; setsid(); while (true) fork(); }"),
        {"wrong_answer"},
    ),
    "endless output": ("bash", "while :; do echo aaaaaaaaaaaaaaaaaaa; done", {"output_limit"}),
    "endless errors": ("bash", "yes >&2", {"output_limit"}),
    "kills its parent": ("bash", "kill -9 $PPID; echo unreachable; sleep 9", {"runtime_error"}),
    "kills everything": (
        *("cpp", FORK + "int main() { kill(-1, SIGKILL); for (;;) pause(); }"),
        {"runtime_error"},
    ),
    "stops its parent": ("bash", "kill -STOP $PPID; exit 3", {"time_limit"}),
    "leaves a daemon": (
        "bash",
        "(setsid bash -c 'while :; do echo x > /tmp/x; echo x > /dev/shm/x; done' &)",
        {"wrong_answer"},
    ),
    "fills its disk": ("bash", "for n in {1..99}; do yes > $n; done", {"time_limit"}),
    "memory of children": (
        "bash",
        'for n in 1 2 3 4 5 6; do (x=$(head -c 90000000 /dev/zero | tr "\\0" a); sleep 9) & done; '
        "wait",
        {"memory_limit", "time_limit"},
    ),
    "network": ("bash", "exec 3<>/dev/tcp/1.1.1.1/53", {"runtime_error"}),
    "writes the guest": ("bash", "echo x >> /guest/native.py", {"runtime_error"}),
    "reads the supervisor": ("bash", "cat /proc/1/mem /proc/1/environ", {"runtime_error"}),
    "raises its limits": ("bash", "ulimit -Hu 9999 || exit 9", {"runtime_error"}),
    "forges nonsense": ("bash", forged("[" * 999), {"wrong_answer"}),
    "forges a report": (
        "bash",
        forged('{"status": 1e99, "cpu": null}'),
        {"wrong_answer"},
    ),
    "includes zeros without end": ("cpp", '#include "/dev/zero"\n', {"compile_error"}),
    "includes itself": ("cpp", '#include "main.cpp"\nint main() {}\n', {"compile_error"}),
    "template bomb": (
        "cpp",
        "template<int N, int M> struct A {\n"
        "    enum { v = A<N - 1, M>::v + A<N - 1, M + (1 << N)>::v };\n};\n"
        "template<int M> struct A<0, M> { enum { v = M }; };\n"
        "int main() { return A<27, 0>::v; }",
        {"compile_error"},
    ),
    "makes a file too large": (
        *("cpp", "char a[100 << 20] = {1};\nint main() {}"),
        {"compile_error"},
    ),
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service("runsc", "--sandboxes", "1") as running:
        yield running


def attack(service: Service, language: str, code: str, tests: int = 1) -> dict[str, Any]:
    test = {"kind": "stdio", "stdin": "", "stdout": "unreachable"}
    program = {"language": language, "code": code, "tests": [test] * tests, "limits": LIMITS}
    first, attacker, last = service.execute(HONEST, program, HONEST)
    assert first["verdict"] == last["verdict"] == "accepted", (first, last)
    assert attacker["attempts"] == 1
    return attacker


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(service: Service, name: str) -> None:
    language, code, verdicts = ATTACKS[name]
    result = attack(service, language, code)
    assert result["verdict"] in verdicts, result
    assert result["passed"] == 0


def test_a_compiler_shows_no_more_than_the_sandbox_has(service: Service) -> None:
    result = attack(service, "cpp", '#include "/etc/passwd"\n')
    (test,) = result["tests"]
    assert test["verdict"] == "compile_error"
    assert "root:x:0:0::/box:/bin/false" in test["stderr"]  # the sandbox's own, not the machine's
    for path in ("/etc/shadow", "/root/.bashrc", "/proc/1/environ"):
        (test,) = attack(service, "cpp", f'#include "{path}"\n')["tests"]
        assert test["verdict"] == "compile_error"
        assert not re.search(r"root:[^x]|PATH|alias|CODERL", test["stderr"])


def test_a_flood_of_compiler_errors_is_bounded(service: Service) -> None:
    code = "".join(f"int x{n} = y{n};\n" for n in range(5000))
    result = attack(service, "cpp", code, tests=3)
    assert {test["verdict"] for test in result["tests"]} == {"compile_error"}
    assert all(len(test["stderr"]) <= 4000 for test in result["tests"])


def test_the_environment_is_that_of_the_sandbox(service: Service) -> None:
    test = {"kind": "stdio", "stdin": "", "stdout": ""}
    program = {"language": "bash", "code": "env | cut -d= -f1; id -u; ls /proc/self/fd"}
    (result,) = service.execute(program | {"tests": [test]})
    *names, uid, _, _, _, _ = result["tests"][0]["stdout"].split()
    assert set(names) <= {
        *("HOME", "LANG", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "TMPDIR"),
        *("TZ", "LC_CTYPE", "SHLVL", "_", "OLDPWD"),
    }
    assert int(uid) >= 20_000
