"""After a run of random events, every number equals a naive count over all rows."""

import random

import pytest

from ferryman.store.database.database import Database
from ferryman.store.queries.causes import read_causes, read_examples
from ferryman.store.queries.counts import TagCounts, read_counts, total
from tests.store.queries.random_events import TARGETS, RandomEvents, all_rows
from tests.store.scene import Scene

_EVENTS = 150


@pytest.fixture(params=range(3))
async def rows(request: pytest.FixtureRequest, scene: Scene, database: Database) -> list:  # type: ignore[type-arg]
    """What a random history has left in `tags`."""
    await RandomEvents(scene, random.Random(request.param)).happen(_EVENTS)
    return await all_rows(database)


async def test_the_counts_of_items(database: Database, scene: Scene, rows: list) -> None:  # type: ignore[type-arg]
    now = scene.clock.now()
    async with database.read() as connection:
        counts = await read_counts(connection, [*TARGETS, "registry.example.com/empty"], now)

    assert counts.pop("registry.example.com/empty") == TagCounts()
    for target, found in counts.items():
        here = [row for row in rows if row.target == target]
        by_status = {status: [row for row in here if row.status == status] for status in _STATUSES}
        queued = by_status["queued"]
        behind = [row for row in here if row.status in {"queued", "running", "failed"}]
        assert found == TagCounts(
            synced=len(by_status["synced"]),
            due=sum(row.run_at is not None and row.run_at <= now for row in queued),
            waiting=sum(row.run_at is not None and row.run_at > now for row in queued),
            held=sum(row.run_at is None for row in queued),
            running=len(by_status["running"]),
            failed=len(by_status["failed"]),
            skipped=len(by_status["skipped"]),
            gone=sum(row.gone_at is not None for row in here),
            unread=sum(row.error is not None for row in by_status["synced"]),
            outdated_queued=sum(row.mirrored_digest is not None for row in queued),
            outdated_running=sum(row.mirrored_digest is not None for row in by_status["running"]),
            outdated_failed=sum(row.mirrored_digest is not None for row in by_status["failed"]),
            due_since=min((row.run_at for row in queued if row.run_at and row.run_at <= now), default=None),
            newest_at=max((row.pushed_at for row in by_status["synced"] if row.pushed_at), default=None),
            synced_at=max((row.synced_at for row in here if row.synced_at), default=None),
        )
        assert found.missing == sum(row.mirrored_digest is None for row in behind)
    whole = total(list(counts.values()))
    assert whole.wanted == sum(row.status != "skipped" for row in rows)
    assert whole.synced_at == max((row.synced_at for row in rows if row.synced_at), default=None)


async def test_the_causes_of_failures(database: Database, rows: list) -> None:  # type: ignore[type-arg]
    async with database.read() as connection:
        causes = await read_causes(connection, TARGETS)
        examples = {cause: await read_examples(connection, cause, most=100) for cause in causes}

    failing = [row for row in rows if row.status == "failed" or (row.status == "synced" and row.error)]
    retried = [row for row in rows if row.status == "queued" and row.failed_at and row.error_kind]
    assert failing
    assert sum(cause.tags for cause in causes) == len(failing) + len(retried)
    for cause in causes:
        alike = [
            row
            for row in [*failing, *retried]
            if (row.status, row.error_kind, row.error_registry) == (cause.status, cause.kind, cause.registry)
        ]
        assert cause.tags == len(alike)
        assert cause.outdated == sum(row.mirrored_digest is not None for row in alike)
        assert cause.since == min(row.failed_at for row in alike)
        assert cause.targets == tuple(sorted({row.target for row in alike}))
        last = sorted(alike, key=lambda row: (row.failed_at, row.id), reverse=True)
        assert [example.id for example in examples[cause]] == [row.id for row in last]
    assert [cause.since for cause in causes] == sorted((cause.since for cause in causes), reverse=True)


_STATUSES = ("synced", "queued", "running", "failed", "skipped")
