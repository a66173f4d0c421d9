"""How fast programs are graded, and at what cost, against what public graders do.

    coderl bench throughput                    # 1, 20 and 100 tests per program
    coderl bench throughput --tests 20 --rounds 9 --picture docs/throughput.svg

Three ways grade the same programs in turns within one run, so that a busy machine slows all of
them; the ratio of each round is the result, the absolute numbers are this machine's:

* `ours`: one batch over HTTP to `coderl serve` under gVisor;
* `process`: an unisolated `python` process per test, as many at a time as there are cores;
* `container`: a cold `docker run --runtime=runsc` per program of one test (where a Docker daemon
  with that runtime and the image is at hand).

Simplifications: every program is right and quick, none is identical to another, and client,
service and the other ways share one machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.service import Service, running_service

CODE = """
import sys
numbers = list(map(int, sys.stdin.read().split()))
print(sum(numbers), max(numbers), sorted(numbers)[len(numbers) // 2])
"""
IMAGE = "python:3.13-slim"
WORKERS = os.cpu_count() or 1
_IDLE_SECONDS = 0.2
"""Between single requests: a service that waits for a trainer."""


@dataclass(frozen=True)
class Sample:
    """One way, once."""

    programs_per_second: float
    cpu_seconds_per_program: float | None


@dataclass(frozen=True)
class Row:
    """One way over all rounds: medians, and the ratio of ours to it (median, least, most)."""

    way: str
    tests: int
    programs_per_second: float
    tests_per_second: float
    cpu_seconds_per_program: float | None
    ratio: tuple[float, float, float]


@dataclass(frozen=True)
class Latency:
    """Seconds from a single request of one program with one test to its answer."""

    way: str
    count: int
    p50: float
    p99: float


# --- the programs ---


def programs(count: int, tests: int, series: int = 0) -> list[dict[str, Any]]:
    """Programs that differ, so that none can be answered by another's run."""
    return [_program(f"{series}/{number}", number, tests) for number in range(count)]


def _program(name: str, number: int, tests: int) -> dict[str, Any]:
    cases = []
    for test in range(tests):
        numbers = [(number * 7919 + test * 104729 + i * i) % 1000 for i in range(9)]
        stdout = f"{sum(numbers)} {max(numbers)} {sorted(numbers)[4]}\n"
        cases.append({"kind": "stdio", "stdin": " ".join(map(str, numbers)), "stdout": stdout})
    return {"id": name, "code": f"{CODE}# {name}\n", "tests": cases}


# --- the ways to grade them ---


def ours(service: Service, batch: list[dict[str, Any]]) -> None:
    results = service.execute(*batch)
    assert all(result["verdict"] == "accepted" for result in results)


def process_per_test(batch: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as workers:
        jobs = []
        for number, program in enumerate(batch):
            file = Path(folder) / f"{number}.py"
            file.write_text(program["code"])
            command = [sys.executable, str(file)]
            jobs += [workers.submit(_grade, command, test) for test in program["tests"]]
        assert all(job.result() for job in jobs)


def container_per_program(batch: list[dict[str, Any]]) -> None:
    docker = ["docker", "run", "--rm", "-i", "--runtime=runsc", "--network=none", IMAGE]
    with ThreadPoolExecutor(WORKERS) as workers:
        jobs = [
            workers.submit(_grade, [*docker, "python3", "-c", program["code"]], test)
            for program in batch
            for test in program["tests"]
        ]
        assert all(job.result() for job in jobs)


def _grade(command: list[str], test: dict[str, str]) -> bool:
    done = subprocess.run(command, input=test["stdin"], capture_output=True, text=True, timeout=120)
    return done.stdout.split() == test["stdout"].split()


def no_containers() -> str | None:
    """Why the third way cannot be measured here, or None."""
    try:
        runtimes = subprocess.run(
            ["docker", "info", "--format", "{{json .Runtimes}}"],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except OSError:
        return "no docker command"
    if "runsc" not in runtimes.stdout:
        return "no Docker daemon with the runsc runtime: `make docker` starts one"
    images = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, timeout=30)
    return f"no image {IMAGE}: `make base-image` builds it" if images.returncode else None


# --- measuring ---


def sample(run: Callable[[], None], count: int, cpu: Callable[[], float] | None) -> Sample:
    before = cpu() if cpu else 0.0
    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    return Sample(count / seconds, (cpu() - before) / count if cpu else None)


def cpu_of_tree(pid: int) -> float:
    """CPU seconds so far of a process, its descendants, and those of them that have ended."""
    root = psutil.Process(pid)
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def cpu_of_children() -> float:
    """CPU seconds of the processes this one has started and collected."""
    times = os.times()
    return times.children_user + times.children_system


def compare(service: Service, tests: int, options: argparse.Namespace) -> list[Row]:
    """Measure all ways in turns."""
    samples: dict[str, list[Sample]] = {"ours": [], "process": []}
    few = max(2, options.programs // tests)
    cold = WORKERS * 2 if tests == 1 and no_containers() is None else 0
    ours(service, programs(WORKERS, tests, series=-1))
    for turn in range(options.rounds):
        batch = programs(options.programs, tests, turn)
        mine = sample(
            lambda batch=batch: ours(service, batch),
            len(batch),
            lambda: cpu_of_tree(service.process.pid),
        )
        samples["ours"].append(mine)
        theirs = batch[:few]
        samples["process"].append(
            sample(lambda batch=theirs: process_per_test(batch), few, cpu_of_children)
        )
        if cold:
            run = sample(lambda batch=batch[:cold]: container_per_program(batch), cold, None)
            samples.setdefault("container", []).append(run)
    return [_row(way, tests, samples["ours"], taken) for way, taken in samples.items()]


def _row(way: str, tests: int, mine: Sequence[Sample], taken: Sequence[Sample]) -> Row:
    rate = statistics.median(one.programs_per_second for one in taken)
    cpu = [one.cpu_seconds_per_program for one in taken if one.cpu_seconds_per_program is not None]
    ratios = sorted(
        a.programs_per_second / b.programs_per_second for a, b in zip(mine, taken, strict=True)
    )
    spread = statistics.median(ratios), ratios[0], ratios[-1]
    return Row(way, tests, rate, rate * tests, statistics.median(cpu) if cpu else None, spread)


def latencies(service: Service, count: int) -> list[Latency]:
    """Single requests, one after another, to a service that has nothing else to do."""
    singles = programs(count, 1, series=-2)
    ways: list[tuple[str, Callable[[list[dict[str, Any]]], None], int]] = [
        ("ours", lambda batch: ours(service, batch), count),
        ("process", process_per_test, count),
    ]
    if no_containers() is None:
        ways.append(("container", container_per_program, max(10, count // 10)))
    return [_latency(way, run, singles[:number]) for way, run, number in ways]


def _latency(
    way: str, run: Callable[[list[dict[str, Any]]], None], batch: list[dict[str, Any]]
) -> Latency:
    taken = []
    for program in batch:
        time.sleep(_IDLE_SECONDS)
        started = time.perf_counter()
        run([program])
        taken.append(time.perf_counter() - started)
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return Latency(way, len(taken), cuts[49], cuts[98])


# --- telling ---


def show(rows: Sequence[Row], waits: Sequence[Latency]) -> None:
    console = Console()
    table = Table("tests", "way", "programs/s", "tests/s", "CPU ms/program", "ours is … × as fast")
    for row in rows:
        cpu = row.cpu_seconds_per_program
        ratio = "" if row.way == "ours" else "{:.1f}  ({:.1f} to {:.1f})".format(*row.ratio)
        table.add_row(
            str(row.tests),
            row.way,
            f"{row.programs_per_second:.1f}",
            f"{row.tests_per_second:.0f}",
            "-" if cpu is None else f"{1000 * cpu:.0f}",
            ratio,
        )
    console.print(table)
    table = Table("single request, idle", "requests", "p50 ms", "p99 ms")
    for wait in waits:
        table.add_row(wait.way, str(wait.count), f"{1000 * wait.p50:.0f}", f"{1000 * wait.p99:.0f}")
    console.print(table)


def draw(rows: Sequence[Row], file: Path) -> None:
    """Tests per second of each way, by tests per program, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    ways = list(dict.fromkeys(row.way for row in rows))
    cases = sorted({row.tests for row in rows})
    colours = {"ours": "#2563eb", "process": "#9ca3af", "container": "#d97706"}
    labels = {
        "ours": "CodeRL+ executor, gVisor",
        "process": "python process per test, no isolation",
        "container": "cold gVisor container per program",
    }
    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    width = 0.8 / len(ways)
    for place, way in enumerate(ways):
        mine = [(cases.index(row.tests), row) for row in rows if row.way == way]
        bars = axes.bar(
            [at + (place - (len(ways) - 1) / 2) * width for at, _ in mine],
            [row.tests_per_second for _, row in mine],
            width * 0.92,
            label=labels[way],
            color=colours[way],
        )
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=8)
    axes.set_yscale("log")
    axes.set_xticks(range(len(cases)), [f"{tests} tests per program" for tests in cases])
    axes.set_ylabel("tests per second")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.margins(y=0.25)
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(prog="coderl bench throughput", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--tests", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--programs", type=int, default=100, help="in a batch of ours")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100, help="single ones, for the latency")
    parser.add_argument("--runtime", default="runsc")
    parser.add_argument("--picture", type=Path, help="write the chart to this SVG file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    missing = no_containers()
    if missing:
        print(f"cold containers are left out: {missing}", file=sys.stderr)
    with running_service(options.runtime) as service:
        waits = latencies(service, options.requests)
        rows = [row for tests in options.tests for row in compare(service, tests, options)]
    if options.json:
        print(json.dumps({"rows": [*map(asdict, rows)], "latency": [*map(asdict, waits)]}))
    else:
        show(rows, waits)
    if options.picture:
        draw(rows, options.picture)


if __name__ == "__main__":
    main()
