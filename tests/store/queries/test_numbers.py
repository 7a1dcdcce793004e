"""After a run of random events, every number equals a naive count over all rows."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import Any

import pytest
from sqlalchemy import func, select

from ferryman.store.database.database import Database
from ferryman.store.database.tables import attempts, registries
from ferryman.store.queries import activity
from ferryman.store.queries.activity import ActivityFilter, read_activity
from ferryman.store.queries.causes import read_causes, read_examples
from ferryman.store.queries.counts import TagCounts, read_counts, total
from ferryman.store.queries.held_tags import read_held_tags
from ferryman.store.queries.item_tags import Sort, TagFilter, read_facets, read_item_tags
from ferryman.store.queries.pages import Page
from ferryman.store.queries.running import read_running
from ferryman.store.queries.tag_life import read_tag_life
from ferryman.store.queries.waiting import read_waiting
from ferryman.versions import name_key
from tests.store.queries.random_events import TARGETS, RandomEvents, all_rows
from tests.store.scene import Scene

_EVENTS = 120
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
Rows = list[Any]


@pytest.fixture(params=[0, pytest.param(1, marks=pytest.mark.slow)])
async def rows(request: pytest.FixtureRequest, scene: Scene, database: Database) -> Rows:
    """What a random history has left in `tags`."""
    await RandomEvents(scene, random.Random(request.param)).happen(_EVENTS)
    return await all_rows(database)


async def run_times(scene: Scene, rows: Rows) -> dict[int, datetime | None]:
    """When each queued tag may run, with the pauses in force; None: once a login is accepted."""
    paused = {state.registry: state.until for state in await scene.queue.paused_registries()}
    found: dict[int, datetime | None] = {}
    for row in rows:
        if row.status == "queued":
            ends = [paused[host] for host in (row.source_registry, row.target_registry) if host in paused]
            found[row.id] = None if None in ends else max([row.run_at, *ends])
    return found


async def ended_pauses(database: Database, now: datetime) -> dict[str, datetime]:
    async with database.read() as connection:
        rows = await connection.execute(select(registries.c.registry, registries.c.until))
        return {registry: until for registry, until in rows if until is not None and until <= now}


async def test_the_counts_of_items(database: Database, scene: Scene, rows: Rows) -> None:
    now, at = scene.clock.now(), await run_times(scene, rows)
    ended = await ended_pauses(database, now)
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
            due=sum((moment := at[row.id]) is not None and moment <= now for row in queued),
            waiting=sum((moment := at[row.id]) is not None and moment > now for row in queued),
            held=sum(at[row.id] is None for row in queued),
            running=len(by_status["running"]),
            failed=len(by_status["failed"]),
            skipped=len(by_status["skipped"]),
            gone=sum(row.gone_at is not None for row in here),
            unread=sum(row.error is not None for row in by_status["synced"]),
            outdated_queued=sum(row.mirrored_digest is not None for row in queued),
            outdated_running=sum(row.mirrored_digest is not None for row in by_status["running"]),
            outdated_failed=sum(row.mirrored_digest is not None for row in by_status["failed"]),
            due_since=min(
                (
                    max(
                        row.run_at, ended.get(row.source_registry, _LONG_AGO), ended.get(row.target_registry, _LONG_AGO)
                    )
                    for row in queued
                    if (moment := at[row.id]) is not None and moment <= now
                ),
                default=None,
            ),
            newest_at=max((row.pushed_at for row in by_status["synced"] if row.pushed_at), default=None),
            synced_at=max((row.synced_at for row in here if row.synced_at), default=None),
        )
        assert found.missing == sum(row.mirrored_digest is None for row in behind)
    whole = total(list(counts.values()))
    assert whole.wanted == sum(row.status != "skipped" for row in rows)
    assert whole.synced_at == max((row.synced_at for row in rows if row.synced_at), default=None)


async def test_the_causes_of_failures(database: Database, rows: Rows) -> None:
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


async def test_the_tags_of_an_item(database: Database, scene: Scene, rows: Rows) -> None:
    target, now = TARGETS[0], scene.clock.now()
    here = [row for row in rows if row.target == target]
    for registry in ("quay.io", "registry.example.com"):
        await scene.queue.resume(registry)
    async with database.read() as connection:
        held = await read_held_tags(connection, now, target)
        for shown, is_shown in _FILTERS:
            wanted = [row for row in here if is_shown(row)]
            assert shown.count(await read_facets(connection, target, held, shown.text)) == len(wanted)
            for sort, by in _SORTS.items():
                for descending in (True, False):
                    read = partial(
                        read_item_tags, connection, target, shown, held, sort=sort, descending=descending, size=3
                    )
                    found = [record.id for record in await all_pages(read)]
                    assert found == [row.id for row in sorted(wanted, key=by, reverse=descending)]
        facets = await read_facets(connection, target, held)
    assert Counter({(each.status, each.reason, each.kind, each.outcome): each.tags for each in facets}) == Counter(
        (row.status, row.reason, row.error_kind, row.last_outcome) for row in here
    )


async def test_what_is_queued_and_what_runs(database: Database, scene: Scene, rows: Rows) -> None:
    now, at = scene.clock.now(), await run_times(scene, rows)
    async with database.read() as connection:
        waiting = await all_pages(partial(read_waiting, connection, TARGETS, now, size=4))
        running = await read_running(connection, TARGETS)

    in_order = sorted((row for row in rows if row.status == "queued"), key=lambda row: (row.rank, row.run_at, row.id))
    timed = [(moment, row.id) for row in in_order if (moment := at[row.id]) is not None]
    due = [key for moment, key in timed if moment <= now]
    later = [key for _, key in sorted((each for each in timed if each[0] > now), key=itemgetter(0))]
    held = [row.id for row in in_order if at[row.id] is None]
    assert [row.id for row in waiting] == [*due, *later, *held]
    assert [row.run_at for row in waiting] == [at[row.id] for row in waiting]
    assert {row.id for row in running} == {row.id for row in rows if row.status == "running"}
    if (job := await scene.queue.claim()) is not None:
        assert job.id == waiting[0].id


async def test_the_activity(database: Database, rows: Rows) -> None:
    names = {row.id: row.tag for row in rows}
    async with database.read() as connection:
        recorded = (await connection.execute(select(attempts).order_by(attempts.c.id.desc()))).all()
        for shown in _ACTIVITIES:
            wanted = [
                (row.id, names[row.tag_id])
                for row in recorded
                if shown.target in {None, row.target}
                and shown.outcome in {None, row.outcome}
                and shown.kind in {None, row.error_kind}
                and shown.text in names[row.tag_id]
            ]
            found = await all_pages(partial(read_activity, connection, shown, size=7))
            assert [(each.id, each.tag) for each in found] == wanted
    # The last outcome that a tag has is that of its last attempt.
    last = {row.tag_id: row.outcome for row in reversed(recorded)}
    assert {row.id: row.last_outcome for row in rows if row.last_outcome} == last


async def test_a_search_of_many_attempts_takes_several_pages(
    database: Database, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "_EXAMINED", 5)
    async with database.read() as connection:
        nothing = await read_activity(connection, ActivityFilter(text="no tag is called so"))
        found = await all_pages(partial(read_activity, connection, ActivityFilter(kind="denied")))
        number = await connection.scalar(select(func.count()).where(attempts.c.error_kind == "denied"))

    assert (nothing.rows, nothing.next is None) == ((), False)
    assert len(found) == number


async def test_the_life_of_a_tag(database: Database, scene: Scene, rows: Rows) -> None:
    async with database.read() as connection:
        for row in rows:
            life = await read_tag_life(connection, row.target, row.tag, scene.clock.now())
            assert life is not None
            assert life.record.id == row.id
            assert list(life.attempts) == await scene.ledger.attempts(row.id)
            written = [each.digest for each in life.digests if each.side == "target"]
            assert len(written) == sum(each.outcome == "synced" for each in life.attempts)
            assert row.source_digest in [None, *(each.digest for each in life.digests if each.side == "source")]
        assert await read_tag_life(connection, TARGETS[0], "nothing", scene.clock.now()) is None


async def all_pages(read: Callable[..., Awaitable[Page[Any]]]) -> list[Any]:
    """The rows of all pages, one after the other."""
    page = await read()
    rows = list(page.rows)
    while page.next is not None:
        page = await read(cursor=page.next)
        rows += page.rows
    return rows


_FILTERS: list[tuple[TagFilter, Callable[[Any], bool]]] = [
    (TagFilter(), lambda _: True),
    (TagFilter(statuses=["failed", "queued"]), lambda row: row.status in {"failed", "queued"}),
    (TagFilter(kind="denied"), lambda row: row.error_kind == "denied"),
    (TagFilter(reason="excluded", text="1."), lambda row: row.reason == "excluded" and "1." in row.tag),
    (TagFilter(outcome="synced"), lambda row: row.last_outcome == "synced"),
    (TagFilter(text="%"), lambda _: False),
]
_ACTIVITIES = (
    ActivityFilter(),
    ActivityFilter(target=TARGETS[0], text="1."),
    ActivityFilter(outcome="failed", kind="denied"),
)
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
_SORTS: dict[Sort, Callable[[Any], Any]] = {
    "version": lambda row: (name_key(row.tag), row.id),
    "name": lambda row: (row.tag, row.id),
    "pushed": lambda row: (row.pushed_at or _NEVER, row.id),
    "synced": lambda row: (row.synced_at or _NEVER, row.id),
    "status": lambda row: (row.status, row.id),
    "attempts": lambda row: (row.attempts, row.id),
}
_STATUSES = ("synced", "queued", "running", "failed", "skipped")
