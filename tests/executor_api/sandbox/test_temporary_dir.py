"""A temporary directory is its service's own, and goes with it, killed or not."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from executor_api.sandbox.temporary_dir import TemporaryDirectory

PREFIX = "coderl-test-"
_CLAIM_AND_WAIT = f"""
from executor_api.sandbox.temporary_dir import TemporaryDirectory
home = TemporaryDirectory.claim({PREFIX!r})
(home.path / "file").touch()
print(home.path, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another service, which has claimed a directory."""
    command = [sys.executable, "-c", _CLAIM_AND_WAIT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def _path(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_a_living_service_keeps_its_directory(other: subprocess.Popen[str]) -> None:
    theirs = _path(other)
    ours = TemporaryDirectory.claim(PREFIX)
    assert (theirs / "file").exists()
    assert ours.path != theirs
    ours.remove()
    assert (theirs / "file").exists() and not ours.path.exists()


def test_a_killed_services_directory_is_swept_up(other: subprocess.Popen[str]) -> None:
    theirs = _path(other)
    other.kill()
    other.wait()
    assert (theirs / "file").exists()
    TemporaryDirectory.claim(PREFIX).remove()
    assert not theirs.exists()


def test_nothing_else_is_touched(temporary: Path) -> None:
    target = temporary / "target"
    target.mkdir()
    (target / "file").touch()
    (temporary / f"{PREFIX}link").symlink_to(target)
    (temporary / f"{PREFIX}file").touch()
    strangers = temporary / f"{PREFIX}strangers"
    strangers.mkdir()
    if os.geteuid() == 0:
        os.chown(strangers, 12345, 12345)
    else:
        strangers.rmdir()  # it would be ours
    before = set(temporary.iterdir())
    TemporaryDirectory.claim(PREFIX).remove()
    assert set(temporary.iterdir()) == before
    assert (target / "file").exists()


def test_services_that_start_together_sweep_up_no_living_one(temporary: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        claimed = list(pool.map(TemporaryDirectory.claim, [PREFIX] * 200))
    assert len({item.path for item in claimed}) == 200
    assert all(item.path.is_dir() for item in claimed)
    for item in claimed:
        item.remove()
    assert not any(temporary.iterdir())
