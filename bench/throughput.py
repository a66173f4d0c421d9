"""Programs per second: this executor over HTTP under gVisor, against an unisolated `python`
process per test with as many workers as cores (what public graders do).

Both grade the same programs, taking turns in one run, so that a busy machine slows both; the
ratio is the result. Run it with `make bench` or `python bench/throughput.py --tests 20`.
Simplifications: every program is right and quick, and the baseline is started from this process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.service import Service, running_service

CODE = """
import sys
numbers = list(map(int, sys.stdin.read().split()))
print(sum(numbers), max(numbers), sorted(numbers)[len(numbers) // 2])
"""


def programs(count: int, tests: int) -> list[dict[str, Any]]:
    """Programs that differ, so that nothing can be remembered."""
    return [_program(number, tests) for number in range(count)]


def _program(number: int, tests: int) -> dict[str, Any]:
    cases = []
    for test in range(tests):
        numbers = [(number * 7919 + test * 104729 + i * i) % 1000 for i in range(9)]
        stdout = f"{sum(numbers)} {max(numbers)} {sorted(numbers)[4]}\n"
        cases.append({"kind": "stdio", "stdin": " ".join(map(str, numbers)), "stdout": stdout})
    return {"id": str(number), "code": f"{CODE}# {number}\n", "tests": cases}


def ours(service: Service, batch: list[dict[str, Any]]) -> None:
    results = service.execute(*batch)
    assert all(result["verdict"] == "accepted" for result in results)


def baseline(batch: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as workers:
        jobs = []
        for program in batch:
            file = Path(folder) / f"{program['id']}.py"
            file.write_text(program["code"])
            jobs += [workers.submit(_grade, file, test) for test in program["tests"]]
        assert all(job.result() for job in jobs)


def _grade(file: Path, test: dict[str, str]) -> bool:
    done = subprocess.run(
        [sys.executable, str(file)], input=test["stdin"], capture_output=True, text=True, timeout=60
    )
    return done.stdout.split() == test["stdout"].split()


def rate(run: Callable[[], None], count: int) -> float:
    started = time.perf_counter()
    run()
    return count / (time.perf_counter() - started)


def compare(service: Service, tests: int, count: int, rounds: int) -> None:
    """Print medians of programs/s and of the per-round ratio, with its range."""
    batch, few = programs(count, tests), programs(max(2, count // tests), tests)
    ours(service, batch[: os.cpu_count()])
    pairs = [
        (rate(lambda: ours(service, batch), len(batch)), rate(lambda: baseline(few), len(few)))
        for _ in range(rounds)
    ]
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(a / b for a, b in pairs)
    print(
        f"{tests:4d} tests/program: ours {mine:8.1f} programs/s ({mine * tests:8.1f} tests/s), "
        f"python process per test {theirs:8.2f} programs/s, "
        f"ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--tests", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", default="runsc")
    options = parser.parse_args()
    with running_service(options.runtime) as service:
        for tests in options.tests:
            compare(service, tests, options.programs, options.rounds)


if __name__ == "__main__":
    main()
