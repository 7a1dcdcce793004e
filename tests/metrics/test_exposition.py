"""What a scrape finds: the numbers of the database, and of this process's limits."""

import asyncio
import contextlib
import random
import sqlite3
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest
from sqlalchemy import Executable

from ferryman.events import CycleEnded
from ferryman.items.model import Configuration, Item
from ferryman.metrics import exposition
from ferryman.metrics.exposition import Metrics
from ferryman.metrics.labels import shown
from ferryman.reference import Repository
from ferryman.settings import Schedule
from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import cycles, manual_pauses
from ferryman.store.records import Intent, ItemKey, PendingRollback, PlannedTag, SeenTag, Walk
from ferryman.store.rollbacks import Rollbacks
from ferryman.wakeup import Wakeup
from tests.conftest import ReadLog
from tests.metrics.conftest import ETCD, NGINX, Bench
from tests.metrics.samples import parsed
from tests.store.scene import ITEM, START, digest
from tests.support.damage import damage
from tests.support.freezing import freeze

# What Prometheus 2 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
BY = {"since": START, "actor": "token"}
OF_NGINX = ItemKey(NGINX.name, str(NGINX.source), str(NGINX.target), None)


async def write(bench: Bench, statement: Executable) -> None:
    """Write what other parts of Ferryman record."""
    async with bench.database.write() as connection:
        await connection.execute(statement)


async def test_tags_by_item_and_status_equal_what_the_database_says_after_random_events(bench: Bench) -> None:
    scene, chance = bench.scene, random.Random(9)
    await scene.walk({f"v{number}": digest("a") for number in range(30)})
    await scene.walk({f"v{number}": digest("b") for number in range(20)}, item=OF_NGINX)
    for _ in range(25):
        job = await scene.claimed()
        ending = chance.choice((scene.succeed, scene.fail, scene.skip, None))
        if ending:
            await ending(job)
    samples = await bench.samples()
    assert bench.database.file is not None
    with sqlite3.connect(bench.database.file) as direct:
        counted = Counter(direct.execute("SELECT item, status FROM tags").fetchall())
    direct.close()
    statuses = ("synced", "queued", "running", "failed", "skipped")
    for item in ("etcd", "nginx"):
        for status in statuses:
            assert samples("ferryman_tags", item=item, status=status) == counted[item, status]
    assert sum(counted.values()) == 50
    assert len({status for _, status in counted}) == len(statuses)


async def test_the_queue_and_its_latency(bench: Bench) -> None:
    assert (await bench.samples())("ferryman_queue_latency_seconds") == 0
    await bench.scene.walk({f"v{number}": digest("a") for number in range(5)})
    bench.clock.advance(timedelta(seconds=90))
    job = await bench.scene.claimed()
    await bench.scene.fail(job, retry_at=bench.clock.now() + timedelta(seconds=30))
    await bench.scene.walk({"1.27": digest("a")}, item=OF_NGINX)
    await bench.scene.queue.pause("docker.io", until=None, error="refused")
    now = bench.clock.now()
    young = PlannedTag("v9", "copy", "quarantine", digest=digest("c"), since=now, matures_at=now + timedelta(hours=1))
    seen = [SeenTag("v9", digest("c"), now)]
    await bench.scene.queue.apply(ITEM, seen, gone=(), planned=[young], walk=Walk(now, now, "rules"))
    samples = await bench.samples()
    expected = {"due": 4, "waiting": 1, "held": 1, "paused": 0, "quarantined": 1}
    assert samples.of("ferryman_queue_tags", "state") == expected
    assert samples("ferryman_queue_latency_seconds") == 90


async def test_what_cannot_be_read_or_listed(bench: Bench) -> None:
    job = await bench.scene.running()
    await bench.scene.succeed(job)
    record, now = await bench.scene.record(), bench.clock.now()
    unread = PlannedTag(
        "v1", "fail", "unreadable", status="synced", synced_at=record.synced_at, error="denied", error_kind="denied"
    )
    await bench.scene.queue.apply(ITEM, [], gone=(), planned=[unread], walk=Walk(now, now, "rules"))
    await bench.scene.ledger.note_lookup_failure(OF_NGINX, "no route", now=bench.clock.now())
    samples = await bench.samples()
    assert samples.of("ferryman_unread_tags", "item") == {"etcd": 1, "nginx": 0}
    assert samples.of("ferryman_failing_lookups", "item") == {"etcd": 0, "nginx": 1}


async def test_what_is_frozen(bench: Bench) -> None:
    await freeze(bench.scene.ledger, OF_NGINX, "1.27", now=bench.clock.now())
    assert (await bench.samples()).of("ferryman_frozen_items", "item") == {"etcd": 0, "nginx": 1}


async def test_what_is_held(bench: Bench) -> None:
    names, rollbacks = ("1.0", "1.1", "1.2", "latest"), Rollbacks(bench.database, clock=bench.clock, queued=Wakeup())
    await bench.scene.walk(dict.fromkeys(names, digest("a")))
    for _ in names:
        await bench.scene.succeed(await bench.scene.claimed())
    await bench.scene.walk(dict.fromkeys(names[:3], digest("b")), holds_changes=True)
    assert await rollbacks.keep(ITEM.target, "1.2", intent=Intent("me", "keep", "1.2"))
    put_back = await rollbacks.begin(ITEM.target, "latest", digest("f"), owner="me", actor="me")
    assert isinstance(put_back, PendingRollback)
    assert await rollbacks.end(put_back)
    samples = await bench.samples()
    for hold, number in (("rollback", 1), ("changed", 2), ("kept", 1)):
        assert samples("ferryman_held_tags", item="etcd", hold=hold) == number
        assert samples("ferryman_held_tags", item="nginx", hold=hold) == 0


async def test_what_is_damaged_at_the_targets(bench: Bench) -> None:
    for tag in ("v1", "v2"):
        await bench.scene.walk({tag: digest("a")})
        await bench.scene.succeed(await bench.scene.claimed())
    await damage(bench.database, bench.clock, ITEM.target, "v1", repair="lost")
    await damage(bench.database, bench.clock, ITEM.target, "v2", "changed")
    samples = await bench.samples()
    for finding, number in (("missing", 0), ("incomplete", 0), ("changed", 1), ("lost", 1)):
        assert samples("ferryman_damaged_tags", item="etcd", finding=finding) == number
        assert samples("ferryman_damaged_tags", item="nginx", finding=finding) == 0


async def test_a_former_item_is_not_told(bench: Bench) -> None:
    await bench.scene.running()
    bench.configuration = Configuration((NGINX,), {})
    assert {value for value in (await bench.samples()).label_values() if "etcd" in value} == set()


async def test_items_of_one_name_share_a_series(bench: Bench) -> None:
    await bench.scene.walk({"v1": digest("a")})
    await bench.scene.walk({"v1": digest("a")}, item=OF_NGINX)
    bench.configuration = Configuration((ETCD, replace(NGINX, name="etcd")), {})
    assert (await bench.samples())("ferryman_tags", item="etcd", status="queued") == 2


async def test_paused_registries_and_why(bench: Bench) -> None:
    queue = bench.scene.queue
    await queue.pause("quay.io", until=None, error="wrong password", login_fingerprint="f")
    await queue.pause("docker.io", until=bench.clock.now() + timedelta(minutes=5), error="slow down")
    await write(bench, manual_pauses.insert().values(scope="registry", name="registry.example.com", **BY))
    samples = await bench.samples()
    told = {
        (registry, cause): samples("ferryman_registry_paused", registry=registry, cause=cause)
        for registry in ("quay.io", "docker.io", "registry.example.com")
        for cause in ("login", "rate-limit", "person")
    }
    paused = {("quay.io", "login"), ("docker.io", "rate-limit"), ("registry.example.com", "person")}
    assert {key for key, value in told.items() if value} == paused
    assert None not in told.values()


async def test_what_a_person_has_paused(bench: Bench) -> None:
    samples = await bench.samples()
    assert (samples("ferryman_paused"), samples("ferryman_item_paused", item="etcd")) == (0, 0)
    await write(bench, manual_pauses.insert().values(scope="all", name="", **BY))
    await write(bench, manual_pauses.insert().values(scope="item", name=str(ETCD.target), **BY))
    samples = await bench.samples()
    assert samples("ferryman_paused") == 1
    assert samples.of("ferryman_item_paused", "item") == {"etcd": 1, "nginx": 0}


async def test_the_last_cycle_that_could_list_an_item(bench: Bench) -> None:
    assert (await bench.samples())("ferryman_last_successful_cycle_timestamp_seconds") == 0
    for minute, outcome, failed in ((1, "done", 1), (2, "done", 2), (3, "failed", 0), (4, None, 0)):
        at = START + timedelta(minutes=minute)
        await write(
            bench,
            cycles.insert().values(
                owner="me", began_at=START, ended_at=at, outcome=outcome, items=2, items_failed=failed, enqueued=0
            ),
        )
    samples = await bench.samples()
    assert samples("ferryman_last_successful_cycle_timestamp_seconds") == START.timestamp() + 60


async def test_processes_whose_heartbeat_is_fresh(bench: Bench) -> None:
    await bench.services.heartbeat("dead", "worker")
    bench.clock.advance(timedelta(minutes=2))
    await bench.services.heartbeat("one", "worker")
    await bench.services.heartbeat("two", "scheduler")
    assert (await bench.samples()).of("ferryman_processes", "role") == {"run": 0, "scheduler": 1, "worker": 1}


async def test_the_database_and_its_disk(bench: Bench) -> None:
    samples = await bench.samples()
    size, free = samples("ferryman_database_size_bytes"), samples("ferryman_database_disk_free_bytes")
    assert bench.database.file is not None
    assert size is not None
    assert size >= bench.database.file.stat().st_size > 0
    assert free is not None
    assert free > 0


async def test_the_present_limits_of_the_registries_that_items_yml_names(bench: Bench) -> None:
    quota = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"}
    async with bench.limits.copy({"docker.io": 4}), bench.limits.request("docker.io", 4) as permit:
        permit.observe(429, quota)
    async with bench.limits.request("hub.docker.com", 4) as permit:
        permit.observe(200, quota)
    samples = await bench.samples()
    assert samples("ferryman_concurrency_limit", registry="docker.io", kind="requests") == 2
    assert samples("ferryman_concurrency_limit", registry="docker.io", kind="copies") == 4
    assert samples.of("ferryman_pull_quota_remaining", "registry") == {"docker.io": 76}
    assert samples.of("ferryman_pull_quota_limit", "registry") == {"docker.io": 100}
    bench.clock.advance(timedelta(hours=6))
    assert (await bench.samples()).of("ferryman_pull_quota_remaining", "registry") == {}  # all are there again


async def test_the_copies_at_once_of_a_process_that_copies(bench: Bench) -> None:
    assert (await bench.samples())("ferryman_copies_limit") is None
    bench.copies = 12
    assert (await bench.samples())("ferryman_copies_limit") == 12


@pytest.mark.parametrize(
    ("schedule", "hours"), [("6h", 6), ("0 */4 * * *", 4), ("0 9 * * 1-5", 72), ("0 9,11 * * *", 22)]
)
async def test_the_interval_is_the_longest_one_of_the_schedule(bench: Bench, schedule: str, hours: int) -> None:
    metrics = Metrics(
        database=bench.database, limits=list, copies=lambda: None, clock=bench.clock,
        configuration=lambda: bench.configuration, schedule=Schedule(schedule),
    )  # fmt: skip
    body, _ = await metrics.render()
    assert parsed(body)("ferryman_cycle_interval_seconds") == hours * 3600


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (PROMETHEUS, True),
        ("Application/OpenMetrics-Text; version=1.0.0", True),
        ("application/openmetrics-text; version=<script>; escaping=\"'", True),
        ("application/openmetrics-text;q=0, text/plain", False),
        ("text/html", False),
        (";;=,,", False),
        ("", False),
    ],
)
async def test_the_accept_header_chooses_one_of_two_formats(bench: Bench, accept: str, openmetrics: bool) -> None:
    await bench.scene.running()
    body, content_type = await bench.metrics.render(accept)
    expected = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
    assert content_type == f"{expected}; charset=utf-8"
    assert body.endswith(b"# EOF\n") is openmetrics
    assert parsed(body, openmetrics=openmetrics)("ferryman_tags", item="etcd", status="running") == 1


@pytest.mark.parametrize(
    "name",
    ['a"} 1\nferryman_up 2', "a\\", "<script>alert(1)</script>", "\u202eevil", "\x1b[31m", "\ud800", "", "{}", "#"],
)
async def test_a_hostile_name_harms_neither_format(bench: Bench, name: str) -> None:
    hostile = Item(name, Repository("quay.io", "a"), Repository("registry.example.com", "mirror/etcd"))
    bench.configuration = Configuration((hostile,), {})
    await bench.scene.walk({"v1": digest("a")})
    for accept in ("", PROMETHEUS):
        body, _ = await bench.metrics.render(accept)
        samples = parsed(body, openmetrics=bool(accept))
        assert samples.of("ferryman_unread_tags", "item").keys() == {shown(name)}
        assert not set("\u202e\x1b") & set(body.decode())
        assert "ferryman_up" not in samples.names


@pytest.mark.slow
async def test_many_items_are_told_up_to_the_limit(bench: Bench) -> None:
    items = tuple(
        replace(ETCD, name=f"app{number}", target=Repository("registry.example.com", f"app{number}"))
        for number in range(2500)
    )
    bench.configuration = Configuration(items, {})
    unread = (await bench.samples()).of("ferryman_unread_tags", "item")
    assert len(unread) == 2001
    assert "other" in unread


async def test_without_the_database_the_rest_is_told_and_logged_once(bench: Bench, read_log: ReadLog) -> None:
    assert bench.database.file is not None
    with sqlite3.connect(bench.database.file) as direct:
        direct.execute("ALTER TABLE tags RENAME TO gone")
    for _ in range(2):
        samples = await bench.samples()
        assert samples("ferryman_database_up") == 0
        assert samples("ferryman_cycle_interval_seconds") == 21600
        assert samples("ferryman_attempts_total", outcome="synced", cause="none") == 0
        assert "ferryman_tags" not in samples.names
    direct.execute("ALTER TABLE gone RENAME TO tags")
    direct.close()
    assert (await bench.samples())("ferryman_database_up") == 1
    [line] = read_log()
    assert (line["level"], line["event"]) == ("error", "metrics_incomplete")
    assert "no such table" in line["error"]


async def test_a_database_that_hangs_is_asked_once_for_all_scrapes(bench: Bench, read_log: ReadLog) -> None:
    goes_on, asked = asyncio.Event(), 0
    execute = Transaction.execute

    async def hang(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        await goes_on.wait()
        return await execute(*arguments)  # type: ignore[arg-type]

    with patch.object(Transaction, "execute", hang), patch.object(exposition, "_PATIENCE", 0.01):
        found = await asyncio.gather(*(bench.samples() for _ in range(5)))
        found.append(await bench.samples())
        assert [samples("ferryman_database_up") for samples in found] == [0] * 6
        assert asked == 1
    goes_on.set()
    assert (await bench.samples())("ferryman_database_up") == 1
    assert [line["error"] for line in read_log()] == ["it has not answered for a while"]


async def test_many_who_scrape_at_once_take_one_thread(bench: Bench) -> None:
    two = threading.Barrier(2)
    met = False

    def encode(_: object) -> bytes:
        nonlocal met
        with contextlib.suppress(threading.BrokenBarrierError):
            two.wait(timeout=0.05)  # for a second one, who must not come
            met = True
        return b""

    with patch("prometheus_client.exposition.generate_latest", encode):
        await asyncio.gather(*(bench.metrics.render() for _ in range(3)))
    assert not met


async def test_closing_ends_a_read_that_is_under_way(bench: Bench) -> None:
    asked = asyncio.Event()

    async def hang(*_: object) -> object:
        asked.set()
        return await asyncio.Event().wait()

    with patch.object(Transaction, "execute", hang), patch.object(exposition, "_PATIENCE", 0.01):
        await bench.samples()
        await asked.wait()
        async with asyncio.timeout(30):
            await bench.metrics.aclose()


async def test_two_of_a_process_begin_at_zero(bench: Bench) -> None:
    """No state is global."""
    other = Metrics(
        database=bench.database, limits=list, copies=lambda: None, clock=bench.clock,
        configuration=lambda: bench.configuration, schedule=Schedule("6h"),
    )  # fmt: skip
    bench.events.emit(CycleEnded("done", 1))
    first, second = [parsed((await each.render())[0]) for each in (bench.metrics, other)]
    counted = [each("ferryman_cycle_duration_seconds_count", outcome="done") for each in (first, second)]
    assert counted == [1, 0]
