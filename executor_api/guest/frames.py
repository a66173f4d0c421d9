"""Framing between host and guest; see PROTOCOL.md. Used on both sides."""

import json
import struct
from typing import Any

HEAD = struct.Struct(">II")
MAX_HEADER = 1 << 20
MAX_PAYLOAD = 256 << 20


def pack(header: dict[str, Any] | str, payload: bytes = b"") -> bytes:
    """Return one frame as bytes; ``header`` may be JSON already."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return HEAD.pack(len(text), len(payload)) + text + payload


def unpack_head(head: bytes) -> tuple[int, int]:
    """Return (header length, payload length); raise ``ValueError`` beyond the bounds."""
    header, payload = HEAD.unpack(head)
    if header > MAX_HEADER or payload > MAX_PAYLOAD:
        raise ValueError(f"frame too large: {header} + {payload} bytes")
    return header, payload
