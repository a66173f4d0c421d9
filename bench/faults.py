"""Break the executor under load in every way we know; check that nobody is told anything wrong.

For each fault, services of its own are started and asked by the real client, `--clients` at once,
programs of every behaviour and traces (those of `coderl bench load`: each answer must bring back
its question's token). Then the fault is injected `--rounds` times, each time once the service has
recovered from the last, and the next only after a moment of peace. A program without a verdict
(a connection that broke, `sandbox_error`) is asked again, as a trainer does.

Run it with `coderl bench faults`; exit status 1 where a single verdict was wrong or lost, a service
did not recover by itself, or anything was left behind: processes, descriptors, files, control
groups, or more than `MOST_GROWTH_MB` of memory. Needs root and gVisor.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.fault_injection.asking import Tally
from bench.fault_injection.faults import FAULTS, Fault, Stage, staged

CALM_SECONDS = 0.5
"""Between two injections, at least; up to twice as long by chance."""
RECOVERY_SECONDS = 90.0
MOST_GROWTH_MB = 60.0
"""Of a service, from its start: pools of threads, caches, what the allocator keeps."""
LOOK_SECONDS = 0.2


@dataclass
class Found:
    """What came of one fault."""

    fault: str
    injected: int = 0
    programs: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    """Retryable ones that the client raised or reported, by kind, a program at a time."""
    client_retries: int = 0
    sandbox_retries: int = 0
    recoveries: list[float] = field(default_factory=list)
    """Seconds until all sandboxes were ready and an answer had come, of each injection."""
    left: list[str] = field(default_factory=list)
    rss_mb: tuple[float, float] = (0.0, 0.0)
    """Of the service, when it was ready and at the end."""

    @property
    def good(self) -> bool:
        return not (self.wrong or self.lost or self.left)


async def endure(fault: Fault, home: Path, options: argparse.Namespace) -> Found:
    """Stage a fault, inject it, and tell what came of it."""
    found = Found(fault.name)
    stage_of = staged(fault, home, options.seed, options.quick, options.clients)
    async with stage_of as stage:
        load = stage.load
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(stage))
            asking = group.create_task(load.run())
            for _ in range(options.rounds * fault.times):
                await asyncio.sleep(CALM_SECONDS * stage.chance.uniform(1, 2))
                if not await injected_and_recovered(fault, stage, found):
                    break
            load.stopping = True
            await asking
            watching.cancel()
        note(load.tally, found)
        found.injected = stage.injected
        for instance in stage.instances:
            found.left += await instance.unsettled()
            found.rss_mb = (instance.watches[0].rss_mb["start"], instance.watches[-1].rss_mb["end"])
            found.left += grown(*found.rss_mb)
            if (status := await instance.stop()) != 0:
                found.left.append(f"a service that ended with status {status}")
            found.left += await instance.left_over()
    return found


def grown(start: float, end: float) -> list[str]:
    return [f"memory: {start:.0f} → {end:.0f} MB"] if end > start + MOST_GROWTH_MB else []


async def watch(stage: Stage) -> None:
    while True:
        for instance in stage.instances:
            instance.look()
        await asyncio.sleep(LOOK_SECONDS)


async def injected_and_recovered(fault: Fault, stage: Stage, found: Found) -> bool:
    """Inject once, wait until the service is what it was and answers, note how long that took."""
    try:
        async with asyncio.timeout(RECOVERY_SECONDS):
            began = await fault.inject(stage)
            stage.injected += 1
            await stage.recovered()
    except TimeoutError:
        found.left.append(f"not recovered after {RECOVERY_SECONDS:.0f} s")
        return False
    found.recoveries.append(round(time.monotonic() - began, 2))
    return True


def note(tally: Tally, found: Found) -> None:
    found.programs, found.wrong, found.lost = tally.programs, tally.wrong, tally.lost
    found.errors = dict(tally.errors)
    found.client_retries = tally.client_retries
    found.sandbox_retries = tally.sandbox_retries


# --- the report -------------------------------------------------------------------------

COLUMNS = (
    *("fault", "injected", "programs", "wrong", "lost", "retryable errors", "client retries"),
    *("sandbox retries", "recovery s (median, max)", "leaks", "MB"),
)


def row(found: Found) -> list[str]:
    times = sorted(found.recoveries) or [float("nan")]
    return [
        found.fault,
        *map(str, (found.injected, found.programs, len(found.wrong), len(found.lost))),
        *map(str, (sum(found.errors.values()), found.client_retries, found.sandbox_retries)),
        f"{times[len(times) // 2]:.1f}, {times[-1]:.1f}",
        str(len(found.left)),
        "{:.0f} → {:.0f}".format(*found.rss_mb),
    ]


def show(found: list[Found]) -> None:
    rows = [list(COLUMNS), *map(row, found)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(COLUMNS))]
    rows.insert(1, ["-" * width for width in widths])
    for cells in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("| " + " | ".join(padded) + " |")
    for item in found:
        explain(item, sys.stdout)


def explain(found: Found, to: TextIO) -> None:
    for name in ("wrong", "lost", "left"):
        for line in getattr(found, name)[:10]:
            print(f"{found.fault}: {name}: {line}", file=to, flush=True)


def chosen(options: argparse.Namespace) -> list[Fault]:
    named = set(options.only)
    faults = [fault for fault in FAULTS if not named or fault.name in named]
    faults = [fault for fault in faults if fault.quick or not options.quick]
    if reason := docker_is_left_alone(options):
        for fault in [fault for fault in faults if fault.stage == "docker"]:
            print(f"{fault.name}: left out: {reason}", file=sys.stderr)
            faults.remove(fault)
    return faults


def docker_is_left_alone(options: argparse.Namespace) -> str | None:
    """Why its daemon is not restarted; None where it may be."""
    if not options.restart_docker:
        return "others may need the daemon; --restart-docker restarts it"
    look = ("docker", "image", "inspect", "coderl-sandbox")
    if shutil.which("docker") and not subprocess.run(look, capture_output=True).returncode:
        return None
    return "no Docker daemon answers that has the image coderl-sandbox; run `make docker`"


def unusable() -> str | None:
    if os.geteuid() != 0:
        return "needs root, as the runtime runsc does"
    missing = [tool for tool in ("runsc", "unshare", "nsenter", "mount") if not shutil.which(tool)]
    return f"not on PATH: {', '.join(missing)}" if missing else None


def main() -> int:
    names = ", ".join(repr(fault.name) for fault in FAULTS)
    parser = argparse.ArgumentParser(prog="faults", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="injections of each fault")
    parser.add_argument("--clients", type=int, default=4, help="that ask at the same time")
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help=names)
    parser.add_argument("--restart-docker", action="store_true", help="among the faults")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long to notice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--logs", type=Path, help="keep the services' logs in this folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for name in ("rounds", "clients"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}: give at least 1")
    if unknown := set(options.only) - {fault.name for fault in FAULTS}:
        parser.error(f"no fault {min(unknown)!r}; there are: {names}")
    if reason := unusable():
        parser.error(reason)
    found: list[Found] = []
    with contextlib.ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="coderl-faults-")
        folder = options.logs or Path(stack.enter_context(temporary))
        for fault in chosen(options):
            print(f"{fault.name} …", file=sys.stderr, flush=True)
            found.append(asyncio.run(endure(fault, folder / fault.name, options)))
            explain(found[-1], sys.stderr)
    if options.json:
        print(json.dumps([asdict(item) for item in found], indent=2))
    else:
        show(found)
    return 0 if all(item.good for item in found) else 1


if __name__ == "__main__":
    sys.exit(main())
