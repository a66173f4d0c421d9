"""Programs as request bodies: checked, encoded once, cut into batches."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import zstandard
from pydantic import BaseModel, ValidationError

from trainer_client.client.exceptions import FieldProblem, InvalidRequest

_NO_JSON = "JSON cannot say this: write it as a Python literal in 'args_literal'/'expected_literal'"


COMPRESSED_FROM_BYTES = 32_768
"""Larger requests travel compressed: the rollouts of one problem carry the same tests."""


@dataclass(frozen=True, slots=True)
class EncodedProgram:
    index: int
    """In the caller's list."""
    id: str
    body: bytes


Batch = Sequence[EncodedProgram]


def encode(
    programs: Iterable[BaseModel | Mapping[str, Any]], model: type[BaseModel]
) -> list[EncodedProgram]:
    """Check each program against ``model``; raise ``InvalidRequest`` naming every bad field."""
    encoded: list[EncodedProgram] = []
    problems: list[FieldProblem] = []
    for index, program in enumerate(programs):
        try:
            encoded.append(_encode(index, program, model))
        except InvalidRequest as error:
            name = _id(program)
            problems += [replace(item, index=index, program_id=name) for item in error.problems]
    if problems:
        raise invalid(problems)
    return encoded


def invalid(problems: Sequence[FieldProblem]) -> InvalidRequest:
    shown = "; ".join(map(_sentence, problems[:5]))
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return InvalidRequest(shown + more, tuple(problems))


def _sentence(problem: FieldProblem) -> str:
    whose = f" (id {problem.program_id!r})" if problem.program_id else ""
    return f"{problem.path}{whose}: {problem.message}"


def _id(program: object) -> str:
    """As the caller gave it; empty where it is none."""
    given = program.get("id") if isinstance(program, Mapping) else getattr(program, "id", "")
    return given if isinstance(given, str) else ""


def into_batches(
    programs: Sequence[EncodedProgram], max_programs: int, max_bytes: int
) -> Iterator[Batch]:
    """Consecutive programs, as many as fit; one that alone is too large goes alone."""
    batch: list[EncodedProgram] = []
    size = 0
    for program in programs:
        full = len(batch) >= max_programs or size + len(program.body) > max_bytes
        if batch and full:
            yield batch
            batch, size = [], 0
        batch.append(program)
        size += len(program.body)
    if batch:
        yield batch


def request_body(
    batch: Batch, deadline_seconds: float, deduplicate: bool
) -> tuple[bytes, dict[str, str]]:
    """The body of a request and the headers that describe it."""
    programs = b",".join(program.body for program in batch)
    body = b'{"programs":[%b],"deadline_seconds":%.3f' % (programs, deadline_seconds)
    body += b"}" if deduplicate else b',"deduplicate":false}'
    headers = {"Content-Type": "application/json"}
    if len(body) < COMPRESSED_FROM_BYTES:
        return body, headers
    return zstandard.compress(body, 1), headers | {"Content-Encoding": "zstd"}


def _encode(
    index: int, program: BaseModel | Mapping[str, Any], model: type[BaseModel]
) -> EncodedProgram:
    path = f"programs[{index}]"
    if not isinstance(program, model | Mapping):
        given = type(program).__name__
        raise invalid([FieldProblem(path, f"give a {model.__name__} or a dict, not a {given}")])
    try:
        checked = program if isinstance(program, model) else model.model_validate(program)
    except ValidationError as error:
        raise invalid(_problems(path, error)) from None
    # Unset fields stay away: the contract tells 'not given' from 'null'.
    plain = checked.model_dump(exclude_unset=True)
    if problem := next(_not_json(plain, path), None):
        raise invalid([problem])
    return EncodedProgram(index, plain.get("id", ""), _to_json(plain, path))


def _to_json(plain: dict[str, Any], path: str) -> bytes:
    try:
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (ValueError, RecursionError) as error:  # nan, an int of many digits, a lone surrogate
        raise invalid([FieldProblem(path, f"{_NO_JSON} ({error})")]) from None


def _problems(path: str, error: ValidationError) -> list[FieldProblem]:
    return [
        FieldProblem(path + field_path(item["loc"]), item["msg"], item["input"])
        for item in error.errors(include_url=False, include_context=False)
    ]


def field_path(location: Iterable[str | int]) -> str:
    """``("tests", 0, "call", "args")`` → ``.tests[0].call.args``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _not_json(value: object, path: str) -> Iterator[FieldProblem]:
    """What ``json.dumps`` would refuse, or silently turn into something else."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield FieldProblem(f"{path}[{key!r}]", _NO_JSON, key)
            yield from _not_json(item, f"{path}.{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            if item.__class__ not in (str, int, bool):
                yield from _not_json(item, f"{path}[{position}]")
    elif not (value is None or isinstance(value, str | int | float)):
        yield FieldProblem(path, f"{_NO_JSON} ({type(value).__name__})", value)
