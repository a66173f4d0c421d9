"""``coderl trace``: what the terminal shows, what is written, what is refused."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from coderl.cli import app
from coderl.traces import print_lines, print_steps
from executor_api.wire import TraceResult
from tests.executor_api.tracer_bench import Bench, running_bench
from tests.service import KEY, running_service
from tests.trainer_client.traced import traced

_LOOP = """\
def total_of(values):
    total = 0
    for value in values:
        total += value
    return total


print(total_of([3, -5, 4, 1, 1, 9]))
"""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with running_bench("3.11") as started:
        yield started


def _lines(result: TraceResult, code: str, width: int = 100, values: int = 4) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_lines(console, result, code, values)
    return _printed(console)


def _steps(result: TraceResult, code: str, most: int) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    print_steps(console, result, code, most)
    return _printed(console)


def _printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_source_beside_what_it_did(bench: Bench) -> None:
    lines = _lines(traced(bench, _LOOP), _LOOP)
    (loop,) = [line for line in lines if "for value" in line]
    assert re.fullmatch(r"×7 3     for value in values:\s+value = 3, -5, 4 … 9", loop)
    (parameter,) = [line for line in lines if "def total_of" in line]
    assert parameter.endswith("values = [3, -5, 4, 1, 1, 9]")
    assert lines[-1] == "13" and not any("<function" in line for line in lines)


def test_more_values_where_asked_for(bench: Bench) -> None:
    lines = _lines(traced(bench, _LOOP), _LOOP, values=100)
    assert any(line.endswith("total = 3, -2, 2, 3, 4, 13") for line in lines)


@pytest.mark.parametrize("width", [84, 93, 110])
def test_nothing_is_lost_at_the_right_edge(bench: Bench, width: int) -> None:
    code = "a, b, c, d, e, f, g, h, i, j = 101, 102, 103, 104, 105, 106, 107, 108, 109, 110\n"
    lines = _lines(traced(bench, code), code, width=width)
    assert all(len(line) <= width for line in lines)
    text = " ".join(lines)
    assert [number for number in range(101, 111) if text.count(str(number)) != 2] == []


@pytest.mark.parametrize("width", [30, 60])
def test_a_narrow_terminal_has_them_beneath(bench: Bench, width: int) -> None:
    lines = _lines(traced(bench, _LOOP), _LOOP, width=width)
    assert all(len(line) <= width for line in lines)
    below = next(index for index, line in enumerate(lines) if "total += value" in line) + 1
    assert lines[below].strip() == "total = 3, -2, 2 … 13"


def test_ten_thousand_events_are_a_few_lines(bench: Bench) -> None:
    code = "total = 0\nfor i in range(100_000):\n    total += i\n"
    result = traced(bench, code)
    assert len(result.events) == 10_000
    lines = _lines(result, code)
    assert len(lines) == 6
    assert lines[-1].startswith("the recording stops after 10,000 events")
    steps = _steps(result, code, 20)
    assert len(steps) == 25
    assert sum("9,980 of 10,000 steps are left out: --steps N" in line for line in steps) == 1


def test_recursion_and_exceptions_step_by_step(bench: Bench) -> None:
    code = (
        "def down(n):\n    if n == 0:\n        raise ValueError('low')\n    down(n - 1)\ndown(1)\n"
    )
    steps = _steps(traced(bench, code), code, 100)
    text = "\n".join(re.sub(" +", " ", line) for line in steps)
    assert " 1 · → down n = 1\n" in text and " 1 · · → down n = 0\n" in text
    assert " 3 · · ! exception in down\n 4" not in text
    assert text.count("! exception in") == 3
    assert text.endswith("\nValueError")


_SQUARES = """\
def squares(n):
    for i in range(n):
        print("at", i)
        yield i * i
    raise ValueError("no more")
def of(n):
    return [*squares(n)]
def none():
    pass
none()
of(2)
"""


def test_what_lines_return_yield_and_raise(bench: Bench) -> None:
    text = "\n".join(_lines(traced(bench, _SQUARES), _SQUARES))
    assert re.search(r"yield i \* i +yields 0, 1\n", text)
    assert re.search(r'"no more"\) +raises ValueError: no more\n', text)
    assert "None" not in text
    code = "def f(n):\n    return [n]\nx = f(1)\n"
    assert re.search(r"return \[n\] +returns \[1\]\n", "\n".join(_lines(traced(bench, code), code)))


def test_steps_say_what_they_give_and_print(bench: Bench) -> None:
    steps = [re.sub(" +", " ", line) for line in _steps(traced(bench, _SQUARES), _SQUARES, 100)]
    printed = [line for line in steps if "prints" in line]
    assert [line.split(") ")[-1] for line in printed] == ["prints 'at 0\\n'", "prints 'at 1\\n'"]
    assert len([line for line in steps if re.search(r"⇠ squares [01]$", line)]) == 2
    assert any(line.endswith("! exception in squares ValueError: no more") for line in steps)
    assert any(line.endswith("← none None") for line in steps)


def test_long_values_are_cut_visibly(bench: Bench) -> None:
    code = "text = 'x' * 1000\n"
    (line,) = [line for line in _lines(traced(bench, code), code) if "text = 'x" in line[20:]]
    assert line.endswith("x…") and len(line) <= 100


def test_what_commands_a_terminal_is_not_sent(bench: Bench) -> None:
    code = "print('\\x1b]0;taken\\x07')\n"
    text = "\n".join(_lines(traced(bench, code), code))
    assert "\x1b" not in text and "␛]0;taken␇" in text
    code = "print('a\\u202eb')\n"
    assert "a\ufffdb" in _lines(traced(bench, code), code)


def test_much_output_is_cut_visibly(bench: Bench) -> None:
    code = "for i in range(99):\n    print('x' * 5000)\n"
    lines = _lines(traced(bench, code), code)
    assert len(lines) < 60
    assert lines[-1] == "… 491,099 more characters of output: --json has all"
    few = "print('a\\n' * 40)\n"
    assert not any("more characters" in line for line in _lines(traced(bench, few), few))


# --- the command ------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program.py"
    file.write_text(_LOOP)
    return file


def _trace(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["trace", *map(str, arguments)])


def _words(done: Result) -> str:
    """What it said, whatever the box that it stands in did to its lines."""
    return " ".join(re.sub("[│\n]", " ", done.output).split())


def test_it_prints_json_and_a_page(program: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    call = "total_of([1, 2],)"
    done = _trace(program, "--runtime", "unsafe-process", "--json", "--html", page, "--call", call)
    assert done.exit_code == 0, done.output
    result = TraceResult.model_validate(json.loads(done.stdout))
    assert result.value == "3"
    assert page.read_text().startswith("<!doctype html>")


def test_on_a_running_service(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_service("unsafe-process", "--sandboxes", "1") as service:
        monkeypatch.setenv("CODERL_API_KEY", KEY)
        done = _trace(program, "--url", service.url)
        assert done.exit_code == 0 and "value = 3, -5, 4 … 9" in done.stdout
        monkeypatch.setenv("CODERL_API_KEY", "wrong")
        done = _trace(program, "--url", service.url)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"coderl trace: {service.url}") and "API key" in done.stderr


def test_a_view_is_printed(program: Path, tmp_path: Path) -> None:
    local = ("--runtime", "unsafe-process")
    done = _trace(program, *local, "--view", "coconut", "--call", "total_of([1])")
    assert (done.exit_code, done.stdout) == (0, "[2, 3, 4, 3, 5]\n")
    broken = tmp_path / "broken.py"
    broken.write_text("x = 1\n1 / 0\n")
    done = _trace(broken, *local, "--view", "next")
    assert (done.exit_code, done.stdout) == (
        1,
        "x = 1  # (1) x=1\n1 / 0  # (2) raises ZeroDivisionError\n",
    )
    assert "ZeroDivisionError in line 2" in done.stderr


def test_a_program_without_the_input_that_it_reads(tmp_path: Path) -> None:
    file = tmp_path / "reads.py"
    file.write_text("print(input()[::-1])\n")
    done = _trace(file, "--runtime", "unsafe-process")
    assert done.exit_code == 1 and done.stderr.endswith("give it with --stdin TEXT\n")
    done = _trace(file, "--runtime", "unsafe-process", "--stdin", "Zoë")
    assert done.exit_code == 0 and done.stdout.endswith("ëoZ\n")


def test_a_program_that_does_not_compile(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("x = 1\ny = (\n")
    done = _trace(file, "--runtime", "unsafe-process")
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert "SyntaxError in line 2" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--call", "total_of(1"], "is not of the form"),
        (["--call", "total_of"], "is not of the form"),
        (["--call", "total_of(*x, **y)"], "is not of the form"),
        (["--call", "total_of(values=(1, 2))"], "cannot be sent"),
        (["--call", "total_of(x)", "--runtime", "unsafe-process"], "not a literal"),
        (["--call", "'a'.join(1)"], "call.function"),
        (["--detail", "all"], "detail"),
        (["--detail", "final", "--html", "page.html"], "final has no steps"),
        (["--steps", "1"], "--steps"),
        (["--view", "sql"], "no view 'sql'; there are: coconut, codeexecutor, cwm, next, semcoder"),
        (["--view", "cwm", "--json"], "instead of --json"),
        (["--view", "cwm", "--detail", "final"], "final has no steps"),
        (["--url", "executor:8000"], "executor:8000"),
        (["--html", "/nowhere/page.html", "--runtime", "unsafe-process"], "cannot be written"),
    ],
)
def test_what_is_refused(program: Path, arguments: list[str], message: str) -> None:
    done = _trace(program, *arguments)
    assert done.exit_code == 2
    assert message in _words(done)
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    missing = _trace(tmp_path / "none.py")
    assert missing.exit_code == 2 and "does not exist" in _words(missing)
    latin = tmp_path / "latin.py"
    latin.write_bytes(b"x = '\xe9'\n")
    done = _trace(latin)
    assert done.exit_code == 2 and "is not UTF-8: byte 5" in _words(done)
