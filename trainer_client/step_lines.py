"""Files of JSON Lines that grow with a run, each line with its ``step``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["keep_steps", "rewrite"]


def keep_steps(path: Path, keep: Callable[[int], bool]) -> None:
    """Leave the lines whose step is to be kept; a resumed run takes back those it is about to do
    again. A file that is not there stays so."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").split("\n")
        rewrite(path, [f"{line}\n" for line in lines if line and keep(json.loads(line)["step"])])


def rewrite(path: Path, lines: Sequence[str]) -> None:
    """In one piece: a reader, or a run that is killed, never finds half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(lines), encoding="utf-8")
    fresh.replace(path)
