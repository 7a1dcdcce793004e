"""Learned capabilities of a registry, in a process that runs for years."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ferryman.registry.client import RegistryClient
from ferryman.store.target_blobs import TargetBlobs
from ferryman.transports.direct.target_cache import TargetCache
from tests.support.clock import ManualClock
from tests.support.databases import open_new_database
from tests.support.transports import open_client

HOST = "registry.example.com"


class Process:
    """One of several processes that share a database."""

    def __init__(self, ledger: TargetBlobs, clock: ManualClock) -> None:
        self.client: RegistryClient = open_client()
        self._targets = TargetCache(ledger, self.client, clock=clock)

    async def copy(self, *, finds_no_mounts: bool = False, chunk: int | None = None) -> None:
        """Use the cache as a copy does."""
        await self._targets.load_capabilities(HOST)
        capabilities = self.client.capabilities(HOST)
        if finds_no_mounts:
            capabilities.mounts = False
        capabilities.largest_chunk = chunk or capabilities.largest_chunk
        await self._targets.save_capabilities(HOST)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def ledger(tmp_path: Path, clock: ManualClock) -> AsyncIterator[TargetBlobs]:
    database = await open_new_database(tmp_path / "state.db")
    yield TargetBlobs(database, clock=clock)
    await database.close()


@pytest.fixture
async def process(ledger: TargetBlobs, clock: ManualClock) -> AsyncIterator[Process]:
    made = Process(ledger, clock)
    yield made
    await made.client.aclose()


def days(number: float) -> float:
    return timedelta(days=number).total_seconds()


async def test_a_missing_capability_is_tried_again_after_a_month_in_a_running_process(
    process: Process, clock: ManualClock
) -> None:
    await process.copy(finds_no_mounts=True)
    for _ in range(29):
        clock.advance(days(1))
        await process.copy()
        assert not process.client.capabilities(HOST).mounts
    clock.advance(days(1.1))
    await process.copy()
    assert process.client.capabilities(HOST).mounts

    await process.copy(finds_no_mounts=True)  # still so: for another month
    clock.advance(days(29))
    await process.copy()
    assert not process.client.capabilities(HOST).mounts


async def test_a_clock_that_is_set_back_keeps_no_missing_capability_for_ever(
    process: Process, clock: ManualClock
) -> None:
    await process.copy(finds_no_mounts=True)
    clock.advance(-days(400))

    await process.copy()

    assert process.client.capabilities(HOST).mounts


async def test_what_another_process_learns_is_taken_over(
    process: Process, ledger: TargetBlobs, clock: ManualClock
) -> None:
    await process.copy()
    other = Process(ledger, clock)
    await other.copy(finds_no_mounts=True, chunk=524_288)
    await other.client.aclose()

    clock.advance(days(0.25))
    await process.copy()

    assert not process.client.capabilities(HOST).mounts
    assert process.client.capabilities(HOST).largest_chunk == 524_288


async def test_what_was_learned_since_the_last_copy_is_not_overwritten(
    process: Process, ledger: TargetBlobs, clock: ManualClock
) -> None:
    await process.copy()
    process.client.capabilities(HOST).mounts = False  # by a copy that still runs
    clock.advance(days(1))

    await process.copy()

    assert not process.client.capabilities(HOST).mounts
    assert "mounts" in await ledger.missing_capabilities(HOST)


async def test_a_capability_that_was_found_after_all_is_saved(
    process: Process, ledger: TargetBlobs, clock: ManualClock
) -> None:
    await process.copy(finds_no_mounts=True)
    process.client.capabilities(HOST).mounts = True

    await process.copy()

    assert await ledger.missing_capabilities(HOST) == {}
    clock.advance(days(1))
    await process.copy()
    assert process.client.capabilities(HOST).mounts
