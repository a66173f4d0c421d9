"""The commands that need no extra, with the packages of none."""

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from coderl import cli
from tests.light import brought, light
from tests.service import KEY, running_service

PROBLEM = {"id": "one", "prompt": "Print 1.", "tests": [{"kind": "stdio", "stdout": "1\n"}]}


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps(PROBLEM) + "\n")
    return file


def test_it_brings_neither_fastapi_nor_torch() -> None:
    assert {"httpx", "pydantic-core"} <= brought("")
    assert brought("").isdisjoint({"datasets", "fastapi", "jinja2", "numpy", "torch"})


@pytest.mark.gvisor
def test_a_running_executor_is_asked(tmp_path: Path) -> None:
    one, tests = tmp_path / "one.py", tmp_path / "tests.json"
    one.write_text("print(1)\n")
    tests.write_text(json.dumps(PROBLEM["tests"]))
    with running_service("runsc") as service:
        asked = ("--url", service.url, "--json")
        ran = light("", "run", one, "--tests", tests, *asked, CODERL_API_KEY=KEY)
        traced = light("", "trace", one, *asked, CODERL_API_KEY=KEY)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["verdict"] == "accepted"
    assert traced.returncode == 0, traced.stderr
    assert json.loads(traced.stdout)["stdout"] == "1\n"


@pytest.mark.parametrize("command", ["validate", "stats"])
def test_problems_in_a_file_are_read(command: str, problems: Path) -> None:
    done = light("", "data", command, problems, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == 1


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        (("train", "recipes/micro.yaml"), "transformers", "trainer"),
        (("serve",), "structlog", "executor"),
    ],
)
def test_what_needs_an_extra_names_it(words: tuple[str, ...], missing: str, extra: str) -> None:
    done = light("", *words)
    assert done.returncode == 1
    assert done.stderr == f"coderl: this needs {missing}: pip install 'coderl-plus[{extra}]'\n"


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("prometheus_client", "executor"),
        ("uvicorn", "executor"),
        ("datasets", "eval"),
        ("trl", "trainer"),
        ("httpx", None),
        ("no_such_module", None),
    ],
)
def test_which_extra_brings_a_package(module: str, extra: str | None) -> None:
    assert cli._extra_with(module) == extra


def test_what_no_extra_brings_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def app() -> None:
        raise ModuleNotFoundError("No module named 'trl'", name="trl")

    def nothing_installed(project: str) -> list[str]:
        raise PackageNotFoundError(project)

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit, match="this needs trl"):
        cli.main()
    monkeypatch.setattr(cli, "requires", nothing_installed)
    with pytest.raises(ModuleNotFoundError, match="No module named 'trl'"):
        cli.main()
