"""Programs in other languages than Python that attack their sandbox or their launcher."""

import struct

from tests.security.attacks import Attack

FORK = "#include <unistd.h>\n#include <sys/wait.h>\n#include <csignal>\n"


def forged(report: str) -> str:
    """A program that writes a report of its own wherever its launcher could."""
    frame = struct.pack(">III", len(report), 0, 0) + report.encode()
    text = "".join(f"\\x{byte:02x}" for byte in frame)
    return f"for fd in /proc/$PPID/fd/*; do printf '{text}' >$fd && echo wrote; done 2>&1; sleep 1"


FOUND: dict[str, tuple[str, str, set[str]]] = {
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
        "int main() { return A<25, 0>::v; }",
        {"compile_error"},
    ),
    "makes a file too large": (
        *("cpp", "char a[100 << 20] = {1};\nint main() {}"),
        {"compile_error"},
    ),
}
SCRIPTS: dict[str, tuple[str, set[str]]] = {
    "process.binding": (
        "const b = process.binding('spawn_sync');\nb.spawn({file: '/usr/bin/env', args: ['env'],"
        " stdio: [{type: 'fd', fd: 1}]});\nrequire('fs').readFileSync('/proc/1/mem');",
        {"runtime_error"},
    ),
    "writes the guest, in JavaScript": (
        "require('fs').appendFileSync('/guest/runner.py', 'x')",
        {"runtime_error"},
    ),
    "memory, in JavaScript": (
        "const a = [];\nfor (;;) a.push(Buffer.alloc(1 << 24, 1));",
        {"memory_limit"},
    ),
    "works for ever, in JavaScript": ("for (;;);", {"time_limit"}),
    "leaves a daemon, in JavaScript": (
        "require('child_process').spawn('sleep', ['99'], {detached: true, stdio: 'ignore'})"
        ".unref()",
        {"wrong_answer"},
    ),
}
LIMITS = {"cpu_seconds": 1, "wall_seconds": 1.5, "memory_mb": 128, "processes": 16}

NATIVE = [
    *(
        Attack(name, "other languages", code, frozenset(verdicts), language=language, limits=LIMITS)
        for name, (language, code, verdicts) in FOUND.items()
    ),
    *(
        Attack(name, "other languages", code, frozenset(v), language="javascript", limits=LIMITS)
        for name, (code, v) in SCRIPTS.items()
    ),
]
