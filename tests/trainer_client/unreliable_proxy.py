"""A proxy that spoils answers on their way, in front of any executor: one fault for each request.

It speaks HTTP by hand on real sockets, since what it does no HTTP server would do.
"""

import asyncio
import contextlib
import json
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import httpx
import zstandard

FaultKind = Literal[
    "none",
    "refused",
    "unanswered",
    "429",
    "503",
    "502 page",
    "500 page",
    "cut between results",
    "cut within a result",
    "reset",
    "hang",
    "drip",
    "garbage",
    "twice",
    "left out",
    "shuffled",
    "foreign",
    "whole",
    "whole, cut",
]
PROTOCOL_FAULTS: tuple[FaultKind, ...] = ("500 page", "garbage", "twice", "left out", "foreign")
HANG: FaultKind = "hang"
CONNECTION_FAULTS = tuple(
    kind for kind in get_args(FaultKind) if kind not in (*PROTOCOL_FAULTS, HANG)
)

_PAGE = b"<html><style>p {color: red}</style><body><p>Bad &amp; gateway</p></body></html>"


@dataclass(frozen=True)
class Fault:
    kind: FaultKind = "none"
    after: int = 0
    """Results that get through before the answer is spoiled."""


@dataclass
class UnreliableProxy:
    upstream: str
    faults: list[Fault] = field(default_factory=list)
    """Each request takes the first; when there are none left, ``always``."""
    always: Fault = field(default_factory=Fault)
    encoding: Literal["", "gzip", "zstd"] = ""
    """Of streamed answers."""
    url: str = ""
    requests: int = 0
    programs: int = 0
    """Programs that were asked, each time that they were."""
    _port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def die(self) -> None:
        """Refuse connections from now on and cut those there are."""
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, httpx.HTTPError):
                await self._exchange(reader, writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fault = self.faults.pop(0) if self.faults else self.always
        self.requests += 1
        if fault.kind == "refused":
            writer.transport.abort()
            return
        first, *lines = head.split("\r\n")
        headers = httpx.Headers([tuple(line.split(": ", 1)) for line in lines if line])
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if fault.kind == "unanswered":
            return
        if fault.kind in ("429", "503"):
            writer.write(_answer(fault.kind, "text/plain", b"busy", "Retry-After: 0.05"))
        elif fault.kind in ("502 page", "500 page"):
            writer.write(_answer(fault.kind[:3], "text/html", _PAGE))
        else:
            method, path, _ = first.split()
            await self._forward(method, path, headers, body, fault, writer)
        await writer.drain()

    async def _forward(
        self,
        method: str,
        path: str,
        headers: httpx.Headers,
        body: bytes,
        fault: Fault,
        writer: asyncio.StreamWriter,
    ) -> None:
        kept = {name: headers[name] for name in _KEPT if name in headers}
        if fault.kind in ("whole", "whole, cut"):
            kept["accept"] = "application/json"
        async with httpx.AsyncClient(timeout=60) as client:
            url = self.upstream + path
            request = client.stream(method, url, headers=kept, content=body)
            async with request as response:
                kind = response.headers.get("content-type", "text/plain")
                if "ndjson" in kind:
                    await self._stream(response, fault, writer)
                    return
                content = await response.aread()
                self.programs += content.count(b'"index"')
                whole = _answer(str(response.status_code), kind, content)
                writer.write(whole[: len(whole) // 2] if fault.kind == "whole, cut" else whole)

    async def _stream(
        self, response: httpx.Response, fault: Fault, writer: asyncio.StreamWriter
    ) -> None:
        chunked = fault.after % 2 == 0
        head = ["HTTP/1.1 200 OK", "Content-Type: application/x-ndjson"]
        head.append("Transfer-Encoding: chunked" if chunked else "Connection: close")
        head += [f"Content-Encoding: {self.encoding}"] if self.encoding else []
        writer.write("\r\n".join((*head, "", "")).encode())
        encode = _encoder(self.encoding)
        given = 0
        held: list[bytes] = []
        async for line in _lines(response):
            self.programs += line.startswith(b'{"id"')
            spoiled = given == fault.after
            given += 1
            match fault.kind:
                case "cut between results" if spoiled:
                    return
                case "cut within a result" if spoiled:
                    _write(writer, encode(line[: len(line) // 2], False), chunked)
                    return
                case "reset" if spoiled:
                    writer.transport.abort()
                    return
                case "hang" if spoiled:
                    await writer.drain()
                    await asyncio.sleep(60)
                case "drip":
                    await asyncio.sleep(0.02)
                case "garbage" if spoiled:
                    line = b'{"id": "p0", "index": 0, "verdict": "marvellous"}\n'
                case "twice" if spoiled:
                    line = line + line
                case "left out" if spoiled:
                    continue
                case "foreign" if spoiled and b'"index"' in line:
                    line = _renamed(line)
                case "shuffled":
                    held.append(line)
                    continue
            _write(writer, encode(line, False), chunked)
            await writer.drain()
        for line in [*reversed(held[:-1]), *held[-1:]]:
            _write(writer, encode(line, False), chunked)
        _write(writer, encode(b"", True), chunked and self.encoding != "")
        if chunked:
            writer.write(b"0\r\n\r\n")


_KEPT = ("authorization", "accept", "content-type", "content-encoding")


def _answer(status: str, kind: str, content: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} said so", f"Content-Type: {kind}", *headers, "Connection: close"]
    lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def _encoder(encoding: str) -> Callable[[bytes, bool], bytes]:
    """From a line, and whether it is the last, to what travels of it."""
    if encoding == "gzip":
        gzip = zlib.compressobj(wbits=31)
        return lambda data, last: (
            gzip.compress(data) + gzip.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
        )
    if encoding == "zstd":
        zstd = zstandard.ZstdCompressor().compressobj()
        finish, block = zstandard.COMPRESSOBJ_FLUSH_FINISH, zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return lambda data, last: zstd.compress(data) + zstd.flush(finish if last else block)
    return lambda data, last: data


def _write(writer: asyncio.StreamWriter, data: bytes, chunked: bool) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)


def _renamed(line: bytes) -> bytes:
    result = json.loads(line)
    return json.dumps(result | {"id": "of another question"}).encode() + b"\n"


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    begun = b""
    async for chunk in response.aiter_bytes():
        *whole, begun = (begun + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


@contextlib.asynccontextmanager
async def unreliable(upstream: str, *faults: Fault) -> AsyncIterator[UnreliableProxy]:
    proxy = UnreliableProxy(upstream, list(faults))
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.die()
