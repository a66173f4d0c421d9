"""LiveCodeBench, code generation: public and private tests, the latter packed.

Private tests are JSON, or a pickled JSON text compressed with zlib and written in base64. Pickles
can run code and claim any amount of memory while they load, so none is loaded: the few operations
that make up the pickle of one text are read, anything else is refused.
"""

import base64
import binascii
import pickletools
import zlib
from typing import Any

from executor_api.wire import Checker, ExecuteLimits
from trainer_client.data.errors import RowError
from trainer_client.data.files import MAX_ROW_BYTES, parse_json
from trainer_client.data.formats.cases import tests_of
from trainer_client.data.formats.fields import Fields
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert", "unpack"]

COLUMNS = frozenset({"question_content", "public_test_cases"})

_STAR = (
    "string re datetime collections heapq bisect copy math random statistics itertools functools "
    "operator io sys json builtins typing"
)
_PREAMBLE = (
    "".join(f"from {name} import *\n" for name in _STAR.split())
    + "".join(f"import {name}\n" for name in _STAR.split())
    + "sys.setrecursionlimit(50000)\n"
)
"""The authors run every solution with these names, and as deep."""
_LIMITS = ExecuteLimits(cpu_seconds=6, wall_seconds=12)
"""Six seconds a test, the authors' time-out."""


def convert(row: Fields) -> Problem:
    """Public tests first, then the private ones."""
    question, starter = row.text("question_content"), row.optional_text("starter_code")
    metadata = row.structure("metadata") if row.get("metadata") else {}
    cases = [
        *_listed(row.structure("public_test_cases"), "public_test_cases"),
        *(_private(row) if row.get("private_test_cases") else ()),
    ]
    function = Fields({"metadata": metadata}).optional_text("metadata.func_name")
    return Problem(
        id=row.id("question_id", prefix="livecodebench"),
        prompt=question,
        starter_code=starter,
        preamble=_PREAMBLE,
        tests=tests_of(cases, "public_test_cases, private_test_cases", function, starter),
        checker=Checker(type="equal" if function else "tokens", float_tolerance=0),
        limits=_LIMITS,
        source=row.optional_text("platform") or "livecodebench",
        split=row.split or "test",
        difficulty=row.optional_text("difficulty") or None,
    )


def _listed(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise RowError(field, value, "not a list of tests; write one")
    return value


def _private(row: Fields) -> list[Any]:
    field = "private_test_cases"
    value = row.get(field)
    if isinstance(value, str) and not value.lstrip().startswith("["):
        try:
            value = parse_json(unpack(value))
        except ValueError as error:
            raise RowError(field, value, f"{error}; fetch the row again") from None
        return _listed(value, field)
    return _listed(row.structure(field), field)


def unpack(packed: str) -> str:
    """The text in a base64 text of a zlib stream of a pickle; ``ValueError`` for all else."""
    try:
        stream = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("neither a JSON list nor base64") from None
    inflating = zlib.decompressobj()
    try:
        pickled = inflating.decompress(stream, MAX_ROW_BYTES)
    except zlib.error as error:
        raise ValueError(f"not a zlib stream ({error})") from None
    if not inflating.eof:
        raise ValueError(f"cut off, or more than {MAX_ROW_BYTES:,} bytes when decompressed")
    return _text_in(pickled)


_TEXTS = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_ALLOWED = _TEXTS | {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"}


def _text_in(pickled: bytes) -> str:
    texts = []
    try:
        for operation, argument, _ in pickletools.genops(pickled):
            if operation.name not in _ALLOWED:
                raise ValueError(f"a pickle with {operation.name}, which a text has no need of")
            if operation.name in _TEXTS:
                texts.append(str(argument))
    except (ValueError, UnicodeError) as error:
        raise ValueError(f"not the pickle of a text ({error})") from None
    if len(texts) != 1:
        raise ValueError(f"the pickle of {len(texts)} texts, not of one")
    return texts[0]
