"""A container's standard streams: Docker's attach request, upgraded to a raw connection.

The SDK can attach too, but hands out a blocking socket that it goes on owning.
"""

import asyncio
import os
import struct

from executor_api.sandbox.runtime import RuntimeUnavailable, SandboxDied

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

DEFAULT_HOST = "unix:///var/run/docker.sock"
_READ_AHEAD = 1 << 20
_ATTACH_SECONDS = 30.0
_PIECE_HEAD = struct.Struct(">BxxxI")
_STDOUT = 1


async def attach(name: str, api_version: str) -> Streams:
    """Attach to a created container; raise ``SandboxDied`` where the daemon does not let us."""
    request = (
        f"POST /v{api_version}/containers/{name}/attach?stream=1&stdin=1&stdout=1&stderr=1 "
        "HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    async with asyncio.timeout(_ATTACH_SECONDS):
        reader, writer = await _connect(docker_host())
        try:
            writer.write(request.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise SandboxDied(
                    f"Docker refused to attach: {head[:200].decode(errors='replace')}"
                )
        except BaseException:
            writer.close()
            raise
    return reader, writer


async def knock() -> None:
    """Raise ``OSError`` where nothing listens at ``DOCKER_HOST``. The SDK finds out too, but leaks
    a socket."""
    async with asyncio.timeout(_ATTACH_SECONDS):
        _, writer = await _connect(docker_host())
    writer.close()
    await writer.wait_closed()


async def read_piece(reader: asyncio.StreamReader) -> tuple[bool, bytes]:
    """One piece of the multiplexed stream: whether of standard output, and its bytes."""
    kind, length = _PIECE_HEAD.unpack(await reader.readexactly(_PIECE_HEAD.size))
    return kind == _STDOUT, await reader.readexactly(length)


def docker_host() -> str:
    """``DOCKER_HOST``; raise ``RuntimeUnavailable`` for a kind we cannot attach to."""
    host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if not host.startswith(("unix://", "tcp://")) or os.environ.get("DOCKER_TLS_VERIFY"):
        raise RuntimeUnavailable(
            f"DOCKER_HOST {host!r} is neither unix://PATH nor tcp://HOST:PORT without TLS; "
            "forward the daemon's socket, for example with `ssh -L`"
        )
    return host


async def _connect(host: str) -> Streams:
    scheme, _, address = host.partition("://")
    if scheme == "unix":
        return await asyncio.open_unix_connection(address, limit=_READ_AHEAD)
    name, _, port = address.rpartition(":")
    return await asyncio.open_connection(name, int(port), limit=_READ_AHEAD)
