"""What a program sees of the machine: what the documents say, and nothing else."""

import re
from typing import Any

import pytest

from tests.security.attacks import LIMITS, UNREACHABLE
from tests.service import Service

VARIABLES = {
    *("HOME", "LANG", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "TMPDIR", "TZ"),
    *("HOSTNAME", "LC_CTYPE", "SHLVL", "_", "OLDPWD"),
}
ROOT = {
    *("bin", "box", "dev", "etc", "guest", "lib", "lib64", "proc", "sys", "tmp", "usr"),
    *("root", "opt", "home"),  # above an interpreter that is installed there
}
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
