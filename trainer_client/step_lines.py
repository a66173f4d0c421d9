"""Files of JSON Lines that grow with a run, each line with its ``step``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["keep_steps", "rewrite", "whole_lines"]


def keep_steps(path: Path, keep: Callable[[int], bool]) -> None:
    """Leave the lines whose step is to be kept; a resumed run takes back those it is about to do
    again. A file that is not there stays so."""
    if path.is_file():
        kept = [line for line in whole_lines(path) if keep(json.loads(line)["step"])]
        rewrite(path, [f"{line}\n" for line in kept])


def whole_lines(path: Path) -> list[str]:
    """Without the last one where it does not end: a run was killed while it wrote it."""
    *lines, _ = path.read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line]


def rewrite(path: Path, lines: Sequence[str]) -> None:
    """In one piece: a reader, or a run that is killed, never finds half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(lines), encoding="utf-8")
    fresh.replace(path)
