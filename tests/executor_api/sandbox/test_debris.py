"""What could not be removed is removed when it can be."""

import asyncio

import pytest

from executor_api.sandbox import debris
from executor_api.sandbox.debris import Debris


class Disk:
    """Refuses to remove anything so many times."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.removed: list[str] = []

    async def remove(self, sandbox_id: str) -> bool:
        self.refusals -= 1
        if self.refusals >= 0:
            return False
        self.removed.append(sandbox_id)
        return True


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debris, "_FIRST_WAIT_SECONDS", 0.01)


async def test_it_is_tried_again_until_it_is_gone() -> None:
    disk = Disk(refusals=4)
    left = Debris(disk.remove)
    await left.remove("a")
    await left.remove("b")
    assert disk.removed == []
    async with asyncio.timeout(10):
        while len(disk.removed) < 2:
            await asyncio.sleep(0.01)
    await left.close()
    assert sorted(disk.removed) == ["a", "b"]


async def test_what_is_left_later_is_removed_too() -> None:
    disk = Disk(refusals=1)
    left = Debris(disk.remove)
    for name in "ab":
        await left.remove(name)
        async with asyncio.timeout(10):
            while name not in disk.removed:
                await asyncio.sleep(0.01)
        disk.refusals = 1


async def test_the_end_is_the_last_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debris, "_FIRST_WAIT_SECONDS", 60.0)
    disk = Disk(refusals=1)
    left = Debris(disk.remove)
    await left.remove("a")
    await left.close()
    assert disk.removed == ["a"]
