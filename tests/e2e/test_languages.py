"""The sandbox image has the tools of every language."""

from typing import Any

import pytest

from executor_api.languages import NAMES
from tests.executor_api.test_languages import DOUBLE, stdio
from tests.service import running_service

pytestmark = pytest.mark.docker


def test_every_language_runs_in_the_image(sandbox_image: str) -> None:
    programs: list[dict[str, Any]] = [
        {"language": name, "code": DOUBLE[name], "tests": [stdio(n, 2 * n) for n in range(3)]}
        for name in NAMES
    ]
    environment = {"CODERL_DOCKER_IMAGE": sandbox_image}
    with running_service("docker", "--sandboxes", "1", **environment) as service:
        results = service.execute(*programs)
    assert [(result["verdict"], result["runtime"]) for result in results] == [
        ("accepted", "docker")
    ] * len(NAMES)
