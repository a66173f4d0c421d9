"""The real service, and servers that misbehave as told, for the client's tests."""

from collections.abc import Iterator

import pytest

from tests.service import Service, running_service
from tests.trainer_client.faulty_server import FaultyServer, Switch, serving


@pytest.fixture(scope="session")
def live_executor() -> Iterator[Service]:
    """The real service under gVisor; tests that use it are marked ``gvisor``."""
    with running_service("runsc", "--sandboxes", "2") as running:
        yield running


@pytest.fixture(scope="session")
def switches() -> Iterator[list[tuple[str, Switch]]]:
    first, second = Switch(), Switch()
    with serving(first) as first_url, serving(second) as second_url:
        yield [(first_url, first), (second_url, second)]


@pytest.fixture
def server(switches: list[tuple[str, Switch]]) -> FaultyServer:
    return _fresh(*switches[0])


@pytest.fixture
def other(switches: list[tuple[str, Switch]]) -> FaultyServer:
    return _fresh(*switches[1])


def _fresh(url: str, switch: Switch) -> FaultyServer:
    switch.server = FaultyServer(url)
    return switch.server
