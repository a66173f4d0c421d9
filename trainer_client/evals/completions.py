"""Somebody's completions, out of a file.

JSON Lines, also compressed with gzip, one completion a row, in the form of HumanEval's samples:
``{"task_id": "HumanEval/0", "completion": "    return …"}``; several rows of one task are several
samples of it. ``id`` is read like ``task_id``, ``solution`` (EvalPlus) like ``completion``, and a
list of texts is so many samples. Other fields are passed over, so the ``samples.jsonl`` that an
evaluation writes can be graded again.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer_client.data.errors import BadRow, DataError, shown
from trainer_client.data.files import read_rows
from trainer_client.evals.cases import Case, EvalError
from trainer_client.evals.grading import Completion

__all__ = ["read_completions"]

_SHOWN = 5


def read_completions(path: Path, cases: Sequence[Case]) -> tuple[list[Completion], list[str]]:
    """The completions in the order of the file, and warnings: tasks without any, tasks with fewer
    samples than others. Raises ``DataError`` for bad rows, ``EvalError`` for unknown ids."""
    by_id = {case.id: case for case in cases}
    given: list[tuple[str, str]] = []
    bad: list[BadRow] = []
    for number, row in read_rows(path):
        try:
            id, texts = _id(row), _texts(row)
        except ValueError as error:
            bad.append(BadRow(str(path), number, str(error)))
            continue
        given += [(id, text) for text in texts]
    if bad:
        raise DataError.of(bad)
    _refuse_unknown(path, [id for id, _ in given], by_id)
    return [(by_id[id], text) for id, text in given], _warnings(path, given, by_id)


def _id(row: Mapping[str, Any]) -> str:
    value = row.get("task_id", row.get("id"))
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"field 'task_id' is {shown(value)}: name the task that it completes")
    return str(value)


def _texts(row: Mapping[str, Any]) -> list[str]:
    value = row.get("completion", row.get("solution"))
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"field 'completion' is {shown(value)}: give text, or a list of texts")
    return [_SURROGATE.sub("\ufffd", text) for text in texts]


_SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON can name them, but they are no Unicode text and cannot be sent."""


def _refuse_unknown(path: Path, ids: Sequence[str], by_id: Mapping[str, Case]) -> None:
    unknown = list(dict.fromkeys(id for id in ids if id not in by_id))
    if unknown:
        known = ", ".join(list(by_id)[:3])
        raise EvalError(
            f"{path}: {len(unknown)} of {len(set(ids))} task ids are not of this benchmark: "
            f"{_some(unknown)}; they look like {known}; is it the right benchmark and data?"
        )


def _warnings(path: Path, given: Sequence[tuple[str, str]], by_id: Mapping[str, Case]) -> list[str]:
    counts: dict[str, int] = dict.fromkeys(by_id, 0)
    for id, _ in given:
        counts[id] += 1
    missing = [id for id, count in counts.items() if not count]
    warnings = []
    if missing:
        warnings.append(
            f"{path} has no completion for {len(missing)} of {len(by_id)} problems "
            f"({_some(missing)}): the numbers are of the other {len(by_id) - len(missing)} alone"
        )
    most = max(counts.values())
    fewer = [id for id, count in counts.items() if 0 < count < most]
    if fewer:
        warnings.append(
            f"{len(fewer)} problems have fewer than {most} samples ({_some(fewer)}): they are left "
            "out of pass@k for a larger k"
        )
    return warnings


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
