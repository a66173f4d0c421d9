"""From a parsed request to results: plan, schedule, run, judge."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

from executor_api import checks, metrics
from executor_api.coverage import Covered, read_notes
from executor_api.duplicates import originals
from executor_api.judge.plan import Plan, overall
from executor_api.judging import Judging
from executor_api.languages import LANGUAGES, NAMES, PYTHON, available, guest_form
from executor_api.observation import Observation, Outcome
from executor_api.sandbox.link import Link
from executor_api.scheduler import DeadlinePassed, Job, Lost, NotReady, Scheduler
from executor_api.settings import Maxima
from executor_api.tracing import assemble
from executor_api.turns import NoTurn, Turns
from executor_api.wire import (
    ExecuteProgram,
    ExecuteRequest,
    ExecuteResult,
    RuntimeName,
    TestResult,
    TraceProgram,
    TraceRequest,
    TraceResult,
    Verdict,
)

T = TypeVar("T")


_LONG_TRACE = 100_000
"""Bytes of records whose reading would hold up other requests."""
_READY_SECONDS = 60.0
_READ_SECONDS = 60.0
"""Until a trace has its turn to be read."""
_MANY_NOTES = 50_000
"""Bytes of notes whose reading would hold up other requests."""

_Graded = tuple[list[TestResult], Covered | None]


@dataclass(slots=True)
class Ticket:
    """A program that was admitted, and how to make its result of the finished job, which a
    program identical to another of the batch shares with that one."""

    job: Job
    finish: Callable[[Job], Awaitable[Any]]


class Executor:
    """The service without HTTP. ``key`` is the name of the caller's API key."""

    def __init__(
        self,
        scheduler: Scheduler,
        runtime: RuntimeName,
        maxima: Maxima,
        program_seconds: float,
        chosen: Collection[str] = NAMES,
    ) -> None:
        self.scheduler, self.runtime = scheduler, runtime
        self.turns = Turns()
        self._chosen = chosen
        self._maxima, self._program_seconds = maxima, program_seconds

    async def execute(self, key: str, request: ExecuteRequest) -> list[Ticket]:
        """Admit all programs or none: ``BadRequest``, or what ``Scheduler.submit`` raises."""
        checks.batch(request, self._maxima)
        await self._check_languages(request)
        plans = await self._in_turn(key, request, partial(checks.plans, request, self._maxima))
        work = [partial(self._run, program, plan) for program, plan in plans]
        fresh = [program.isolation == "sandbox" for program in request.programs]
        return await self._submit(key, request, work, fresh, self._execute_result)

    @property
    def languages(self) -> list[str]:
        """Those chosen that the sandboxes have the tools for; none but Python before the first
        sandbox has answered."""
        found = available(self.scheduler.guest_tools)
        return [name for name in found if name in self._chosen]

    async def why_not(self, language: str) -> str | None:
        """Why a language cannot be served here, and the remedy; None where it can. Waits for the
        first sandbox to answer; ``NotReady`` where none does."""
        if language == PYTHON:
            return None
        if language not in self._chosen:
            return (
                f"not served here: add {language!r} to CODERL_LANGUAGES, which is "
                f"{','.join(self._chosen)!r}, and restart the service"
            )
        try:
            await self.scheduler.wait_ready(_READY_SECONDS)
        except TimeoutError:
            raise NotReady from None
        return None if language in self.languages else _missing_tool(language)

    async def _check_languages(self, request: ExecuteRequest) -> None:
        first = {program.language: n for n, program in reversed([*enumerate(request.programs)])}
        for language, index in sorted(first.items(), key=lambda item: item[1]):
            if (reason := await self.why_not(language)) is not None:
                raise checks.BadRequest(("programs", index, "language"), reason, language)

    async def trace(self, key: str, request: TraceRequest) -> list[Ticket]:
        """Admit all programs or none, as ``execute``."""
        checks.batch(request, self._maxima)
        calls = await self._in_turn(key, request, partial(checks.calls, request, self._maxima))
        work = [
            partial(self._trace, program, call)
            for program, call in zip(request.programs, calls, strict=True)
        ]
        return await self._submit(key, request, work, [False] * len(work), self._trace_result)

    async def _submit(
        self,
        key: str,
        request: ExecuteRequest | TraceRequest,
        work: list[Any],
        fresh: list[bool],
        finish: Callable[[Any, int, bool, Job], Awaitable[Any]],
    ) -> list[Ticket]:
        deadline = asyncio.get_running_loop().time() + request.deadline_seconds
        original, sizes = await self._in_turn(key, request, partial(_distinct, request))
        run = [*sizes]
        jobs = await self.scheduler.submit(
            key,
            [work[index] for index in run],
            deadline,
            [fresh[index] for index in run],
            [*sizes.values()],
        )
        metrics.DEDUPLICATED.inc(len(original) - len(run))
        job_of = dict(zip(run, jobs, strict=True))
        return [
            Ticket(job_of[first], partial(finish, program, index, first != index))
            for index, (program, first) in enumerate(zip(request.programs, original, strict=True))
        ]

    async def _in_turn(
        self, key: str, request: ExecuteRequest | TraceRequest, work: Callable[[], T]
    ) -> T:
        return await self.turns.run(key, request.deadline_seconds, work)

    # --- on a sandbox ---

    async def _run(self, program: ExecuteProgram, plan: Plan, link: Link) -> _Graded:
        judging = Judging(plan)
        started = time.monotonic()
        seen = await link.run(
            program.code,
            plan.guest_tests,
            program.limits,
            isolation=program.isolation,
            program_seconds=self._program_seconds,
            take=judging.take,
            step=program.stop_on_failure,
            native=guest_form(program.language, program.limits.memory_mb),
            coverage=program.coverage,
        )
        results = await judging.results()
        metrics.JUDGE_SECONDS.observe(judging.seconds)
        metrics.PROGRAM_SECONDS.labels("execute").observe(time.monotonic() - started)
        return results, await _covered(program, link, seen) if program.coverage else None

    async def _trace(
        self, program: TraceProgram, call: dict[str, Any] | None, link: Link
    ) -> tuple[dict[str, Any], bytes, str]:
        started = time.monotonic()
        limits = program.limits.model_dump()
        job = {"code": program.code, "stdin": program.stdin, "call": call}
        job |= {"detail": program.detail, "limits": limits}
        header, payload = await link.trace(job, program.limits)
        metrics.PROGRAM_SECONDS.labels("trace").observe(time.monotonic() - started)
        return header, payload, link.python

    # --- results ---

    async def _execute_result(
        self, program: ExecuteProgram, index: int, deduplicated: bool, job: Job
    ) -> ExecuteResult:
        covered: Covered | None = None
        try:
            tests, covered = await _done(job)
        except DeadlinePassed:
            tests = [_no_run(Verdict.SKIPPED, "the deadline passed") for _ in program.tests]
        except Lost as error:
            tests = [_no_run(Verdict.SANDBOX_ERROR, str(error)) for _ in program.tests]
        verdict, passed, trust = overall(tests)
        if verdict is Verdict.SKIPPED and passed == 0:
            passed = None  # the queue was long: says nothing of the program
        metrics.PROGRAMS.labels("execute", verdict).inc()
        for name, count in Counter(test.verdict for test in tests).items():
            metrics.TESTS.labels(name).inc(count)
        return ExecuteResult(
            id=program.id,
            index=index,
            verdict=verdict,
            passed=passed,
            total=len(tests),
            trust=trust,
            tests=tests,
            **_coverage_fields(covered),
            runtime=self.runtime,
            queue_seconds=job.queue_seconds,
            attempts=_attempts(job, deduplicated),
            deduplicated=deduplicated,
        )

    async def _trace_result(
        self, program: TraceProgram, index: int, deduplicated: bool, job: Job
    ) -> TraceResult:
        try:
            header, payload, python = await _done(job)
            read = partial(assemble, program, index, header, payload)
            read = partial(read, runtime=self.runtime, python=python)
            long = len(payload) > _LONG_TRACE
            result = await self.turns.run(job.key, _READ_SECONDS, read) if long else read()
        except (DeadlinePassed, Lost, NoTurn) as error:
            late = not isinstance(error, Lost)
            result = TraceResult(
                id=program.id,
                index=index,
                status=Verdict.SKIPPED if late else Verdict.SANDBOX_ERROR,
                message="the deadline passed" if late else str(error),
                complete=False,
                reason="killed",
                python=self.scheduler.guest_python,
                runtime=self.runtime,
            )
        result.queue_seconds, result.attempts = job.queue_seconds, _attempts(job, deduplicated)
        result.deduplicated = deduplicated
        metrics.PROGRAMS.labels("trace", result.status).inc()
        return result


def _distinct(request: ExecuteRequest | TraceRequest) -> tuple[list[int], dict[int, int]]:
    """For each program the index of that which runs in its stead, mostly itself; and the bytes of
    each that runs, with its tests, as it travels."""
    programs = request.programs
    found = originals(programs) if request.deduplicate else list(range(len(programs)))
    sizes = {
        index: len(programs[index].__pydantic_serializer__.to_json(programs[index]))
        for index in sorted(set(found))
    }
    return found, sizes


async def _done(job: Job) -> Any:
    """What its work returned; ``DeadlinePassed`` on time, also for one still in the queue."""
    left = job.deadline - asyncio.get_running_loop().time()
    await asyncio.wait((job.done,), timeout=max(0.0, left))  # does not cancel what others await
    if not job.done.done():
        raise DeadlinePassed
    return job.done.result()


async def _covered(program: ExecuteProgram, link: Link, seen: list[Observation]) -> Covered:
    compiled = any(one.outcome is not Outcome.COMPILE_ERROR for one in seen)
    read = partial(read_notes, link.extra, program.code, nothing_ran=not compiled)
    return await asyncio.to_thread(read) if len(link.extra) > _MANY_NOTES else read()


def _coverage_fields(covered: Covered | None) -> dict[str, Any]:
    if covered is None:
        return {}
    fields = asdict(covered)
    return {"coverage_complete": fields.pop("complete")} | fields


def _attempts(job: Job, deduplicated: bool) -> int:
    """Sandboxes the program was tried on; a copy of another had no run of its own."""
    return 0 if deduplicated else max(job.attempts, 1)


async def in_order(tickets: Sequence[Ticket]) -> list[Any]:
    """The results in request order."""
    return [await ticket.finish(ticket.job) for ticket in tickets]


async def as_completed(tickets: Sequence[Ticket]) -> AsyncIterator[Any]:
    """The results in order of completion."""
    tasks = [asyncio.ensure_future(ticket.finish(ticket.job)) for ticket in tickets]
    for task in tasks:  # of which some are never asked, where one fails
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
    for result in asyncio.as_completed(tasks):
        yield await result


def abandon(tickets: Sequence[Ticket]) -> None:
    """Free the work of a caller who is gone."""
    for ticket in tickets:
        ticket.job.done.cancel()


def _no_run(verdict: Verdict, message: str) -> TestResult:
    return TestResult(verdict=verdict, message=message)


def _missing_tool(language: str) -> str:
    found = LANGUAGES[language]
    return (
        f"the sandboxes have no {found.tool!r}: install the package {found.package!r} where the "
        "service runs (`make languages`), or in the sandbox image, and restart it"
    )
