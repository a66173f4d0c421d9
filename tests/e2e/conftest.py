"""What the end-to-end tests need built."""

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def sandbox_image() -> str:
    """The image of the docker runtime, from the sources as they are."""
    build = ("docker", "build", "-q", "-t", "coderl-sandbox", "-f", "services/sandbox/Dockerfile")
    subprocess.run([*build, "."], cwd=REPOSITORY, check=True, timeout=280)
    return "coderl-sandbox"
