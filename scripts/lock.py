#!/usr/bin/env python3
"""Write the locks in requirements/: exact versions and hashes of every package that pyproject.toml
leads to, on every platform and Python that the project is for.

    scripts/lock.py              the newest versions that fit
    scripts/lock.py --keep       those of the present locks, where they still fit

PyTorch is not in them, nor are the CUDA libraries that only it needs: which build is right depends
on the machine (see setup-python.sh).
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ALL = Path("requirements/all.lock")
EXECUTOR = Path("requirements/executor.lock")
UV = "0.13.9"
OLDEST_PYTHON = "3.11"

_HEAD = "# Written by `make lock` from pyproject.toml.\n"
_ENTRY = re.compile(r"^(?=[a-z0-9])", re.MULTILINE)
_LEFT_OUT = re.compile(r"(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")
_SECONDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--keep", action="store_true", help="change only what no longer fits")
    keep = parser.parse_args().keep
    install_uv()
    write(ALL, ["executor", "trainer", "experiments", "dev", "bench"], keep)
    write(EXECUTOR, ["executor"], keep, "--constraint", str(ALL))


def install_uv() -> None:
    """Into this environment; it has no dependencies of its own."""
    run(sys.executable, "-m", "pip", "install", "-q", f"uv=={UV}")


def write(lock: Path, extras: list[str], keep: bool, *options: str) -> None:
    found = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    built_with = "\n".join(found["build-system"]["requires"])
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    command += ["--python-version", OLDEST_PYTHON, "--generate-hashes", "--no-annotate"]
    command += ["--no-header", *(f"--extra={extra}" for extra in extras), *options]
    command += ["pyproject.toml", "-", *(("--constraint", str(lock)) if keep else ())]
    compiled = run(*command, given=built_with)
    entries = [entry for entry in _ENTRY.split(compiled) if not _LEFT_OUT.match(entry)]
    (REPOSITORY / lock).write_text(_HEAD + "".join(entries).lstrip())


def run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(
        command, input=given, stdout=subprocess.PIPE, text=True, timeout=_SECONDS, cwd=REPOSITORY
    )
    if done.returncode:
        sys.exit(f"error: `{' '.join(command[:6])} …` failed; what it said is above")
    return done.stdout


if __name__ == "__main__":
    main()
