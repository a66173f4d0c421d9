"""A service's own temporary directory, and the removal of those that dead services left.

The directory itself is locked: the kernel drops the lock with the process, however that ends.
Unlike ``state_dir``'s it needs no common directory, so that users who share ``/tmp`` keep apart:
each looks only at what is its own.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class TemporaryDirectory:
    path: Path
    lock: int
    """File descriptor."""

    @classmethod
    def claim(cls, prefix: str) -> Self:
        """Sweep up after dead services, then make and lock a directory of our own.

        Every directory of ours whose name begins with ``prefix`` must have been made here.
        """
        _sweep(prefix)
        while True:
            path = Path(tempfile.mkdtemp(prefix=prefix))
            # Until it is locked, another's sweep may take it for a dead service's.
            if (lock := _lock(path)) is not None:
                return cls(path, lock)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def _sweep(prefix: str) -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if (lock := _lock(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _lock(path: Path) -> int | None:
    """Lock a directory of this user's; None where it is none, is another's, is locked, or gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid() and os.path.samestat(found, os.lstat(path)):
            return descriptor
    os.close(descriptor)
    return None
