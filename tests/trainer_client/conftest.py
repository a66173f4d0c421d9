"""Servers that misbehave as told, for the client's tests."""

from collections.abc import Iterator

import pytest

from tests.trainer_client.faulty_server import FaultyServer, serving


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    faulty = FaultyServer()
    with serving(faulty) as faulty.url:
        yield faulty


@pytest.fixture
def other() -> Iterator[FaultyServer]:
    faulty = FaultyServer()
    with serving(faulty) as faulty.url:
        yield faulty
