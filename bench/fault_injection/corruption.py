"""A service whose sandboxes' answers are spoiled on their way: each SIGUSR1 spoils one frame.

The bytes pass through the service's own ``Link``, so what it makes of them is what it would make
of a guest supervisor that went mad. A flipped bit is put in a frame's head or header, never in its
payload: that is the program's answer, which nobody but the program can vouch for.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections import deque
from pathlib import Path

import uvicorn

sys.path.insert(0, str(Path(__file__).parents[2]))

from executor_api.app import create_app
from executor_api.guest import frames
from executor_api.sandbox.runsc import RunscRuntime
from executor_api.sandbox.runtime import RuntimeInfo, Sandbox, SandboxDied
from executor_api.settings import Settings
from executor_api.wire import RuntimeName

DETECTED_AT_ONCE = ("flip header", "lose field", "insert", "repeat", "swap", "end")
DETECTED_BY_TIME = ("flip head", "drop byte", "truncate")
"""The service waits for the rest of the frame until it gives the sandbox up."""


class Spoiler:
    """What is to happen to the next frames, whichever sandbox sends them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.pending: deque[str] = deque()

    def spoil(self, kind: str, frame: bytes, header_size: int) -> bytes:
        """The bytes in place of ``frame``."""
        print(f"spoiled: {kind}", flush=True)
        size = frames.HEAD.size
        match kind:
            case "flip head":
                return _flipped(frame, self.chance.randrange(size), self.chance)
            case "flip header":
                return _flipped(frame, size + self.chance.randrange(header_size), self.chance)
            case "lose field":
                header = json.loads(frame[size : size + header_size])
                del header[self.chance.choice(list(header))]
                return frames.pack(header, frame[size + header_size :])
            case "drop byte":
                place = self.chance.randrange(len(frame))
                return frame[:place] + frame[place + 1 :]
            case "insert":
                place = self.chance.randrange(len(frame))
                return frame[:place] + self.chance.randbytes(9) + frame[place:]
            case "repeat":
                return frame * 2
            case "truncate":
                return frame[: self.chance.randrange(1, len(frame))]
        raise AssertionError(kind)


def _flipped(frame: bytes, place: int, chance: random.Random) -> bytes:
    spoiled = bytearray(frame)
    spoiled[place] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


class SpoiledSandbox:
    """A sandbox behind a bad line."""

    def __init__(self, sandbox: Sandbox, spoiler: Spoiler) -> None:
        self.id = sandbox.id
        self.send, self.stop, self.why_dead = sandbox.send, sandbox.stop, sandbox.why_dead
        self._receive, self._spoiler = sandbox.receive, spoiler
        self._buffer = bytearray()
        self._silent = False

    async def receive(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if self._silent:
                await asyncio.Event().wait()
            self._buffer += await self._frame()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _frame(self) -> bytes:
        """One frame, or what is to be in its place."""
        frame, header_size = await self._next()
        pending = self._spoiler.pending
        if not pending or (pending[0] == "swap" and b'"op": "test"' not in frame):
            return frame  # behind others than a test's there may come none to swap it with
        kind = pending.popleft()
        if kind == "end":
            print("spoiled: end", flush=True)
            raise SandboxDied("the line was cut")
        if kind == "swap":
            print("spoiled: swap", flush=True)
            return (await self._next())[0] + frame
        self._silent = kind == "truncate"
        return self._spoiler.spoil(kind, frame, header_size)

    async def _next(self) -> tuple[bytes, int]:
        head = await self._receive(frames.HEAD.size)
        sizes = frames.unpack_head(head)
        return head + await self._receive(sum(sizes)), sizes[0]


class SpoiledRuntime:
    """gVisor, with every sandbox behind a bad line."""

    name: RuntimeName = "runsc"

    def __init__(self, spoiler: Spoiler) -> None:
        self._runsc, self._spoiler = RunscRuntime(), spoiler

    async def verify(self) -> RuntimeInfo:
        return await self._runsc.verify()

    async def start(self) -> Sandbox:
        return SpoiledSandbox(await self._runsc.start(), self._spoiler)

    async def close(self) -> None:
        await self._runsc.close()


async def serve(options: argparse.Namespace) -> None:
    spoiler = Spoiler(options.seed)
    kinds = [*DETECTED_AT_ONCE, *(() if options.quick else DETECTED_BY_TIME)]
    given = 0

    def one_more() -> None:
        nonlocal given
        spoiler.pending.append(kinds[given % len(kinds)])
        given += 1

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, one_more)
    runtime = SpoiledRuntime(spoiler)
    settings = Settings(port=options.port, sandboxes=options.sandboxes)
    app = create_app(settings, (runtime, await runtime.verify()))
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        await server.serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sandboxes", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options))


if __name__ == "__main__":
    main()
