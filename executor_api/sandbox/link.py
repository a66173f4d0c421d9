"""The host's end of the conversation with a guest supervisor (``guest/PROTOCOL.md``)."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from executor_api.guest import frames
from executor_api.languages import TOOLS
from executor_api.observation import NO_VALUE, End, Observation, from_frame
from executor_api.sandbox.runtime import Sandbox, SandboxDied
from executor_api.wire import ExecuteLimits, TraceLimits

Frame = tuple[dict[str, Any], bytes]

_GRACE_SECONDS = 15.0
"""Beyond the limits the guest enforces itself: forking, cleaning up, a busy machine."""

_READY_SECONDS = 60.0

LARGE_ANSWER = 100_000
"""Bytes whose reading or judging would hold up other requests."""


class Link:
    """One sandbox's guest, asked one thing at a time.

    Whatever is not exactly the expected answer, in time, raises ``SandboxDied``: the sandbox is
    then no longer to be used.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.python = ""
        self.tools: list[str] = []
        self.clean = True
        self.why: str | None = None
        """What of a program is left, where not ``clean``."""
        self.extra = b""
        self._jobs = itertools.count(1)

    async def ready(self, spare_mb: int = 0) -> None:
        """Wait until the guest answers; let it keep processes forked ahead in so much memory."""
        tools = sorted(set(TOOLS.values()))
        await self._send({"op": "ping", "tools": tools, "spare_mb": spare_mb})
        header, _ = await self._receive(_READY_SECONDS)
        if header.get("op") != "pong":
            raise SandboxDied(f"answered {header.get('op')!r} to a ping")
        try:
            self.python = str(header["python"])
            self.tools = [str(tool) for tool in header["tools"]]
        except (KeyError, TypeError) as error:
            raise SandboxDied(f"malformed header: {error!r}") from None

    async def death(self) -> str:
        """Wait until the sandbox, asked nothing, dies or says something; return which. May be
        cancelled."""
        try:
            await self.sandbox.receive(1)
        except SandboxDied as error:
            return str(error)
        return "spoke without having been asked"

    async def run(
        self,
        code: str,
        tests: list[dict[str, Any]],
        limits: ExecuteLimits,
        *,
        isolation: str,
        program_seconds: float,
        take: Callable[[Observation], Awaitable[bool]] | None = None,
        step: bool = False,
        native: dict[str, Any] | None = None,
        files: dict[str, Any] | None = None,
        coverage: bool = False,
    ) -> list[Observation]:
        """Run ``tests``; return an observation for each, fewer where ``take`` said no or
        ``program_seconds`` were over. Where the program left what cannot be removed in time between
        two of its processes, its time counts as over.

        ``take`` is given each observation as it comes, and what is returned is then without large
        values. With ``step`` it says whether to go on.

        ``native`` is the guest's form of a language other than Python. ``files`` holds the job's
        ``files``, ``fetch_files`` and ``fetch_bytes``; what it fetched is then in ``extra``. With
        ``coverage`` the notes of what ran are there.
        """
        job = next(self._jobs)
        head = {"op": "run", "job": job, "limits": limits.model_dump(), "isolation": isolation}
        head |= {"step": step, "program_seconds": program_seconds}
        body = {"code": code, "tests": tests} | (files or {})
        wait = 2 * min(limits.wall_seconds, program_seconds) + _GRACE_SECONDS
        if coverage:
            body["coverage"] = True
        if native is not None:
            body["native"] = native
            wait += native["build_limits"]["wall_seconds"]
        await self._send(head, body)
        seen: list[Observation] = []
        go_on = True

        async def add(observation: Observation) -> bool:
            large = take is not None and observation.payload_bytes > LARGE_ANSWER
            seen.append(replace(observation, value=NO_VALUE) if large else observation)
            return take is None or await take(observation)

        while (frame := await self._answer(job, "test", wait)) is not None:
            seen_now = await _observation(frame, len(seen), len(tests), limits.output_bytes)
            go_on = await add(seen_now)
            if step:
                await self._send({"op": "next" if go_on else "stop", "job": job})
        if not self.clean and not seen:
            raise SandboxDied(f"unclean before it has run anything: {self.why}")
        while not self.clean and len(seen) < len(tests) and (go_on or not step):
            go_on = await add(Observation(end=End.WALL_LIMIT))
        return seen

    async def trace(self, program: dict[str, Any], limits: TraceLimits) -> Frame:
        """Trace one program; return the supervisor's header and the stream of records."""
        job = next(self._jobs)
        await self._send({"op": "trace", "job": job, "limits": limits.model_dump()}, program)
        wait = limits.wall_seconds + _GRACE_SECONDS
        frame = await self._answer(job, "trace", wait)
        if frame is None or await self._answer(job, "trace", wait) is not None:
            raise SandboxDied("answered a trace with other than one frame")
        await _observation((frame[0] | {"index": 0}, b""), 0, 1, 0)  # the header must allow one
        return frame

    async def _answer(self, job: int, op: str, wait: float) -> Frame | None:
        """The next frame of ``op``, or None for the ``done`` that ends the job."""
        header, payload = await self._receive(wait)
        if header.get("job") != job or header.get("op") not in (op, "done"):
            raise SandboxDied(f"answered {header.get('op')!r} of job {header.get('job')!r}")
        if header["op"] == op:
            return header, payload
        self.clean, self.why = header.get("clean") is True, header.get("why")
        self.extra = payload
        return None

    async def _send(self, header: dict[str, Any], body: Any = None) -> None:
        payload = b"" if body is None else _json(body)
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await self.sandbox.send(frames.pack(header, payload))
        except TimeoutError:
            raise SandboxDied("does not read what it is sent") from None

    async def _receive(self, wait: float) -> Frame:
        try:
            async with asyncio.timeout(wait):
                head = await self.sandbox.receive(frames.HEAD.size)
                sizes = frames.unpack_head(head)
                header = json.loads(await self.sandbox.receive(sizes[0]))
                if type(header) is not dict:
                    raise ValueError("its header is no object")
                return header, await self.sandbox.receive(sizes[1])
        except TimeoutError:
            raise SandboxDied(f"no answer within {wait:.0f} s") from None
        except (ValueError, RecursionError) as error:
            raise SandboxDied(f"malformed frame: {error}") from None


async def _observation(frame: Frame, position: int, total: int, output_bytes: int) -> Observation:
    header, payload = frame
    if header.get("index") != position or position >= total:
        raise SandboxDied(f"answered test {header.get('index')!r}, not {position}")
    read = partial(from_frame, header, payload, output_bytes)
    try:
        return await asyncio.to_thread(read) if len(payload) > LARGE_ANSWER else read()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SandboxDied(f"malformed header: {error!r}") from None


def _json(body: Any) -> bytes:
    """Text as it is: escaped it could take three times what it took in the request. Its half
    surrogates are taken back by ``json.loads``."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
