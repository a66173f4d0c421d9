"""What a program sees of the machine: what the documents say, and nothing else."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.security.attacks import LIMITS, UNREACHABLE
from tests.service import Service, running_service

VARIABLES = {
    *("HOME", "LANG", "MALLOC_ARENA_MAX", "PATH", "PWD", "TMPDIR", "TZ"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED"),
    *("HOSTNAME", "LC_CTYPE", "SHLVL", "_", "OLDPWD"),
}
ROOT = {
    *("bin", "box", "dev", "etc", "guest", "lib", "lib64", "proc", "sys", "tmp", "usr"),
    *("root", "opt", "home"),  # above an interpreter that is installed there
}
PYTHON = f"{sys.base_prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}"
OWN = {"/", "/box", "/dev", "/dev/pts", "/dev/shm", "/guest", "/proc", "/sys", "/tmp"}
INTERPRETER = [
    re.escape(str(Path(sys.executable).resolve())),
    re.escape(PYTHON) + "(/(site|dist)-packages)?",
    re.escape(sys.base_prefix) + r"/lib/libpython3[\d.]*\.so[\d.]*",
    r"(/usr)?/lib(64|/[\w-]+-linux-gnu)?/(lib[\w+.-]+|ld-linux[\w-]*)\.so[\d.]*",
    r"/usr/lib/locale/C\.(utf8|UTF-8)",
]
"""Patterns of the mounts that Python needs: files but for its library and the locale."""
OF_OTHERS = r"/(usr/(bin|lib|lib64|libexec|include|share/nodejs)|etc/alternatives|bin|lib|lib64)"
SHOW = """
import os

mounts = {line.split()[1] for line in open("/proc/self/mounts")}
for mount in mounts:
    print("mount", mount, os.path.isdir(mount))
for folder, folders, files in os.walk("/"):
    for name in files:
        if os.path.join(folder, name) not in mounts:
            print("file", os.path.join(folder, name))
    folders[:] = [name for name in folders if os.path.join(folder, name) not in mounts]
"""
"""Prints the mounts, and every file that is in none of them but the root."""
ROOT_OF_AN_IMAGE = {"boot", "media", "mnt", "run", "sbin", "srv", "var", ".dockerenv", "lib32"}


def run(service: Service, code: str, language: str = "python", tests: int = 1) -> dict[str, Any]:
    program = {"language": language, "code": code, "tests": [UNREACHABLE] * tests}
    (result,) = service.execute(program | {"limits": LIMITS})
    return result


def output(service: Service, code: str, language: str = "python") -> str:
    (test,) = run(service, code, language)["tests"]
    assert not test["stderr"], test
    text: str = test["stdout"]
    return text


def test_nothing_of_the_service_is_in_the_environment(service: Service) -> None:
    assert set(output(service, "import os\nprint(*os.environ)").split()) <= VARIABLES


@pytest.mark.languages
def test_nor_in_that_of_another_language(service: Service) -> None:
    *names, uid = output(service, "env | cut -d= -f1; id -u", "bash").split()
    assert set(names) <= VARIABLES
    assert int(uid) >= 20_000


def test_the_root_holds_what_is_mounted(service: Service) -> None:
    allowed = ROOT | (ROOT_OF_AN_IMAGE if "docker" in run(service, "")["runtime"] else set())
    assert set(output(service, "import os\nprint(*os.listdir('/'))").split()) <= allowed


@pytest.fixture(scope="module")
def of_python_only() -> Iterator[Service]:
    with running_service("runsc", "--sandboxes", "1", "--languages", "python") as running:
        yield running


def shown(service: Service) -> tuple[dict[str, bool], set[str]]:
    """Mount → whether it is a folder; files beside them."""
    lines = [line.split() for line in output(service, SHOW).splitlines()]
    mounts = {line[1]: line[2] == "True" for line in lines if line[0] == "mount"}
    return mounts, {line[1] for line in lines if line[0] == "file"}


@pytest.mark.gvisor
def test_python_alone_shows_the_interpreter_and_its_libraries(of_python_only: Service) -> None:
    mounts, files = shown(of_python_only)
    others = {name: folder for name, folder in mounts.items() if name not in OWN}
    assert [name for name in others if not re.fullmatch("|".join(INTERPRETER), name)] == []
    folders = {name for name, folder in others.items() if folder}
    assert all(name.startswith(PYTHON) or "/locale/" in name for name in folders)
    assert files == {"/etc/group", "/etc/passwd"}


def test_all_languages_show_what_their_tools_need(service: Service) -> None:
    if "docker" in run(service, "")["runtime"]:
        pytest.skip("an image has no mounts of the machine's")
    mounts, files = shown(service)
    allowed = "|".join([*INTERPRETER, OF_OTHERS])
    assert [name for name in mounts if name not in OWN and not re.fullmatch(allowed, name)] == []
    assert files == {"/etc/group", "/etc/passwd"}


@pytest.mark.gvisor
def test_packages_are_not_shown(service: Service, of_python_only: Service) -> None:
    code = f"""
import os
for folder in ("{PYTHON}/site-packages", "{PYTHON}/dist-packages"):
    print(os.listdir(folder) if os.path.isdir(folder) else [])
"""
    assert output(of_python_only, code) == "[]\n[]\n"
    if "docker" not in run(service, "")["runtime"]:
        assert output(service, code) == "[]\n[]\n"


@pytest.mark.gvisor
def test_python_alone_finds_all_its_modules(of_python_only: Service) -> None:
    """Each extension module that this machine's interpreter can import, but for that of X11."""
    code = """
import contextlib, importlib, os, sys
for name in sorted(os.listdir(sys.path[-1])):
    name = name.split(".")[0]
    if name not in ("_tkinter", "__pycache__"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
            print(name)
"""
    ours = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    program = {"code": code, "tests": [{"kind": "stdio", "stdin": "", "stdout": ours.stdout}]}
    (result,) = of_python_only.execute(program)
    assert result["verdict"] == "accepted", result
    assert len(ours.stdout.split()) > 30


@pytest.mark.gvisor
def test_python_alone_runs_what_a_program_may_use(of_python_only: Service) -> None:
    code = """
import locale, pwd, subprocess, sys, threading
locale.setlocale(locale.LC_ALL, "")
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(pwd.getpwuid(65534).pw_name)
print(subprocess.run([sys.executable, "-c", "print(7)"], capture_output=True).stdout)
try:
    subprocess.run(["/bin/sh"])
except FileNotFoundError:
    print("no shell")
"""
    printed = "nobody b'7\\n' no shell"
    program = {"code": code, "tests": [{"kind": "stdio", "stdin": "", "stdout": printed}]}
    (result,) = of_python_only.execute(program)
    assert result["verdict"] == "accepted", result


@pytest.mark.gvisor
def test_python_alone_refuses_other_languages(of_python_only: Service) -> None:
    assert of_python_only.client.get("/version").json()["languages"] == ["python"]
    program = {"language": "bash", "code": "", "tests": [UNREACHABLE]}
    response = of_python_only.client.post("/execute", json={"programs": [program]})
    assert response.status_code == 422
    (error,) = response.json()["detail"]
    assert error["loc"] == ["body", "programs", 0, "language"]
    assert "add 'bash' to CODERL_LANGUAGES, which is 'python'" in error["msg"]
    asked = {"language": "cpp", "code": ""}
    answer = of_python_only.client.post("/run_code", json=asked).json()
    assert answer["status"] == "SandboxError"
    assert "CODERL_LANGUAGES" in answer["message"]


def test_three_file_systems_can_be_written(service: Service) -> None:
    code = """
import os
for line in open("/proc/self/mounts"):
    where, kind, options = line.split()[1:4]
    if os.access(where, os.W_OK):
        print(where, kind)
"""
    found = set(output(service, code).splitlines())
    assert found <= {"/tmp tmpfs", "/dev/shm tmpfs"}  # /box is root's, its own folder there is not


def test_accounts_are_the_sandboxes_own(service: Service) -> None:
    code = "print(open('/etc/passwd').read() + open('/etc/group').read())"
    names = {line.split(":")[0] for line in output(service, code).split()}
    if "docker" not in run(service, "")["runtime"]:
        assert names == {"root", "nobody", "nogroup"}


def test_a_program_has_no_capability(service: Service) -> None:
    code = (
        "print(*(l for l in open('/proc/self/status') if l[:6] in ('CapInh', 'CapPrm', 'CapEff')))"
    )
    assert set(output(service, code).split()[1::2]) == {"0" * 16}


@pytest.mark.languages
def test_a_compiler_shows_no_more_than_the_sandbox_has(service: Service) -> None:
    for path in ("/etc/shadow", "/root/.bashrc", "/proc/1/environ"):
        (test,) = run(service, f'#include "{path}"\n', "cpp")["tests"]
        assert test["verdict"] == "compile_error"
        assert not re.search(r"root:[^x]|PATH|alias|CODERL", test["stderr"])


@pytest.mark.languages
def test_a_flood_of_compiler_errors_is_bounded(service: Service) -> None:
    code = "".join(f"int x{n} = y{n};\n" for n in range(5000))
    result = run(service, code, "cpp", tests=3)
    assert {test["verdict"] for test in result["tests"]} == {"compile_error"}
    assert all(len(test["stderr"]) <= 4000 for test in result["tests"])
