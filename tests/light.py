"""The command line where only a part of the packages can be imported: those that an install of the
project with one of its extras, or with none, brings."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PROJECT = "coderl-plus"

_REFUSING = """
import sys
refused = set(sys.argv.pop(1).split(","))
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
from coderl.cli import main
main()
"""


def light(extra: str, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """``coderl`` with these words, installed with the extra; with none where it is empty."""
    command = [sys.executable, "-c", _REFUSING, ",".join(refused(extra)), *map(str, words)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
        check=False,
    )


def refused(extra: str) -> set[str]:
    """The installed modules that no package of such an install brings."""
    there = brought(extra)
    return {
        module
        for module, packages in packages_distributions().items()
        if there.isdisjoint(map(canonicalize_name, packages))
    }


def brought(extra: str) -> set[str]:
    """The packages of such an install. What the project itself asks for is read from its sources:
    what is installed of it may be older."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"].get(extra, [])]
    waiting = list(map(Requirement, asked))
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) not in seen:
            seen.add(str(requirement))
            waiting += _needed(requirement)
    return {PROJECT} | {canonicalize_name(Requirement(text).name) for text in seen}


def _needed(requirement: Requirement) -> list[Requirement]:
    """What a package needs here, with the extras that are asked of it."""
    extras = ["", *requirement.extras]
    every = map(Requirement, requires(requirement.name) or ())
    return [
        one
        for one in every
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
    ]
