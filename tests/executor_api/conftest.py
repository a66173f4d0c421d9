"""One real service under gVisor for all tests of verdicts."""

from collections.abc import Iterator

import pytest

from tests.service import Service, running_service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with running_service("runsc") as running:
        yield running
