"""Run arms of several seeds, a process each; what has a result is run again only by --again."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from experiments.micro.design import ARMS, HYPOTHESES, start_of
from trainer_client.config import ExecutorConfig
from trainer_client.local_executor import running_executor

RESULTS = Path(__file__).with_name("results")
RUNS = Path("runs/experiments/micro")


def main() -> int:
    options = _options()
    began = time.monotonic()
    config = ExecutorConfig(sandboxes=2, runtime=options.runtime)
    with (
        running_executor(config, RUNS / "executor.log") as (url,),
        _pool(options.workers) as workers,
    ):
        for arms in (sorted({start_of(arm) for arm in options.arms}), options.arms):
            todo = [(arm, seed) for seed in options.seeds for arm in arms]
            jobs = [workers.submit(_run, arm, seed, url, options) for arm, seed in todo]
            done = [job.result() for job in jobs]
            if not all(done):
                return 1
    print(f"{(time.monotonic() - began) / 60:.1f} minutes", flush=True)
    return 0


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """What has not begun when one fails, or at Ctrl-C, does not begin."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _run(arm: str, seed: int, url: str, options: argparse.Namespace) -> bool:
    """Whether the run's result is there now."""
    split = options.split
    result = RESULTS / split / f"{arm}-{seed}.json"
    kind = start_of(arm)
    start, output = RUNS / f"{kind}-{seed}", RUNS / split / f"{arm}-{seed}"
    # Of a start the model is needed too.
    complete = result.is_file() and (arm != kind or (start / f"questions_{split}.jsonl").is_file())
    if complete and not options.again:
        return True
    result.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(output, ignore_errors=True)  # of a run that was broken off
    output.mkdir(parents=True, exist_ok=True)
    words = map(str, [arm, seed, split, start, output, url, result])
    began = time.monotonic()
    with (output / "log.txt").open("w") as log:
        status = subprocess.run(
            [sys.executable, "-m", "experiments.micro.run", *words],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=False,
        ).returncode
    state = "done" if status == 0 else f"FAILED, see {output / 'log.txt'}"
    print(f"{arm} {seed}: {state}, {time.monotonic() - began:.0f} s", flush=True)
    return status == 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.micro", description=__doc__)
    known = [*ARMS, *HYPOTHESES]
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", choices=known, default=list(ARMS), metavar="ARM")
    parser.add_argument("--split", choices=["held_out", "development"], default="held_out")
    parser.add_argument("--again", action="store_true", help="also what has a result, replacing it")
    parser.add_argument("--workers", type=int, default=2, help="runs at one time")
    parser.add_argument(
        "--runtime",
        choices=["runsc", "docker", "unsafe-process"],
        default="runsc",
        help="of the executor; unsafe-process is five times as fast, for throw-away machines",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
