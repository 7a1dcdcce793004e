"""Which tags `status` shows, and whose attempts."""

import asyncio
import contextlib
import sqlite3
import subprocess

import pytest

from ferryman.clock import SystemClock
from ferryman.store.database.database import open_database
from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from ferryman.store.records import HistoryLine, ItemKey, PlannedTag, SeenTag, Walk
from tests.store.scene import LEASE, MAX_ATTEMPTS, START, ManualClock, Scene, digest
from tests.support.ferryman import PROGRAM, Ferryman

ONE = ItemKey("one", "quay.io/acme/one", "registry.example.com/m/one", None)
TWO = ItemKey("two", "quay.io/acme/two", "registry.example.com/m/two", None)


@pytest.fixture(autouse=True)
def record(ferryman: Ferryman) -> None:
    """Two items, each with a tag that is mirrored, one that failed, and one that the rules leave out."""
    ferryman.items.write_text("items: []")
    asyncio.run(_fill(f"sqlite+aiosqlite:///{ferryman.database}"))


async def _fill(url: str) -> None:
    database, clock = await open_database(url), ManualClock()
    queue = Queue(database, owner="me", clock=clock, lease=LEASE, max_attempts=MAX_ATTEMPTS)
    scene = Scene(queue, Ledger(database, clock=clock), clock)
    seen = [SeenTag(tag, digest("a"), None) for tag in ("synced", "failed", "hidden")]
    planned = [
        PlannedTag("synced", "copy", "new", 0),
        PlannedTag("failed", "copy", "new", 1),
        PlannedTag("hidden", "skip", "excluded"),
    ]
    for item in (ONE, TWO):
        await queue.apply(item, seen, gone=[], planned=planned, walk=Walk(START, START, "rules"))
        await scene.succeed(await scene.claimed())
        await scene.fail(await scene.claimed())
    await database.close()


@pytest.mark.parametrize(
    ("asked", "shown", "with_attempts"),
    [
        (["--failed"], {"one:failed", "two:failed"}, set()),
        (["--all", "one"], {"one:synced", "one:failed", "one:hidden"}, set()),
        (["one"], {"one:synced", "one:failed"}, set()),
        (["one:hidden"], {"one:hidden"}, {"one:hidden"}),
        (["one:nothing"], set(), set()),
        (["one", "two:synced"], {"one:synced", "one:failed", "two:synced"}, {"two:synced"}),
        (["one", "one:synced"], {"one:synced", "one:failed"}, {"one:synced"}),
        (["one", "two:synced", "--failed"], {"one:failed"}, set()),
        (["one:failed", "two:synced", "--failed"], {"one:failed"}, {"one:failed"}),
    ],
)
def test_what_is_shown(ferryman: Ferryman, asked: list[str], shown: set[str], with_attempts: set[str]) -> None:
    records = ferryman.status(*asked)
    assert set(records) == shown
    assert {name for name, each in records.items() if "attempt_log" in each} == with_attempts


def test_every_attempt_at_a_tag_that_is_named(ferryman: Ferryman) -> None:
    (attempt,) = ferryman.status("one:failed")["one:failed"]["attempt_log"]
    assert (attempt["outcome"], attempt["error"]) == ("failed", "it broke")
    assert "it broke" in ferryman.run("status", "one:failed").out


def test_the_overview_shows_the_first_that_failed_and_the_number_of_the_others(ferryman: Ferryman) -> None:
    asyncio.run(_leave_unread(f"sqlite+aiosqlite:///{ferryman.database}", 30))
    out = ferryman.run("status").out
    rows = [line.split()[:2] for line in out.splitlines() if "answered 500" in line]
    assert rows == [["one", f"1.{number}"] for number in range(29, 9, -1)]  # the others are lower, or no versions
    assert "… and 12 more: `ferryman status --failed`" in out


async def _leave_unread(url: str, number: int) -> None:
    database = await open_database(url)
    queue = Queue(database, owner="me", clock=ManualClock(), lease=LEASE, max_attempts=MAX_ATTEMPTS)
    unread = [
        PlannedTag(f"1.{each}", "fail", "unreadable", error="answered 500", error_kind="unreachable")
        for each in range(number)
    ]
    await queue.apply(ONE, [], gone=[], planned=unread, walk=Walk(START, START, "rules"))
    await database.close()


def test_who_reads_slowly_keeps_nothing_open_in_the_database_and_may_stop(ferryman: Ferryman) -> None:
    asyncio.run(_import(f"sqlite+aiosqlite:///{ferryman.database}", 3000))
    command = [PROGRAM, "status", "--json", "one"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ferryman.folder, env=ferryman.environment, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.read(1) == b"["  # more than a pipe holds is to come
        with contextlib.closing(sqlite3.connect(ferryman.database, timeout=60)) as connection:
            connection.execute("INSERT INTO marks VALUES ('noted', '', '2026-01-01 00:00:00.000000')")
            connection.commit()
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)  # waits for readers
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


async def _import(url: str, number: int) -> None:
    database = await open_database(url)
    lines = [HistoryLine(f"1.{each}", digest("a"), None) for each in range(number)]
    await Ledger(database, clock=SystemClock()).import_history(ONE, lines, now=START)
    await database.close()
