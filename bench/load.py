"""Many clients at once with programs of every behaviour; **every** answer is checked.

Each program carries a token of its own, which comes back in its output, value or exception, so
an answer that belongs to another question is found out. Run it with `coderl bench load`; exit
status 1 where a single answer was wrong or missing, or anything was left over after the service's
end.

The mix, in programs per thousand (`MIX`): half are right, a third wrong, the others crash, exit,
flood, eat memory, spin or sleep. Those that run into a limit hold a sandbox until it comes, so
they are rare and their limits short (0.2 s of CPU, 0.5 s of sleep, 64 MiB, 20 kB): 20,000 programs
take some minutes on two cores. A few are sent twice in one request, under two names.
Simplification: all clients share one process and one API key.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from trainer_client import ExecuteResult, ExecutorClient, ExecutorError

KEY = "key-of-the-load-run"
READY_SECONDS = 120.0
STOP_SECONDS = 60.0
TWINS = 0.03
"""Share of programs that are sent again, the same but for the name."""


# --- questions --------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A program and all that is known of its answer before it is asked."""

    kind: str
    code: str
    tests: list[dict[str, Any]]
    verdict: str
    passed: int
    evidence: Callable[[ExecuteResult], bool]
    """Whether the answer shows that it is this question's."""
    fields: dict[str, Any] = field(default_factory=dict)

    def program(self, name: str) -> dict[str, Any]:
        return {"id": name, "code": self.code, "tests": self.tests} | self.fields

    def complaint(self, result: ExecuteResult, name: str, index: int) -> str | None:
        """What is wrong with ``result``; None where nothing is."""
        if (result.id, result.index) != (name, index):
            return f"{result.id!r} at {result.index} answered {name!r} at {index}"
        got = (result.verdict.value, result.passed, result.total)
        wanted = (self.verdict, self.passed, len(self.tests))
        if got != wanted:
            why = result.tests[0].message if result.tests else None
            return f"verdict, passed, total: {got}, not {wanted} ({why})"
        return None if self.evidence(result) else f"not its own answer: {result.tests!r:.300}"


def _stdio(stdout: str, stdin: str = "") -> dict[str, Any]:
    return {"kind": "stdio", "stdin": stdin, "stdout": stdout}


def _call(function: str, args: list[Any], expected: Any) -> dict[str, Any]:
    return {"kind": "call", "function": function, "args": args, "expected": expected}


def _printed(*texts: str) -> Callable[[ExecuteResult], bool]:
    return lambda result: [test.stdout for test in result.tests] == list(texts)


def _printed_first(text: str) -> Callable[[ExecuteResult], bool]:
    return lambda result: result.tests[0].stdout.startswith(text)


def _raised(message: str, line: int) -> Callable[[ExecuteResult], bool]:
    def raised(result: ExecuteResult) -> bool:
        error = result.tests[0].exception
        return error is not None and message in error.message and error.line == line

    return raised


def _returned(*values: object) -> Callable[[ExecuteResult], bool]:
    return lambda result: [test.value for test in result.tests] == [repr(item) for item in values]


def right(token: str, number: int) -> Question:
    code = f"a, b = map(int, input().split())\nprint('{token}', a + b)\n"
    tests = [_stdio(f"{token} {number + n}\n", f"{number} {n}\n") for n in (1, 2)]
    printed = _printed(*(f"{token} {number + n}\n" for n in (1, 2)))
    return Question("right", code, tests, "accepted", 2, printed)


def right_call(token: str, number: int) -> Question:
    code = f"def f(n):\n    return ['{token}', n * 2]\n"
    tests = [_call("f", [n], [token, n * 2]) for n in (number, -1)]
    values = [[token, number * 2], [token, -2]]
    return Question("right call", code, tests, "accepted", 2, _returned(*values))


def right_assert(token: str, number: int) -> Question:
    code = f"def f(n):\n    return '{token}' * n\n"
    tests = [{"kind": "assert", "code": f"assert f(1) == '{token}'"}]
    return Question("right assert", code, tests, "accepted", 1, _returned(token))


def foreign_letters(token: str, number: int) -> Question:
    text = f"{token} é 漢 \N{SNAKE} \u2028 \x85 e\u0301"
    tests = [_stdio(text + "\n")]
    fields = {"checker": {"type": "exact"}}
    return Question(
        "not ASCII", f"print({text!r})\n", tests, "accepted", 1, _printed(text + "\n"), fields
    )


def wrong(token: str, number: int) -> Question:
    tests = [_stdio(f"{token}\n"), _stdio(f"{token} and more\n")]
    return Question(
        "wrong", f"print('{token}')\n", tests, "wrong_answer", 1, _printed(*[f"{token}\n"] * 2)
    )


def wrong_call(token: str, number: int) -> Question:
    code = f"def f(n):\n    return {{'{token}': n}}\n"
    tests = [_call("f", [number], {token: number + 1})]
    return Question("wrong call", code, tests, "wrong_answer", 0, _returned({token: number}))


def crash(token: str, number: int) -> Question:
    code = f"raise ValueError('{token}')\n"
    return Question("crash", code, [_stdio("")], "runtime_error", 0, _raised(token, 1))


def no_syntax(token: str, number: int) -> Question:
    """The number is in the line of the mistake."""
    line = number % 1000 + 1
    code = "\n" * (line - 1) + f"def f(:  # {token}\n"
    return Question("no syntax", code, [_stdio("")], "compile_error", 0, _raised("", line))


def exit_status(token: str, number: int) -> Question:
    code = f"import sys\nprint('{token}')\nsys.exit(3)\n"
    return Question(
        "exit 3", code, [_stdio(token)], "runtime_error", 0, _printed_first(f"{token}\n")
    )


def exit_early(token: str, number: int) -> Question:
    code = f"import os\ndef f():\n    print('{token}', flush=True)\n    os._exit(0)\n"
    tests = [_call("f", [], token)]
    return Question("exit early", code, tests, "exited_early", 0, _printed(f"{token}\n"))


def flood(token: str, number: int) -> Question:
    code = f"print('{token}')\nwhile True:\n    print('x' * 1000)\n"
    fields = {"limits": {"output_bytes": 20_000}}
    return Question(
        *("flood", code, [_stdio(token)], "output_limit", 0, _printed_first(token), fields)
    )


def hungry(token: str, number: int) -> Question:
    at_once, bit_by_bit = "hoard = bytearray(1 << 30)", "while True: hoard.append(bytes(1 << 20))"
    code = f"print('{token}', flush=True)\nhoard = []\n{(at_once, bit_by_bit)[number % 2]}\n"
    fields = {"limits": {"memory_mb": 64}}
    return Question(
        *("hungry", code, [_stdio(token)], "memory_limit", 0, _printed_first(token), fields)
    )


def endless(token: str, number: int) -> Question:
    code = f"print('{token}', flush=True)\nwhile True:\n    pass\n"
    fields = {"limits": {"cpu_seconds": 0.2}}
    return Question(
        "endless", code, [_stdio(token)], "time_limit", 0, _ran_out("cpu", token), fields
    )


def sleepy(token: str, number: int) -> Question:
    code = f"import time\nprint('{token}', flush=True)\ntime.sleep(60)\n"
    fields = {"limits": {"wall_seconds": 0.5}}
    return Question(
        "sleepy", code, [_stdio(token)], "time_limit", 0, _ran_out("wall", token), fields
    )


def _ran_out(clock: str, token: str) -> Callable[[ExecuteResult], bool]:
    def ran_out(result: ExecuteResult) -> bool:
        (test,) = result.tests
        return (test.limit, test.stdout) == (clock, f"{token}\n")

    return ran_out


MIX: dict[Callable[[str, int], Question], int] = {
    right: 270,
    right_call: 200,
    right_assert: 50,
    foreign_letters: 50,
    wrong: 160,
    wrong_call: 100,
    crash: 80,
    no_syntax: 20,
    exit_status: 20,
    exit_early: 20,
    flood: 10,
    hungry: 10,
    endless: 5,
    sleepy: 5,
}


def questions(count: int, seed: int) -> Iterator[Question]:
    chance = random.Random(seed)
    kinds, weights = list(MIX), list(MIX.values())
    last: Question | None = None
    for number in range(count):
        if last is None or chance.random() >= TWINS:
            (make,) = chance.choices(kinds, weights)
            last = make(f"t{number}-{chance.getrandbits(64):016x}", number)
        yield last


# --- clients ----------------------------------------------------------------------------


@dataclass
class Tally:
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind of question and verdict."""
    complaints: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    """Seconds from asking to the last answer, of each request."""
    asked: int = 0
    retries: int = 0

    @property
    def answered(self) -> int:
        return self.verdicts.total()

    def check(self, asked: list[Question], names: list[str], answers: list[Any]) -> None:
        if len(answers) != len(asked):
            self.complaints.append(f"{len(answers)} answers to {len(asked)} questions")
        for index, (question, name, answer) in enumerate(zip(asked, names, answers, strict=False)):
            if isinstance(answer, ExecutorError):
                self.verdicts[question.kind, "no answer"] += 1
                self.complaints.append(f"{question.kind}, {name}: {answer}")
                continue
            self.verdicts[question.kind, answer.verdict.value] += 1
            if complaint := question.complaint(answer, name, index):
                self.complaints.append(f"{question.kind}: {complaint}")


async def one_client(
    url: str, key: str | None, batches: Iterator[list[Question]], tally: Tally, deadline: float
) -> None:
    """Ask one batch after another, as long as there are any."""
    async with ExecutorClient(url, key, max_batch_programs=1000) as client:
        for asked in batches:
            names = [f"q{tally.asked + n}" for n in range(len(asked))]
            tally.asked += len(asked)
            sent = [item.program(name) for item, name in zip(asked, names, strict=True)]
            began = time.monotonic()
            answers = await client.execute(sent, deadline_seconds=deadline, return_exceptions=True)
            tally.latencies.append(time.monotonic() - began)
            tally.check(asked, names, answers)
        tally.retries += client.stats().retries


def in_batches(items: Iterator[Question], size: int) -> Iterator[list[Question]]:
    batch: list[Question] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


async def load(
    url: str, key: str | None, options: argparse.Namespace, watch: "Watch | None"
) -> Tally:
    tally = Tally()
    batches = in_batches(questions(options.programs, options.seed), options.batch)
    async with observing(tally, options.programs, watch), asyncio.TaskGroup() as group:
        for _ in range(options.clients):
            group.create_task(one_client(url, key, batches, tally, options.deadline))
    return tally


@contextlib.asynccontextmanager
async def observing(tally: Tally, programs: int, watch: "Watch | None") -> AsyncIterator[None]:
    """Every second look at the service, every ten say how far it is."""

    async def look() -> None:
        for second in range(10**9):
            if watch is not None:
                watch.look(warm=tally.answered > programs / 10)
            if second % 10 == 9:
                print(f"{tally.answered} of {programs} answered", file=sys.stderr, flush=True)
            await asyncio.sleep(1)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()


# --- the service and what it leaves behind ----------------------------------------------


@dataclass
class Watch:
    """A service of our own: its memory, and every process that ever descended from it."""

    pid: int
    seen: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Process id → when it started (so that a reused id is another) and its command."""
    rss_mb: dict[str, float] = field(default_factory=dict)

    def look(self, *, warm: bool) -> None:
        processes = dict(_processes())
        parents = {pid: parent for pid, (parent, _) in processes.items()}
        ours = {self.pid}
        while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
            ours |= more
        for pid in ours - {self.pid} - self.seen.keys():
            self.seen[pid] = (processes[pid][1], _command(pid))
        self.rss_mb.setdefault("start", _rss_mb(self.pid))
        if warm:
            self.rss_mb.setdefault("warm", _rss_mb(self.pid))
        self.rss_mb["end"] = _rss_mb(self.pid)

    def left_over(self) -> tuple[list[str], int]:
        """Commands of its processes that still run, and its sandboxes that still exist."""
        now = dict(_processes())
        alive = [
            command
            for pid, (started, command) in self.seen.items()
            if pid in now and now[pid][1] == started
        ]
        homes = {
            Path(home)
            for _, command in self.seen.values()
            for home in re.findall(r"/run/coderl/[0-9a-f]+", command)
        }
        return alive, sum(1 for home in homes if home.exists() for _ in home.glob("bundles/*"))


def _processes() -> Iterator[tuple[int, tuple[int, str]]]:
    """Id → parent's id and start time, of every process that has not ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, *rest = path.read_text().rpartition(") ")[2].split()
            if state not in "ZX":
                yield int(path.parent.name), (int(parent), rest[17])


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def _rss_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        if found:
            return int(found[1]) / 1024
    return 0.0


@contextlib.contextmanager
def own_service(runtime: str, sandboxes: int | None) -> Iterator[tuple[str, Watch]]:
    """``coderl serve`` on a free port of loopback; its log is shown where it does not start."""
    command = [sys.executable, "-m", "coderl", "serve", "--port", "0", "--runtime", runtime]
    command += ["--sandboxes", str(sandboxes)] if sandboxes else []
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | {"CODERL_API_KEYS": KEY, "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=log,
        )
        try:
            url = _address(process, log.fileno())
            watch = Watch(process.pid)
            watch.look(warm=False)
            yield url, watch
            watch.look(warm=True)
        finally:
            _stop(process)


def _address(process: subprocess.Popen[bytes], log: int) -> str:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        if said := re.search(rb" ready at (http\S+)", os.pread(log, 1 << 20, 0)):
            return said[1].decode()
        time.sleep(0.1)
    raise SystemExit(f"the service did not start: {os.pread(log, 1 << 20, 0).decode()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


# --- the report -------------------------------------------------------------------------


def report(tally: Tally, seconds: float, watch: Watch | None) -> dict[str, Any]:
    ordered = sorted(tally.latencies) or [0.0]
    kinds: dict[str, dict[str, int]] = {}
    for (kind, verdict), count in sorted(tally.verdicts.items()):
        kinds.setdefault(kind, {})[verdict] = count
    found: dict[str, Any] = {
        "programs": tally.answered,
        "seconds": round(seconds, 2),
        "programs_per_second": round(tally.answered / seconds, 1),
        "requests": len(tally.latencies),
        "latency_p50": round(ordered[len(ordered) // 2], 3),
        "latency_p99": round(ordered[round(0.99 * (len(ordered) - 1))], 3),
        "retries": tally.retries,
        "kinds": kinds,
        "mismatches": len(tally.complaints),
        "examples": tally.complaints[:10],
    }
    if watch is not None:
        processes, sandboxes = watch.left_over()
        found["rss_mb"] = {when: round(size, 1) for when, size in watch.rss_mb.items()}
        found["processes_left"], found["sandboxes_left"] = processes, sandboxes
    return found


def show(found: dict[str, Any]) -> None:
    for kind, verdicts in found["kinds"].items():
        counts = ", ".join(f"{verdict} {count}" for verdict, count in verdicts.items())
        print(f"  {kind:13} {counts}")
    print(
        f"{found['programs']} programs in {found['seconds']} s "
        f"({found['programs_per_second']} programs/s), {found['requests']} requests, latency "
        f"p50 {found['latency_p50']} s, p99 {found['latency_p99']} s, {found['retries']} retries"
    )
    if "rss_mb" in found:
        sizes = ", ".join(f"{size} MB at {when}" for when, size in found["rss_mb"].items())
        print(f"service: {sizes}; left over: {len(found['processes_left'])} processes, "
              f"{found['sandboxes_left']} sandboxes")  # fmt: skip
    print(f"mismatches: {found['mismatches']}")
    for line in (*found["examples"], *found.get("processes_left", ())):
        print(f"  {line}")


def bad(found: dict[str, Any], asked: int) -> bool:
    left = found.get("processes_left") or found.get("sandboxes_left")
    return bool(found["mismatches"] or left or found["programs"] != asked)


def main() -> int:
    parser = argparse.ArgumentParser(prog="load", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=10, help="programs in one request")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--deadline", type=float, default=600.0, help="seconds of one request")
    parser.add_argument("--url", help="a running executor, instead of one of our own")
    parser.add_argument("--key", default=os.environ.get("CODERL_API_KEY"), help="of --url")
    parser.add_argument("--runtime", default="runsc", help="of our own executor")
    parser.add_argument("--sandboxes", type=int, help="of our own executor; default: cores")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for name in ("clients", "programs", "batch"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}: give at least 1")

    watch: Watch | None = None
    with contextlib.ExitStack() as stack:
        url, key = options.url, options.key
        if url is None:
            url, watch = stack.enter_context(own_service(options.runtime, options.sandboxes))
            key = KEY
        began = time.monotonic()
        tally = asyncio.run(load(url, key, options, watch))
        seconds = time.monotonic() - began
    found = report(tally, seconds, watch)
    print(json.dumps(found, indent=2)) if options.json else show(found)
    return 1 if bad(found, options.programs) else 0


if __name__ == "__main__":
    sys.exit(main())
