"""Which checkpoint a run can go on from: one that was being written when it ended is none."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from trainer_client.alignment.pool import FILE_NAME as POOL_FILE
from trainer_client.alignment.pool import load_samples

__all__ = ["checkpoints", "flaw"]


def checkpoints(folder: Path) -> list[Path]:
    """Whole or not, the newest first."""
    steps = {
        path: int(step)
        for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*")
        if (step := path.name.rpartition("-")[2]).isdecimal() and path.is_dir()
    }
    return sorted(steps, key=lambda path: -steps[path])


def flaw(checkpoint: Path, *, pool: bool) -> str | None:
    """What keeps a run from going on from it; None where nothing can be seen.

    The files are written one after another: weights, optimizer, ``trainer_state.json``, and at
    last the pool, which only a run with alignment has.
    """
    for name in (TRAINER_STATE_NAME, *([POOL_FILE] if pool else [])):
        if not (checkpoint / name).is_file():
            return f"{name} is missing"
    for path in sorted(checkpoint.iterdir()):
        whole = _WHOLE.get(path.suffix)
        if whole is not None and not whole(path):
            return f"{path.name} is cut off"
    return None


def _read(path: Path, read: Callable[[Path], Any]) -> bool:
    try:
        read(path)
    except (ValueError, SafetensorError):
        return False
    return True


def _open_tensors(path: Path) -> None:
    with safe_open(path, framework="pt"):
        pass  # the header names the length of the file


_WHOLE: dict[str, Callable[[Path], bool]] = {
    ".json": lambda path: _read(path, lambda p: json.loads(p.read_bytes())),
    ".jsonl": lambda path: _read(path, load_samples),
    ".pt": zipfile.is_zipfile,
    ".pth": zipfile.is_zipfile,
    ".safetensors": lambda path: _read(path, _open_tensors),
}
"""By a file's ending, whether it was written to its end."""
