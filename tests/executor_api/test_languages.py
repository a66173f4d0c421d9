"""Programs in other languages than Python: each verdict, from a real program in a real sandbox."""

from typing import Any

import pytest

from executor_api.checks import BadRequest
from executor_api.languages import LANGUAGES, NAMES, available, canonical, guest_form
from executor_api.local import local_executor
from executor_api.settings import Settings
from executor_api.wire import ExecuteRequest
from tests.service import Service, running_service

pytestmark = [pytest.mark.gvisor, pytest.mark.languages]

LIMITS = {"cpu_seconds": 1, "wall_seconds": 2, "memory_mb": 128, "output_bytes": 10_000}
PATIENT = LIMITS | {"cpu_seconds": 10, "wall_seconds": 20}
"""For programs that another limit stops: filling a heap takes V8 a second."""

DOUBLE = {
    "bash": "read n; echo $((n * 2))",
    "cpp": '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d", n * 2); }',
    "javascript": "console.log(require('fs').readFileSync(0, 'utf8') * 2)",
    "python": "print(int(input()) * 2)",
}
FAILING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bash does not parse": ("bash", "if true; then\n", {"verdict": "compile_error"}),
    "bash exits": (
        *("bash", "echo out; echo err >&2; exit 3"),
        {"verdict": "runtime_error", "stdout": "out\n", "stderr": "err\n"},
    ),
    "bash sleeps": ("bash", "sleep 30", {"verdict": "time_limit", "limit": "wall"}),
    "bash is killed": ("bash", "kill -SEGV $$", {"verdict": "runtime_error"}),
    "cpp loops": (
        *("cpp", "int main() { volatile int x = 0; while (true) x = x + 1; }"),
        {"verdict": "time_limit", "limit": "cpu"},
    ),
    "cpp takes too much at once": (
        *("cpp", "#include <vector>\nint main() { std::vector<long> v(1 << 30); }"),
        {"verdict": "memory_limit"},
    ),
    "cpp takes more and more": (
        "cpp",
        "#include <cstdlib>\n#include <cstring>\n"
        "int main() { while (true) memset(malloc(1 << 20), 1, 1 << 20); }",
        {"verdict": "memory_limit"},
    ),
    "cpp takes it for a moment": (
        "cpp",
        "#include <cstring>\nstatic char a[300 << 20];\n"
        "int main(int n, char **) { memset(a, n, sizeof a); return a[n] == 7; }",
        {"verdict": "memory_limit"},
    ),
    "cpp has more than there is": (
        *("cpp", "static volatile char a[2000u << 20];\nint main() { return a[7]; }"),
        {"verdict": "memory_limit"},
    ),
    "cpp floods": (
        *("cpp", '#include <cstdio>\nint main() { while (true) puts("aaaaaaaaaaaa"); }'),
        {"verdict": "output_limit", "stdout_truncated": True},
    ),
    "cpp faults": (
        *("cpp", "int main() { volatile int *p = nullptr; return *p; }"),
        {"verdict": "runtime_error"},
    ),
    "javascript does not parse": ("javascript", "let x = ;\n", {"verdict": "compile_error"}),
    "javascript throws": ("javascript", "null.x", {"verdict": "runtime_error"}),
    "javascript loops": (
        *("javascript", "while (true);"),
        {"verdict": "time_limit", "limit": "cpu"},
    ),
    "javascript fills its heap": (
        *("javascript", "const a = []; while (true) a.push([1, {}])"),
        {"verdict": "memory_limit"},
    ),
    "javascript fills buffers": (
        *("javascript", "const a = []; while (true) a.push(Buffer.alloc(5e6, 1))"),
        {"verdict": "memory_limit"},
    ),
}


def stdio(stdin: object, stdout: object) -> dict[str, Any]:
    return {"kind": "stdio", "stdin": str(stdin), "stdout": str(stdout)}


def run(service: Service, language: str, code: str, *tests: dict[str, Any], **program: Any) -> Any:
    batch = {"language": language, "code": code, "tests": list(tests), "limits": LIMITS}
    (result,) = service.execute(batch | program)
    assert result["attempts"] == 1
    return result


@pytest.mark.parametrize("isolation", ["program", "test"])
@pytest.mark.parametrize("language", DOUBLE)
def test_accepted(service: Service, language: str, isolation: str) -> None:
    tests = [stdio(n, n * 2) for n in range(5)]
    result = run(service, language, DOUBLE[language], *tests, isolation=isolation)
    assert (result["verdict"], result["passed"], result["trust"]) == ("accepted", 5, "high")
    assert [test["stdout"].strip() for test in result["tests"]] == ["0", "2", "4", "6", "8"]


@pytest.mark.parametrize("name", FAILING)
def test_failing(service: Service, name: str) -> None:
    language, code, expected = FAILING[name]
    limits = LIMITS if expected.get("limit") == "wall" else PATIENT
    if expected.get("limit") == "cpu":
        limits = PATIENT | {"cpu_seconds": 1}
    (test,) = run(service, language, code, stdio("", "unreachable"), limits=limits)["tests"]
    assert {key: test[key] for key in expected} == expected


def test_a_signal_is_named(service: Service) -> None:
    (test,) = run(service, "bash", "kill -SEGV $$", stdio("", ""))["tests"]
    assert test["exception"]["type"] == "SIGSEGV"
    assert "SIGSEGV" in test["exception"]["message"]


def test_compile_error_of_every_test_says_what_and_where(service: Service) -> None:
    code = "#include <cstdio>\nint main() {\n    return missing;\n}\n"
    result = run(service, "cpp", code, stdio("", ""), stdio("", ""), stdio("", ""))
    assert {test["verdict"] for test in result["tests"]} == {"compile_error"}
    for test in result["tests"]:
        assert test["exception"]["line"] == 3
        assert "'missing'" in test["exception"]["message"].replace("‘", "'").replace("’", "'")
        assert "missing" in test["stderr"]


def test_is_compiled_once(service: Service) -> None:
    """Also where each test has a process of its own, and where one kills that."""
    code = (
        "#include <csignal>\n#include <cstdio>\n#include <unistd.h>\n"
        'int main() { char c; scanf("%c", &c); if (c == "k"[0]) kill(getppid(), SIGKILL);\n'
        'printf("%s", __TIME__); }'
    )
    for isolation in ("program", "test"):
        tests = [stdio(letter, "") for letter in "akaa"]
        result = run(service, "cpp", code, *tests, isolation=isolation)
        times = [test["stdout"] for test in result["tests"] if test["stdout"]]
        assert len(times) >= 3
        assert len(set(times)) == 1


def test_stop_on_failure(service: Service) -> None:
    tests = [stdio(1, 2), stdio(2, 5), stdio(3, 6)]
    result = run(service, "bash", DOUBLE["bash"], *tests, stop_on_failure=True)
    verdicts = [test["verdict"] for test in result["tests"]]
    assert verdicts == ["accepted", "wrong_answer", "skipped"]


def test_a_test_that_fails_leaves_the_others_alone(service: Service) -> None:
    code = "read n; [ $n = 2 ] && kill -9 $PPID; [ $n = 3 ] && sleep 9; rm -rf ./*; echo $n"
    result = run(service, "bash", code, *(stdio(n, n) for n in range(6)))
    verdicts = [test["verdict"] for test in result["tests"]]
    expected = ["accepted"] * 2 + ["runtime_error", "time_limit"] + ["accepted"] * 2
    assert verdicts == expected


def test_what_a_test_leaves_running_does_not_reach_the_next(service: Service) -> None:
    code = "read n; ps aux | grep -c '[s]leep 77'; (setsid sleep 77 &) ; echo done $n"
    result = run(service, "bash", code, *(stdio(n, f"0 done {n}") for n in range(3)))
    assert result["verdict"] == "accepted", result


def test_threads(service: Service) -> None:
    code = (
        "#include <atomic>\n#include <cstdio>\n#include <thread>\n"
        "int main() { std::atomic<int> n{0}; std::thread all[8];\n"
        "for (auto &one : all) one = std::thread([&] { n++; });\n"
        'for (auto &one : all) one.join();\nprintf("%d", n.load()); }'
    )
    assert run(service, "cpp", code, stdio("", 8))["verdict"] == "accepted"


@pytest.mark.parametrize("kind", ["call", "assert"])
def test_only_stdio(service: Service, kind: str) -> None:
    test = {
        "call": {"kind": "call", "function": "f", "expected": 1},
        "assert": {"kind": "assert", "code": "assert f() == 1"},
    }[kind]
    program = {"language": "cpp", "code": "", "tests": [stdio("", ""), test]}
    response = service.client.post("/execute", json={"programs": [program]})
    assert response.status_code == 422
    (error,) = response.json()["detail"]
    assert error["loc"] == ["body", "programs", 0, "tests", 1, "kind"]
    assert "'stdio' only" in error["msg"]


def test_traces_are_of_python_only(service: Service) -> None:
    program = {"language": "cpp", "code": "int main() {}"}
    response = service.client.post("/trace", json={"programs": [program]})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "programs", 0, "language"]


def test_version_lists_the_languages(service: Service) -> None:
    assert service.client.get("/version").json()["languages"] == list(NAMES)


async def test_a_missing_tool_is_named_with_its_package() -> None:
    program = {"language": "cpp", "code": "", "tests": [stdio("", "")]}
    async with local_executor(Settings(sandboxes=1)) as executor:
        executor.scheduler.guest_tools = ["bash"]
        request = ExecuteRequest.model_validate({"programs": [program]})
        with pytest.raises(BadRequest, match=r"no 'g\+\+': install the package 'g\+\+'") as caught:
            await executor.execute("tests", request)
        assert caught.value.loc == ("programs", 0, "language")


def test_names_and_aliases() -> None:
    assert [canonical(name) for name in ("nodejs", "cpp", "python", "go")] == [
        *("javascript", "cpp", "python", None),
    ]
    aliases = [alias for language in LANGUAGES.values() for alias in language.aliases]
    assert len({*aliases, *NAMES}) == len(aliases) + len(NAMES)
    assert available(["g++"]) == ["cpp", "python"]
    assert guest_form("python", 128) is None


def test_without_isolation() -> None:
    with running_service("unsafe-process", "--sandboxes", "1") as unsafe:
        programs = [
            {"language": language, "code": code, "tests": [stdio(1, 2), stdio(2, 4)]}
            for language, code in DOUBLE.items()
        ]
        assert [result["verdict"] for result in unsafe.execute(*programs)] == ["accepted"] * 4
        slow = {"language": "bash", "code": "sleep 30", "tests": [stdio("", "")], "limits": LIMITS}
        assert [result["verdict"] for result in unsafe.execute(slow)] == ["time_limit"]
