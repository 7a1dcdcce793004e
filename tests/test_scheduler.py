"""Cycles over changing upstreams, on a real database: requests, enqueued tags, events and log lines."""

import asyncio
import re
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman import event_log
from ferryman.discovery.base import Page, TagLister, UpstreamTag
from ferryman.discovery.image_details import platform_digests
from ferryman.discovery.listers.quay import QuayLister
from ferryman.discovery.referrers import fingerprints
from ferryman.errors import LoginRefused, NoSuchPlatform, NotFound, StoreError
from ferryman.events import CycleEnded, CycleStarted, Event, Events, ItemLooked, LookStarted
from ferryman.items.model import Configuration, Item, RegistryEntry, Rules
from ferryman.kinds import PauseScope
from ferryman.planner import RuleSelector
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, Repository, referrers_tag
from ferryman.registry.auth.credentials import Credential, CredentialStore
from ferryman.registry.client import RegistryClient
from ferryman.registry_options import RegistryOptions
from ferryman.registry_pauses import RegistryPauses
from ferryman.scheduler import Cycle, ItemLookup, Scheduler
from ferryman.signature_findings import Finding
from ferryman.signature_rules import KeyRule, SignatureRules
from ferryman.store.cycles import CycleLog
from ferryman.store.database.database import Database
from ferryman.store.freezes import Freezes
from ferryman.store.ledger import Ledger
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.queue.queue import Queue
from ferryman.store.quiet_looks import QuietLookLog
from ferryman.store.records import HistoryLine, Intent, ItemKey, Job, TagRecord
from ferryman.store.signatures import SignatureLog
from ferryman.store.target_checks import TargetChecks
from tests.conftest import ReadLog
from tests.support.clock import ManualClock
from tests.support.databases import open_new_database
from tests.support.images import Index, image, index, layer
from tests.support.referrers import signature
from tests.support.transports import open_client
from tests.support.upstreams import NOON, DockerHub, Google, Quay, Upstream, made_up_digest
from tests.support.verification import routine_of

TARGET = "registry.example.com/mirror"
DAY = timedelta(days=1).total_seconds()


def item(source: str, *, platforms: str | None = None, target: str = "", **rules: object) -> Item:
    parsed = Repository.parse(source)
    return Item(
        name=parsed.image,
        source=parsed,
        target=Repository.parse(f"{TARGET}/{target or parsed.image}"),
        rules=Rules(**rules),  # type: ignore[arg-type]  # a test's own words
        platforms=Platforms.parse(platforms) if platforms else None,
    )


NGINX = item("docker.io/library/nginx", limit=5)
FLANNEL = item("quay.io/coreos/flannel")
PAUSE = item("gcr.io/google/pause")


class World:
    """Three upstreams, a database, and a scheduler."""

    def __init__(self, database: Database, client: RegistryClient, clock: ManualClock, upstreams: dict[str, Upstream]):
        self.database = database
        self.client = client
        self.clock = clock
        self.upstreams = upstreams
        self.events = Events()
        self.emitted: list[Event] = []
        self.events.subscribe(event_log.write)
        self.events.subscribe(self.emitted.append)
        self.queue = Queue(database, owner="me", clock=clock, lease=timedelta(minutes=1), max_attempts=3)
        self.ledger = Ledger(database, clock=clock)
        self.pauses = RegistryPauses(queue=self.queue, registry=client, clock=clock, events=self.events)
        self.manual_pauses = ManualPauses(database, clock=clock, resumed=self.queue.filled)
        self.freezes = Freezes(database, clock=clock, released=self.queue.filled)
        self.registries: dict[str, RegistryEntry] = {}
        self.cycles = CycleLog(database)
        self.signatures = SignatureLog(database, clock=clock)
        self.scheduler = self.restarted()

    @property
    def file(self) -> Path:
        assert self.database.file is not None
        return self.database.file

    def restarted(self) -> Scheduler:
        targets = TargetChecks(self.database, clock=self.clock, queued=self.queue.filled)
        self.scheduler = Scheduler(
            queue=self.queue, ledger=self.ledger, cycles=self.cycles, owner="me",
            registry=self.client, pauses=self.pauses, clock=self.clock,
            quiet_looks=QuietLookLog(self.database, clock=self.clock), manual_pauses=self.manual_pauses,
            freezes=self.freezes,
            routine=routine_of(self.client, self.database, targets, self.clock),
            native=Platform.parse("linux/amd64"), complete_walk=timedelta(days=1),
            interval=timedelta(hours=6), signatures=self.signatures, events=self.events,
        )  # fmt: skip
        return self.scheduler

    async def cycle(self, *items: Item) -> Cycle:
        """One cycle; the upstreams' counts begin anew with it."""
        for upstream in self.upstreams.values():
            upstream.forget_requests()
        return await self.scheduler.cycle(Configuration(items, self.registries), items)

    async def look(self, one: Item) -> ItemLookup:
        return await self.scheduler.look(Configuration((one,), self.registries), one)

    async def known(self, one: Item) -> dict[str, TagRecord]:
        return await self.ledger.known(str(one.target))

    async def statuses(self, one: Item) -> dict[str, str]:
        return {tag: record.status for tag, record in (await self.known(one)).items()}

    async def claim(self) -> Job:
        job = await self.queue.claim()
        assert job is not None
        return job

    async def copy_everything(self) -> int:
        """What a pool would do; the number of tags."""
        number = 0
        while job := await self.queue.claim():
            await self.succeed(job)
            number += 1
        return number

    async def succeed(self, job: Job) -> None:
        now, digest = self.clock.now(), job.digest
        await self.queue.succeed(
            job, started_at=now, target_digest=digest, identical=True, bytes_moved=1, bytes_reused=0
        )

    async def take_over(self, one: Item, tag: str, digest: str) -> None:
        """What import-history does."""
        key = ItemKey(one.name, str(one.source), str(one.target), str(one.platforms) if one.platforms else None)
        await self.ledger.import_history(key, [HistoryLine(tag, digest, NOON)], now=self.clock.now())

    def dump(self) -> list[str]:
        """Everything that the database holds."""
        direct = sqlite3.connect(self.file)
        try:
            return list(direct.iterdump())
        finally:
            direct.close()


class Raising:
    """A lister that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        raise self._error


class Endless:
    """A lister that never returns its first page."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        self.asked.set()
        await asyncio.Event().wait()
        yield Page(())


class RaisingAtFirst:
    """A lister that fails so many times, and then works like another one."""

    def __init__(self, error: Exception, times: int, other: TagLister) -> None:
        self._errors = [error] * times
        self._other = other

    def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        if self._errors:
            raise self._errors.pop()
        return self._other.pages(repository)


@pytest.fixture
async def world(tmp_path: Path, hub: DockerHub, quay: Quay, google: Google) -> AsyncIterator[World]:
    clock = ManualClock()
    upstreams: dict[str, Upstream] = {"docker.io": hub, "quay.io": quay, "gcr.io": google}
    client = RegistryClient(
        hosts={host: RegistryOptions(endpoint=upstream.url, api=upstream.url) for host, upstream in upstreams.items()},
        credentials=CredentialStore(explicit={}, clock=clock, environment={"HOME": "/nonexistent"}),
        clock=clock,
    )
    database = await open_new_database(tmp_path / "ferryman.db")
    yield World(database, client, clock, upstreams)
    await client.aclose()
    await database.close()


# What is enqueued


async def test_enqueues_what_is_new_or_changed_and_nothing_else(world: World, google: Google) -> None:
    google.put("google/pause", "3.8")
    google.put("google/pause", "3.9")
    assert await world.cycle(PAUSE) == Cycle(enqueued=2, failed={})
    assert await world.copy_everything() == 2
    assert (await world.cycle(PAUSE)).enqueued == 0
    google.put("google/pause", "3.9", digest=made_up_digest("moved"))
    assert (await world.cycle(PAUSE)).enqueued == 1
    job = await world.claim()
    assert (job.tag, job.digest) == ("3.9", made_up_digest("moved"))


async def test_the_newest_of_every_item_go_first(world: World, google: Google, quay: Quay) -> None:
    newest = google.fill("google/pause", 30)[0]
    quay.fill("coreos/flannel", 30)
    await world.cycle(PAUSE, FLANNEL)
    assert [(await world.claim()).tag for _ in range(2)] == [newest, newest]


async def test_a_tag_that_failed_is_tried_again_in_the_next_cycle(world: World, google: Google) -> None:
    google.put("google/pause", "3.9")
    await world.cycle(PAUSE)
    job = await world.claim()
    await world.queue.fail(job, started_at=world.clock.now(), kind="denied", error="not allowed", retry_at=None)
    assert (await world.cycle(PAUSE)).enqueued == 1
    record = (await world.known(PAUSE))["3.9"]
    assert (record.status, record.attempts, record.error) == ("queued", 0, None)


SIGNED = replace(PAUSE, signatures=SignatureRules((KeyRule("cosign.pub", "PEM"),)))


async def refuse(world: World, tag: str = "3.9") -> str:
    """What a worker does with an image that nobody has signed; its digest."""
    job = await world.claim()
    await world.signatures.record(job.id, Finding("refused", job.digest, detail="not signed"))
    await world.queue.fail(
        job, started_at=world.clock.now(), kind="signature-refused", error="not signed", retry_at=None
    )
    return job.digest


async def test_a_refused_tag_waits_for_a_day(world: World, google: Google) -> None:
    google.put("google/pause", "3.9")
    await world.cycle(SIGNED)
    await refuse(world)
    refused = (await world.known(SIGNED))["3.9"]
    for _ in range(3):
        world.clock.advance(6 * 3600)
        [decision] = (await world.look(SIGNED)).decisions
        assert (decision.action, decision.reason) == ("wait", "signature-refused")
        assert await world.cycle(SIGNED) == Cycle(enqueued=0, failed={})
    record = (await world.known(SIGNED))["3.9"]
    assert replace(record, last_seen_at=refused.last_seen_at) == refused
    world.clock.advance(6 * 3600)
    assert (await world.cycle(SIGNED)).enqueued == 1


async def test_a_refused_tag_is_tried_when_it_moves_or_its_signature_comes_or_the_rules_change(
    world: World, google: Google
) -> None:
    google.put("google/pause", "3.9")
    await world.cycle(SIGNED)
    digest = await refuse(world)
    assert (await world.cycle(SIGNED)).enqueued == 0
    google.put("google/pause", f"{referrers_tag(digest)}.sig")
    assert (await world.cycle(SIGNED)).enqueued == 1
    await refuse(world)
    google.put("google/pause", f"{referrers_tag(digest)}.sig", digest=made_up_digest("one more signer"))
    assert (await world.cycle(SIGNED)).enqueued == 1
    await refuse(world)
    assert (await world.cycle(SIGNED)).enqueued == 0
    other = replace(SIGNED, signatures=SignatureRules((KeyRule("cosign.pub", "another PEM"),)))
    assert (await world.cycle(other)).enqueued == 1
    await refuse(world)
    assert (await world.cycle(replace(SIGNED, signatures=None))).enqueued == 1
    await world.cycle(SIGNED)
    await refuse(world)
    google.put("google/pause", "3.9", digest=made_up_digest("moved"))
    assert (await world.cycle(SIGNED)).enqueued == 1


async def test_a_look_that_somebody_asks_for_tries_a_refused_tag(world: World, google: Google) -> None:
    google.put("google/pause", "3.9")
    await world.cycle(SIGNED)
    await refuse(world)
    assert (await world.cycle(SIGNED)).enqueued == 0
    configuration = Configuration((SIGNED,), world.registries)
    asked = await world.scheduler.cycle(configuration, [SIGNED], requested=True, every_tag={str(SIGNED.target)})
    assert asked.enqueued == 1


async def test_what_is_no_longer_wanted_leaves_the_queue(world: World, google: Google) -> None:
    google.fill("google/pause", 3)
    await world.cycle(PAUSE)
    await world.cycle(replace(PAUSE, rules=Rules(limit=1)))
    assert await world.statuses(PAUSE) == {"1.3": "queued", "1.2": "skipped", "1.1": "skipped"}
    assert {record.reason for record in (await world.known(PAUSE)).values()} == {"new", "beyond-limit"}


async def test_what_was_mirrored_stays_so_when_the_rules_leave_it_out(world: World, google: Google) -> None:
    google.fill("google/pause", 3)
    await world.cycle(PAUSE)
    await world.copy_everything()
    await world.cycle(replace(PAUSE, rules=Rules(limit=1)))
    assert set((await world.statuses(PAUSE)).values()) == {"synced"}
    assert (await world.cycle(PAUSE)).enqueued == 0


async def test_an_item_whose_source_has_moved_is_not_copied_again(world: World, google: Google, quay: Quay) -> None:
    for tag in ("3.8", "3.9"):
        google.put("google/pause", tag, digest=made_up_digest(tag))
        quay.put("kubernetes/pause", tag, digest=made_up_digest(tag))
    await world.cycle(PAUSE)
    await world.copy_everything()
    quay.delete("kubernetes/pause", "3.8")
    quay.put("kubernetes/pause", "3.10")
    assert (await world.cycle(item("quay.io/kubernetes/pause"))).enqueued == 1
    known = await world.known(PAUSE)
    assert {record.source for record in known.values()} == {"quay.io/kubernetes/pause"}
    assert [tag for tag, record in known.items() if record.gone_at] == ["3.8"]


async def test_a_tag_that_upstream_drops_keeps_its_record_marked_as_gone(world: World, google: Google) -> None:
    for tag in ("3.8", "3.9"):
        google.put("google/pause", tag)
    await world.cycle(PAUSE)
    await world.copy_everything()
    google.delete("google/pause", "3.8")
    gone_at = world.clock.now()
    assert (await world.cycle(PAUSE)).enqueued == 0
    record = (await world.known(PAUSE))["3.8"]
    assert (record.status, record.gone_at, record.target_digest) == ("synced", gone_at, record.source_digest)
    world.clock.advance(3600)
    await world.cycle(PAUSE)
    assert (await world.known(PAUSE))["3.8"].gone_at == gone_at
    google.put("google/pause", "3.8")
    assert (await world.cycle(PAUSE)).enqueued == 0
    assert (await world.known(PAUSE))["3.8"].gone_at is None


async def test_a_queued_tag_that_upstream_drops_leaves_the_queue(world: World, google: Google) -> None:
    google.put("google/pause", "3.8")
    await world.cycle(PAUSE)
    google.delete("google/pause", "3.8")
    await world.cycle(PAUSE)
    assert await world.queue.claim() is None
    record = (await world.known(PAUSE))["3.8"]
    assert (record.status, record.reason) == ("skipped", "gone")


async def test_what_was_skipped_for_its_platform_waits_for_other_rules(world: World, quay: Quay) -> None:
    quay.put("coreos/flannel", "v1")
    await world.cycle(FLANNEL)
    job = await world.claim()
    lacks = NoSuchPlatform("has linux/s390x only")
    await world.queue.skip(job, started_at=world.clock.now(), reason=lacks.kind, error=str(lacks))
    for _ in range(2):
        world.clock.advance(DAY)
        assert (await world.cycle(FLANNEL)).enqueued == 0
        record = (await world.known(FLANNEL))["v1"]
        assert (record.status, record.reason, record.error) == ("skipped", "platform", "has linux/s390x only")
    assert (await world.cycle(replace(FLANNEL, platforms=Platforms.parse("linux")))).enqueued == 1


async def test_what_was_skipped_for_its_platform_is_tried_again_when_upstream_changes(world: World, quay: Quay) -> None:
    quay.put("coreos/flannel", "v1")
    await world.cycle(FLANNEL)
    await world.queue.skip(await world.claim(), started_at=world.clock.now(), reason="platform", error="s390x only")
    quay.put("coreos/flannel", "v1", digest=made_up_digest("more platforms"), pushed_at=NOON + timedelta(hours=1))
    assert (await world.cycle(FLANNEL)).enqueued == 1


# What belongs to images

SIGNED_PAUSE = item("gcr.io/google/pause", limit=1, referrers=True)


async def test_signatures_are_enqueued_after_their_images_also_when_they_appear_later(
    world: World, google: Google
) -> None:
    amd64, arm64 = (image([layer({"a": b"b"})], platform=f"linux/{name}") for name in ("amd64", "arm64"))
    google.push("google/pause", "3.8", whole := index([amd64, arm64]))
    google.push("google/pause", *signature(arm64))
    google.put("google/pause", signature(image([]))[0])  # of another image
    await world.cycle(SIGNED_PAUSE)
    assert [(await world.claim()).tag for _ in range(2)] == ["3.8", signature(arm64)[0]]
    assert await world.queue.claim() is None

    google.push("google/pause", *signature(whole))
    assert (await world.cycle(SIGNED_PAUSE)).enqueued == 1
    assert google.asked(beginning="GET /v2/google/pause/manifests/") == 0  # what is in the index is recorded
    assert (await world.claim()).tag == signature(whole)[0]


@pytest.mark.slow
async def test_a_complete_walk_sees_what_refers_to_images_by_now(world: World, google: Google) -> None:
    google.referrers = {}
    digests = [google.put("google/pause", tag).digest for tag in ("3.8", "3.9")]
    both = replace(SIGNED_PAUSE, rules=Rules(referrers=True))
    await world.cycle(both)
    await world.copy_everything()

    google.referrers[digests[0]] = [made_up_digest("signature")]
    assert (await world.cycle(both)).enqueued == 0
    assert google.asked(beginning="GET /v2/google/pause/referrers/") == 0
    world.clock.advance(DAY)
    assert (await world.cycle(both)).enqueued == 1
    assert google.asked(beginning="GET /v2/google/pause/referrers/") == 2
    job = await world.claim()
    assert (job.tag, (await world.known(both))["3.8"].reason) == ("3.8", None)

    fingerprints_now = await fingerprints(world.client, both.source, digests)
    await world.queue.succeed(
        job, started_at=world.clock.now(), target_digest=job.digest, identical=True, bytes_moved=1, bytes_reused=0,
        referrers=fingerprints_now[job.digest],
    )  # fmt: skip
    world.clock.advance(DAY)
    assert (await world.cycle(both)).enqueued == 0


@pytest.mark.slow
async def test_a_source_that_lists_no_referrers_is_asked_no_more_than_it_takes_to_see_that(
    world: World, google: Google, quay: Quay, read_log: ReadLog
) -> None:
    google.fill("google/pause", 200)
    many = replace(SIGNED_PAUSE, rules=Rules(referrers=True))
    await world.cycle(many)
    await world.copy_everything()
    world.clock.advance(DAY)
    assert (await world.cycle(many)).enqueued == 0
    assert google.asked(beginning="GET /v2/google/pause/referrers/") <= 32
    assert [line for line in read_log() if line["level"] == "warning"] == []


async def test_what_refers_to_one_image_cannot_be_told(world: World, google: Google, read_log: ReadLog) -> None:
    google.referrers = {}
    broken, whole = (google.put("google/pause", tag).digest for tag in ("3.8", "3.9"))
    both = replace(SIGNED_PAUSE, rules=Rules(referrers=True))
    await world.cycle(both)
    await world.copy_everything()
    google.fail(f"GET /v2/google/pause/referrers/{broken}", 403)
    google.referrers[whole] = [made_up_digest("signature")]
    world.clock.advance(DAY)
    assert await world.cycle(both) == Cycle(enqueued=1, failed={})
    assert any(line["event"] == "referrers_unreadable" for line in read_log())


# How far it walks


async def test_a_walk_goes_no_further_than_the_rules_do(world: World, hub: DockerHub) -> None:
    hub.fill("library/nginx", 250)
    await world.cycle(NGINX)
    assert hub.asked() == 1
    assert len(await world.known(NGINX)) == 100
    assert list((await world.statuses(NGINX)).values()).count("queued") == 5


@pytest.mark.slow
async def test_a_quiet_repository_costs_one_request_until_a_day_has_passed(world: World, hub: DockerHub) -> None:
    everything = replace(NGINX, rules=Rules())
    hub.fill("library/nginx", 250)
    await world.cycle(everything)
    assert hub.asked() == 3
    await world.copy_everything()
    for _ in range(3):
        world.clock.advance(DAY / 4)
        assert (await world.cycle(everything)).enqueued == 0
        assert hub.asked() == 1
    hub.delete("library/nginx", "1.7")
    world.restarted()
    world.clock.advance(DAY / 4)
    await world.cycle(everything)
    assert hub.asked() == 3
    assert [tag for tag, record in (await world.known(everything)).items() if record.gone_at] == ["1.7"]
    world.clock.advance(DAY / 4)
    await world.cycle(everything)
    assert hub.asked() == 1


async def test_other_rules_ask_for_a_complete_walk(world: World, hub: DockerHub) -> None:
    hub.fill("library/nginx", 250)
    await world.cycle(NGINX)
    await world.copy_everything()
    await world.cycle(NGINX)
    assert hub.asked() == 1
    wider = replace(NGINX, rules=Rules(limit=200))
    assert (await world.cycle(wider)).enqueued == 195
    assert hub.asked() == 3
    await world.cycle(wider)
    assert hub.asked() == 1


async def test_other_platforms_ask_for_a_complete_walk_and_new_copies(world: World, hub: DockerHub) -> None:
    hub.fill("library/nginx", 120)
    await world.cycle(NGINX)
    await world.copy_everything()
    assert (await world.cycle(replace(NGINX, platforms=Platforms.parse("linux/amd64")))).enqueued == 5
    assert hub.asked() == 2


async def test_the_first_walk_over_an_imported_record_is_complete(world: World, hub: DockerHub) -> None:
    hub.fill("library/nginx", 250)
    await world.take_over(NGINX, "never-was", made_up_digest("never was"))
    await world.cycle(NGINX)
    assert hub.asked() == 3
    assert (await world.known(NGINX))["never-was"].gone_at is not None


async def test_a_walk_that_failed_is_none(world: World, hub: DockerHub) -> None:
    everything = replace(NGINX, rules=Rules())
    hub.fill("library/nginx", 250)
    hub.limit("library/nginx", world.clock.now() + timedelta(hours=1))
    await world.cycle(everything)
    assert (await world.ledger.recorded(str(NGINX.target))).walk is None
    hub.answers.clear()
    world.clock.advance(2 * 3600)
    assert (await world.cycle(everything)).enqueued == 250


async def test_a_lister_can_be_chosen_in_items_yml(world: World, quay: Quay) -> None:
    quay.put("coreos/flannel", "v1")
    world.registries["quay.io"] = RegistryEntry(lister="oci")
    await world.cycle(FLANNEL)
    assert quay.asked(beginning="GET /api") == 0
    assert await world.statuses(FLANNEL) == {"v1": "queued"}


# What the old history says


def two_platforms() -> Index:
    return index([image([layer({"f": name.encode()})], platform=name) for name in ("linux/amd64", "linux/arm64")])


async def test_an_imported_digest_of_the_amd64_image_is_adopted_once(world: World, quay: Quay) -> None:
    pushed = two_platforms()
    quay.push("coreos/flannel", "v1", pushed)
    await world.take_over(FLANNEL, "v1", pushed.images[0].digest)
    assert (await world.cycle(FLANNEL)).enqueued == 0
    question = f"GET /v2/coreos/flannel/manifests/{pushed.digest}"
    assert quay.requests[question] == 1
    record = (await world.known(FLANNEL))["v1"]
    assert (record.status, record.mirrored_digest, record.synced_at) == ("synced", pushed.digest, None)
    for _ in range(2):
        world.clock.advance(DAY)
        assert (await world.cycle(FLANNEL)).enqueued == 0
        assert quay.requests[question] == 0


async def test_the_indexes_of_imported_tags_are_read_side_by_side(
    world: World, quay: Quay, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed, all_there, reading = two_platforms(), asyncio.Event(), 0
    for tag in ("v1", "v2", "v3"):
        quay.push("coreos/flannel", tag, pushed)
        await world.take_over(FLANNEL, tag, pushed.images[0].digest)

    async def read(client: RegistryClient, index: Reference) -> dict[Platform, str]:
        nonlocal reading
        reading += 1
        if reading == 3:
            all_there.set()
        await asyncio.wait_for(all_there.wait(), 30)  # one after the other, they would never meet
        return await platform_digests(client, index)

    monkeypatch.setattr("ferryman.scheduler.platform_digests", read)
    assert await world.cycle(FLANNEL) == Cycle(enqueued=0, failed={})


async def test_an_imported_digest_that_docker_hub_lists_needs_no_question(world: World, hub: DockerHub) -> None:
    tag = hub.put("library/nginx", "1.25")
    await world.take_over(NGINX, "1.25", made_up_digest(f"amd64 of {tag.digest}"))
    assert (await world.cycle(NGINX)).enqueued == 0
    assert hub.asked() == 1
    assert (await world.known(NGINX))["1.25"].mirrored_digest == tag.digest


async def test_a_platform_that_nobody_can_ask_for_does_no_harm(world: World, hub: DockerHub) -> None:
    digest = made_up_digest("amd64")
    named = [{"os": "linux", "architecture": "amd64", "digest": digest}, {"os": "a/b/c", "architecture": "d/e"}]
    hub.put("library/nginx", "1.25", images=named)
    for _ in range(2):
        assert (await world.cycle(NGINX)).failed == {}
    recorded = (await world.known(NGINX))["1.25"].platform_digests
    assert recorded is not None
    assert recorded["linux/amd64"] == digest
    assert len(recorded) == 2


async def test_an_imported_digest_that_upstream_has_left_behind_is_copied(world: World, quay: Quay) -> None:
    quay.push("coreos/flannel", "v1", two_platforms())
    await world.take_over(FLANNEL, "v1", made_up_digest("an older one"))
    assert (await world.cycle(FLANNEL)).enqueued == 1
    assert (await world.cycle(FLANNEL)).enqueued == 0


async def test_an_index_that_cannot_be_looked_into_is_copied(world: World, quay: Quay, read_log: ReadLog) -> None:
    quay.put("coreos/flannel", "v1")  # no content behind it: 404
    await world.take_over(FLANNEL, "v1", made_up_digest("amd64"))
    assert await world.cycle(FLANNEL) == Cycle(enqueued=1, failed={})
    [warning] = [line for line in read_log() if line["level"] == "warning"]
    assert (warning["item"], warning["tag"]) == ("flannel", "v1")


async def test_an_imported_unknown_digest_is_adopted(world: World, quay: Quay) -> None:
    tag = quay.put("coreos/flannel", "v1")
    await world.take_over(FLANNEL, "v1", "Unknown")
    assert (await world.cycle(FLANNEL)).enqueued == 0
    assert (await world.known(FLANNEL))["v1"].mirrored_digest == tag.digest


# What goes wrong


async def test_one_items_failure_stops_no_other_and_is_kept_until_it_is_over(
    world: World, google: Google, quay: Quay, read_log: ReadLog
) -> None:
    quay.put("coreos/flannel", "v1")
    since = world.clock.now()
    cycle = await world.cycle(PAUSE, FLANNEL)
    assert (cycle.enqueued, list(cycle.failed)) == (1, [str(PAUSE.target)])
    [trouble] = await world.ledger.lookup_failures()
    assert (trouble.item, trouble.source, trouble.since) == ("pause", str(PAUSE.source), since)
    assert trouble.error == cycle.failed[str(PAUSE.target)]
    [error] = [line for line in read_log() if line["level"] == "error"]
    assert (error["item"], error["kind"]) == ("pause", NotFound.kind)
    world.clock.advance(60)
    await world.cycle(PAUSE, FLANNEL)
    assert [each.since for each in await world.ledger.lookup_failures()] == [since]
    google.put("google/pause", "3.9")
    assert await world.cycle(PAUSE, FLANNEL) == Cycle(enqueued=1, failed={})
    assert await world.ledger.lookup_failures() == []


async def test_a_defect_in_one_item_stops_no_other(world: World, google: Google, quay: Quay) -> None:
    google.put("google/pause", "3.9")
    world.scheduler._listers["quay.io", None] = Raising(RuntimeError("a slip"))
    cycle = await world.cycle(FLANNEL, PAUSE)
    assert (cycle.enqueued, list(cycle.failed)) == (1, [str(FLANNEL.target)])


async def test_every_item_that_was_looked_at_is_told_also_one_that_failed(world: World, quay: Quay) -> None:
    quay.put("coreos/flannel", "v1")
    cycle = await world.cycle(PAUSE, FLANNEL)
    told = [event for event in world.emitted if isinstance(event, ItemLooked)]
    assert (len(cycle.failed), len(told)) == (1, 2)


async def test_the_time_that_a_look_took_is_told(world: World) -> None:
    class Slow(Raising):
        def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
            world.clock.advance(7)
            return super().pages(repository)

    world.scheduler._listers["quay.io", None] = Slow(NotFound("no such repository"))
    await world.cycle(FLANNEL)
    assert [event.seconds for event in world.emitted if isinstance(event, ItemLooked)] == [7]


async def test_a_cycle_tells_what_it_does(world: World, google: Google) -> None:
    google.put("google/pause", "3.9")
    world.scheduler._listers["quay.io", None] = Raising(NotFound("no such repository"))
    await world.cycle(PAUSE, FLANNEL)
    began, *during, ended = world.emitted
    assert began == CycleStarted(2)
    started = [event for event in during if isinstance(event, LookStarted)]
    looked = [event for event in during if isinstance(event, ItemLooked)]
    assert len(started) + len(looked) == len(during)
    assert sorted(event.item for event in started) == ["flannel", "pause"]
    assert {(event.item, event.outcome, event.tags, event.enqueued) for event in looked} == {
        ("pause", "looked", 1, 1),
        ("flannel", "failed", 0, 0),
    }
    assert ended == CycleEnded("done", 2, enqueued=1, items_failed=1)


async def test_a_cycle_that_is_stopped_ends_as_well(world: World) -> None:
    world.scheduler._listers["gcr.io", None] = endless = Endless()
    cycle = asyncio.create_task(world.cycle(PAUSE))
    await endless.asked.wait()
    cycle.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cycle
    look = LookStarted("pause", str(PAUSE.source), str(PAUSE.target))
    assert world.emitted == [CycleStarted(1), look, CycleEnded("stopped", 1)]


async def test_a_database_that_fails_ends_the_cycle_and_leaves_nothing_running(world: World, quay: Quay) -> None:
    quay.put("coreos/flannel", "v1")
    world.scheduler._listers["gcr.io", None] = Endless()
    with sqlite3.connect(world.file) as direct:
        direct.execute("CREATE TRIGGER fault BEFORE INSERT ON walks BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    direct.close()
    with pytest.raises(StoreError, match="disk is full"):
        await world.cycle(PAUSE, FLANNEL)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert isinstance(ended := world.emitted[-1], CycleEnded)
    assert ended.outcome == "failed"
    assert "disk is full" in str(ended.error)


async def test_a_failed_look_leaves_what_is_known(world: World, google: Google) -> None:
    google.put("google/pause", "3.9")
    await world.cycle(PAUSE)
    before = await world.known(PAUSE)
    google.fail("GET /v2/google/pause/tags/list", 500)
    assert str(PAUSE.target) in (await world.cycle(PAUSE)).failed
    assert await world.known(PAUSE) == before


# Tags that cannot be read

BY_NAME = {"quay.io": RegistryEntry(lister="oci")}  # a list that tells names only
V1 = "HEAD /v2/coreos/flannel/manifests/v1"


@pytest.mark.parametrize("status", [403, 402, 500, 302])
async def test_a_wanted_tag_that_cannot_be_read_has_failed_until_it_can(
    world: World, quay: Quay, read_log: ReadLog, status: int
) -> None:
    world.registries |= BY_NAME
    quay.put("coreos/flannel", "v1")
    quay.put("coreos/flannel", "v2")
    for method in ("HEAD", "GET"):  # as 302 it leads back to itself
        quay.fail(f"{method} /v2/coreos/flannel/manifests/v1", status, Location="/v2/coreos/flannel/manifests/v1")

    for _ in range(2):
        cycle = await world.cycle(FLANNEL)
        [told] = cycle.unread
        assert (told.target, told.tag, told.temporary) == (str(FLANNEL.target), "v1", status == 500)
        record = (await world.known(FLANNEL))["v1"]
        assert (record.status, record.reason, record.error) == ("failed", "unreadable", told.error)
        assert "coreos/flannel:v1" in told.error
    assert (await world.known(FLANNEL))["v2"].status == "queued"
    assert {(line["item"], line["tag"]) for line in read_log() if line["level"] == "warning"} == {("flannel", "v1")}

    quay.answers.clear()
    assert (await world.cycle(FLANNEL)) == Cycle(enqueued=1, failed={})
    record = (await world.known(FLANNEL))["v1"]
    assert (record.status, record.error, record.error_kind) == ("queued", None, None)


async def test_what_was_mirrored_stays_so_with_the_error_beside_it(world: World, quay: Quay) -> None:
    world.registries |= BY_NAME
    quay.put("coreos/flannel", "v1", digest=made_up_digest("old"))
    await world.cycle(FLANNEL)
    await world.copy_everything()
    quay.put("coreos/flannel", "v1", digest=made_up_digest("new"))
    quay.fail(V1, 403)
    assert [each.tag for each in (await world.cycle(FLANNEL)).unread] == ["v1"]
    record = (await world.known(FLANNEL))["v1"]
    assert (record.status, record.mirrored_digest, record.error_kind) == ("synced", made_up_digest("old"), "denied")
    assert [each.tag async for each in world.ledger.tags(failed=True)] == ["v1"]

    await world.queue.withdraw_items([])  # an item that is no more has no trouble
    assert [each async for each in world.ledger.tags(failed=True)] == []
    await world.cycle(FLANNEL)
    quay.answers.clear()
    assert (await world.cycle(FLANNEL)) == Cycle(enqueued=1, failed={})
    assert [each async for each in world.ledger.tags(failed=True)] == []


async def test_a_queued_tag_that_cannot_be_read_any_more_is_told_and_stays_queued(world: World, quay: Quay) -> None:
    world.registries |= BY_NAME
    quay.put("coreos/flannel", "v1")
    await world.cycle(FLANNEL)
    quay.fail(V1, 403)
    assert [each.tag for each in (await world.cycle(FLANNEL)).unread] == ["v1"]
    assert await world.statuses(FLANNEL) == {"v1": "queued"}


async def test_only_what_could_not_be_read_is_read_again(world: World, quay: Quay) -> None:
    world.registries |= BY_NAME
    for tag in ("v1", "v2", "v3"):
        quay.put("coreos/flannel", tag)
    quay.fail(V1, 403)
    await world.cycle(FLANNEL)
    walk = (await world.ledger.recorded(str(FLANNEL.target))).walk
    quay.answers.clear()
    quay.forget_requests()
    world.clock.advance(DAY)  # a complete walk is due, and that is for the next cycle
    again = await world.scheduler.cycle(Configuration((FLANNEL,), world.registries), [FLANNEL], only_unread=True)
    assert again == Cycle(enqueued=1, failed={})
    assert not {line.rpartition("/")[2] for line in quay.requests} & {"list", "v2", "v3"}
    after = (await world.ledger.recorded(str(FLANNEL.target))).walk
    assert walk is not None
    assert after is not None
    assert after.completed_at == walk.completed_at
    assert set((await world.statuses(FLANNEL)).values()) == {"queued"}


async def test_a_tag_of_unknown_age_may_be_the_newest(world: World, quay: Quay) -> None:
    world.registries |= BY_NAME
    for day, tag in enumerate(("v1", "v2", "v3"), start=1):
        quay.push("coreos/flannel", tag, image([layer({"a": tag.encode()})], created=f"2026-01-0{day}T00:00:00Z"))
    newest = replace(FLANNEL, rules=Rules(limit=1))
    digest = quay.digest("coreos/flannel", "v3")
    quay.fail("GET /v2/coreos/flannel/manifests/v3", 415)  # by HEAD it has a digest all the same
    quay.fail(f"GET /v2/coreos/flannel/manifests/{digest}", 500)
    cycle = await world.cycle(newest)
    assert (cycle.enqueued, [each.tag for each in cycle.unread]) == (1, ["v3"])
    record = (await world.known(newest))["v3"]
    assert record.status == "failed"
    assert "it may be one of the newest" in (record.error or "")
    quay.answers.clear()
    assert (await world.cycle(newest)).enqueued == 1
    assert await world.statuses(newest) == {"v1": "skipped", "v2": "skipped", "v3": "queued"}


def without_digest_of(tag: str) -> Callable[[dict[str, Any]], Any]:
    """Old tags have none in Docker Hub's list."""

    def edit(page: dict[str, Any]) -> Any:
        return page | {
            "results": [each | {"digest": None} if each["name"] == tag else each for each in page["results"]]
        }

    return edit


async def test_what_no_list_told_is_asked_for_wherever_a_walk_ends(world: World, hub: DockerHub) -> None:
    *_, oldest = hub.fill("library/nginx", 150)
    everything = replace(NGINX, rules=Rules())
    hub.edit = without_digest_of(oldest)
    hub.fail(f"HEAD /v2/library/nginx/manifests/{oldest}", 403)
    await world.cycle(everything)
    hub.answers.clear()
    cycle = await world.cycle(everything)
    assert (cycle.enqueued, cycle.unread, hub.asked()) == (1, (), 2)  # a page, and that tag


# How often it asks for digests that no list tells

PLAIN = item("quay.io/coreos/plain", target="plain")
RELEASES = 200
PAGES = 3  # of the list


class Week:
    """Cycles of six hours over a source that lists names only, and their questions for digests."""

    def __init__(self, world: World, quay: Quay, **keys: object) -> None:
        world.registries |= BY_NAME
        self.world, self.quay = world, quay
        # Its target is another stand-in, so that questions there count as well.
        target = Repository.parse("gcr.io/mirror/plain")
        self.item: Item = replace(PLAIN, target=target, **keys)  # type: ignore[arg-type]  # a test's own words
        self.names = [f"v1.2.{number}" for number in range(RELEASES)]
        self.asked: list[int] = []  # HEADs and GETs for manifests in each cycle

    async def begin(self) -> None:
        """Mirror everything."""
        for name in [*self.names, "latest", "1.27"]:
            self.quay.push("coreos/plain", name, image([layer({"a": name.encode()})]))
        assert await self.cycle() == self.names_in_order(*self.names, "latest", "1.27")
        self.asked.clear()

    async def cycle(self, *, requested: bool = False) -> list[str]:
        """Look, and copy what was found. Returns the copied tags; six hours pass."""
        for upstream in self.world.upstreams.values():
            upstream.forget_requests()
        configuration = Configuration((self.item,), self.world.registries)
        every_tag = {str(self.item.target)} if requested else set()
        await self.world.scheduler.cycle(configuration, [self.item], requested=requested, every_tag=every_tag)
        copied = []
        while job := await self.world.queue.claim():
            copied.append(job.tag)
            self.world.upstreams["gcr.io"].put("mirror/plain", job.tag, digest=job.digest)
            await self.world.succeed(job)
        self.asked.append(self.quay.asked(beginning="HEAD ") + self.quay.asked(beginning="GET /v2/coreos/plain/m"))
        self.world.clock.advance(DAY / 4)
        return self.names_in_order(*copied)

    def names_in_order(self, *names: str) -> list[str]:
        return sorted(names)

    def was_asked(self, name: str) -> int:
        return self.quay.requests[f"HEAD /v2/coreos/plain/manifests/{name}"]

    def move(self, name: str) -> None:
        self.quay.push("coreos/plain", name, image([layer({"a": f"{name} again".encode()})]))


@pytest.mark.slow
@pytest.mark.no_cover
async def test_a_quiet_week_asks_for_each_release_once_a_day_and_nothing_of_the_target(
    world: World, quay: Quay, google: Google
) -> None:
    week = Week(world, quay)
    await week.begin()
    for _ in range(28):
        assert await week.cycle() == []
        assert google.asked() == 0
        assert quay.asked() == week.asked[-1] + PAGES
        assert week.was_asked("latest") == 1
        world.restarted()  # what is known outlives the process
    assert sum(week.asked) == 2 * 28 + 7 * RELEASES  # `latest`, `1.27`, and each release
    assert max(week.asked) <= 0.35 * RELEASES


@pytest.mark.slow
@pytest.mark.no_cover
async def test_a_quiet_week_asks_for_tags_that_are_declared_immutable_once(world: World, quay: Quay) -> None:
    week = Week(world, quay, immutable=(re.compile(r"v\d+\.\d+\.\d+"),))
    await week.begin()
    for _ in range(28):
        assert await week.cycle() == []
    assert sum(week.asked) == 2 * 28 + RELEASES  # `latest`, `1.27`, and each release
    assert sum(week.asked) / 28 <= 0.05 * RELEASES
    assert max(week.asked) <= 0.1 * RELEASES


@pytest.mark.slow
async def test_everything_is_asked_for_always_where_an_item_says_so(world: World, quay: Quay) -> None:
    week = Week(world, quay, probe="always")
    await week.begin()
    for _ in range(2):
        await week.cycle()
    assert week.asked == 2 * [RELEASES + 2]


@pytest.mark.slow
@pytest.mark.no_cover
async def test_a_moved_latest_is_seen_in_the_next_cycle_and_a_moved_version_within_a_day(
    world: World, quay: Quay
) -> None:
    week = Week(world, quay)
    await week.begin()
    for _ in range(5):
        await week.cycle()
    week.move("latest")
    week.move("1.27")
    assert await week.cycle() == ["1.27", "latest"]
    moved = week.names[::10]
    for name in moved:
        week.move(name)
    seen = [name for _ in range(4) for name in await week.cycle()]
    assert sorted(seen) == week.names_in_order(*moved)
    await week.cycle()
    assert all(week.was_asked(name) for name in moved)  # what moved lately is asked for in every cycle


@pytest.mark.slow
async def test_new_tags_among_many_cost_their_own_questions_and_the_list(world: World, quay: Quay) -> None:
    week = Week(world, quay)
    await week.begin()
    world.clock.advance(-DAY / 4 + 60)  # a minute after the last cycle
    new = [f"v1.3.{number}" for number in range(10)]
    for name in new:
        week.quay.push("coreos/plain", name, image([layer({"a": name.encode()})]))
    assert await week.cycle() == new
    manifests_and_configs, floating = 2 * len(new), week.was_asked("latest") + week.was_asked("1.27")
    assert quay.asked() - floating <= 1.1 * (manifests_and_configs + PAGES)  # the time of a release may have come
    assert floating == 2


@pytest.mark.parametrize("requested", [False, True])
async def test_a_look_that_somebody_asks_for_asks_for_everything(world: World, quay: Quay, requested: bool) -> None:
    week = Week(world, quay)
    await week.begin()
    world.clock.advance(-DAY / 4 + 60)
    week.move("v1.2.3")
    assert await week.cycle(requested=requested) == (["v1.2.3"] if requested else [])
    assert (week.asked[0] > RELEASES) == requested


async def test_a_tag_that_is_requeued_is_asked_for_in_the_next_look(world: World, quay: Quay) -> None:
    week = Week(world, quay)
    await week.begin()
    world.clock.advance(-DAY / 4 + 60)
    week.move("v1.2.3")
    await world.queue.requeue(targets=[str(week.item.target)], tag="v1.2.3")
    await world.copy_everything()
    assert await week.cycle() == ["v1.2.3"]


async def test_a_question_that_failed_is_asked_again_in_the_next_cycle(world: World, quay: Quay) -> None:
    week = Week(world, quay)
    await week.begin()
    for _ in range(4):
        quay.answers |= {f"{verb} /v2/coreos/plain/manifests/v1.2.7": web.HTTPForbidden for verb in ("HEAD", "GET")}
        await week.cycle()
        if (failed := week.was_asked("v1.2.7")) > 0:
            break
    assert failed
    await week.cycle()
    assert week.was_asked("v1.2.7")
    quay.answers.clear()
    await week.cycle()
    assert week.was_asked("v1.2.7")
    await week.cycle()
    assert not week.was_asked("v1.2.7")


async def test_a_version_tag_that_has_moved_is_copied_and_warned_of(
    world: World, quay: Quay, read_log: ReadLog
) -> None:
    week = Week(world, quay, immutable=(re.compile("v.*"),))
    await week.begin()
    week.move("v1.2.3")
    assert await week.cycle(requested=True) == ["v1.2.3"]
    (line,) = [line for line in read_log() if line["event"] == "version_tags_changed"]
    assert (line["level"], line["tags"], line["number"]) == ("warning", "v1.2.3", 1)


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("years", [-3, 3])
async def test_a_clock_that_is_set_asks_for_everything_once(world: World, quay: Quay, years: int) -> None:
    week = Week(world, quay)
    await week.begin()
    for by in (years, -years):
        world.clock.set_by(by * 365 * DAY)
        for _ in range(5):
            await week.cycle()
        assert RELEASES <= sum(week.asked) <= 2.5 * RELEASES
        week.asked.clear()


# What lacks the platform takes no place

ONE_OF_PAUSE = replace(PAUSE, rules=Rules(limit=1), platforms=Platforms.parse("linux/amd64"))


async def test_a_tag_without_wanted_platforms_leaves_its_place_to_the_next(world: World, google: Google) -> None:
    google.fill("google/pause", 3)  # the list tells no platforms
    began_at = world.clock.now()
    for tag in ("1.3", "1.2"):
        await world.cycle(ONE_OF_PAUSE)
        job = await world.claim()
        assert job.tag == tag
        world.clock.advance(1)
        assert await world.ledger.targets_lacking_platforms([job.target], since=began_at) == set()
        await world.queue.skip(job, started_at=world.clock.now(), reason="platform", error="for arm64 only")
        assert await world.ledger.targets_lacking_platforms([job.target, "another"], since=began_at) == {job.target}
        assert await world.ledger.targets_lacking_platforms(["another"], since=began_at) == set()
        world.clock.advance(1)
    assert (await world.cycle(ONE_OF_PAUSE)).enqueued == 1
    assert await world.ledger.targets_lacking_platforms([str(PAUSE.target)], since=began_at) == set()
    assert await world.statuses(PAUSE) == {"1.3": "skipped", "1.2": "skipped", "1.1": "queued"}

    google.put("google/pause", "1.3", digest=made_up_digest("with amd64"), pushed_at=NOON + timedelta(days=9))
    await world.cycle(ONE_OF_PAUSE)
    assert (await world.statuses(PAUSE))["1.3"] == "queued"


async def test_a_tag_without_the_platform_is_read_again_when_its_name_is_all_that_a_list_tells(
    world: World, quay: Quay
) -> None:
    world.registries |= BY_NAME
    one = replace(FLANNEL, rules=Rules(limit=1, order="version"), platforms=Platforms.parse("linux/amd64"))
    quay.push("coreos/flannel", "v1", image([layer({"a": b"1"})]))
    quay.push("coreos/flannel", "v2", image([layer({"a": b"2"})], platform="linux/arm64"))
    for _ in range(2):
        await world.cycle(one)
        assert await world.statuses(one) == {"v1": "queued", "v2": "skipped"}
    quay.push("coreos/flannel", "v2", image([layer({"a": b"3"})]))
    await world.cycle(one)
    assert await world.statuses(one) == {"v1": "skipped", "v2": "queued"}


async def test_a_free_place_is_filled_from_pages_that_no_walk_came_to(world: World, hub: DockerHub) -> None:
    names = hub.fill("library/nginx", 250)
    most = replace(NGINX, rules=Rules(limit=100))
    await world.cycle(most)
    job = await world.claim()
    await world.queue.skip(job, started_at=world.clock.now(), reason="platform", error="for arm64 only")
    await world.copy_everything()
    world.clock.advance(1)
    assert (await world.cycle(most)).enqueued == 1
    assert (await world.claim()).tag == names[100]


async def test_a_pin_that_upstream_does_not_have_is_told_once_a_look(
    world: World, quay: Quay, hub: DockerHub, read_log: ReadLog
) -> None:
    quay.put("coreos/flannel", "1.0")
    oldest = hub.fill("library/nginx", 300)[-1]  # on a page that no walk comes to
    items = [
        replace(FLANNEL, rules=Rules(pin=(re.compile(r"1\.0"), re.compile("lastest"), re.compile("v.*")))),
        replace(NGINX, rules=Rules(limit=5, pin=(re.compile(oldest), re.compile("lastest")))),
    ]
    for _ in range(2):
        await world.cycle(*items)
        told = [line for line in read_log() if line["event"] == "pins_missing"]
        assert sorted((line["item"], line["pins"]) for line in told) == [("flannel", "lastest"), ("nginx", "lastest")]


async def test_an_include_that_matches_nothing_is_told_once_a_look(
    world: World, quay: Quay, hub: DockerHub, read_log: ReadLog
) -> None:
    quay.put("coreos/flannel", "v1.0")
    hub.fill("library/nginx", 300)
    items = [
        replace(FLANNEL, rules=Rules(include=tuple(map(re.compile, ("v1.*", "v2.*", "1.0"))))),
        # A walk that ends at its first page does not know what is further down.
        replace(NGINX, rules=Rules(limit=5, include=(re.compile(r"1\.[12].*"), re.compile("1.1")))),
        replace(item("docker.io/library/nginx", target="none"), rules=Rules(limit=5, include=(re.compile("stable"),))),
    ]
    for _ in range(2):
        await world.cycle(*items)
        told = [line for line in read_log() if line["event"] == "includes_unmatched"]
        assert sorted((line["item"], line["include"]) for line in told) == [
            ("flannel", "v2.*, 1.0"),
            ("nginx", "stable"),
        ]


async def test_a_pin_that_cannot_be_looked_at_is_not_called_absent(world: World, hub: DockerHub) -> None:
    oldest = hub.fill("library/nginx", 300)[-1]
    hub.fail(f"HEAD /v2/library/nginx/manifests/{oldest}", 403)
    looked = await world.look(replace(NGINX, rules=Rules(limit=5, pin=(re.compile(oldest),))))
    assert [problem.tag for problem in looked.survey.problems] == [oldest]
    assert looked.absent_pins == ()


async def test_a_limit_of_the_source_holds_its_tags(world: World, google: Google, quay: Quay) -> None:
    google.put("google/pause", "3.9")
    quay.put("coreos/flannel", "v1")
    await world.cycle(PAUSE)
    google.fail("GET /v2/google/pause/tags/list", 429, **{"Retry-After": "3600"})
    until = world.clock.now() + timedelta(hours=1)
    cycle = await world.cycle(PAUSE, FLANNEL)
    assert (cycle.enqueued, list(cycle.failed)) == (1, [str(PAUSE.target)])
    [state] = await world.queue.paused_registries()
    assert (state.registry, state.until) == ("gcr.io", until)
    assert (await world.known(PAUSE))["3.9"].run_at == until
    assert (await world.claim()).source == str(FLANNEL.source)
    assert [trouble.item for trouble in await world.ledger.lookup_failures()] == ["pause"]


async def test_a_limit_of_the_tag_api_lets_its_registrys_copies_go_on(world: World, hub: DockerHub) -> None:
    until = world.clock.now() + timedelta(hours=1)
    hub.put("library/nginx", "1.25")
    await world.cycle(NGINX)
    hub.limit("library/nginx", until)
    assert list((await world.cycle(NGINX)).failed) == [str(NGINX.target)]
    [state] = await world.queue.paused_registries()
    assert (state.registry, state.until) == (hub.host, until)
    assert (await world.claim()).tag == "1.25"


@pytest.mark.parametrize("refusals", [1, 2])
async def test_a_source_that_refuses_a_login_and_takes_it_then_is_looked_at_once_more(
    world: World, quay: Quay, refusals: int
) -> None:
    quay.put("coreos/flannel", "v1")
    challenge = {"WWW-Authenticate": 'Basic realm="r"'}
    quay.answers["GET /v2/"] = lambda: web.Response(status=401 if quay.asked() % 2 else 200, headers=challenge)
    world.client.configure(
        hosts={"quay.io": RegistryOptions(endpoint=quay.url, api=quay.url)},
        credentials=CredentialStore(
            explicit={"quay.io": Credential("me", "right")}, clock=world.clock, environment={"HOME": "/nonexistent"}
        ),
    )
    world.scheduler._listers["quay.io", None] = RaisingAtFirst(
        LoginRefused("401 for a moment", registry="quay.io"), refusals, QuayLister(world.client)
    )
    cycle = await world.cycle(FLANNEL)
    # Taken once and refused again: then it is paused all the same, or every item would go on showing the login.
    assert (cycle.enqueued, len(cycle.failed), len(await world.queue.paused_registries())) == (
        (1, 0, 0) if refusals == 1 else (0, 1, 1)
    )


async def test_a_paused_source_is_not_asked_at_all(world: World, quay: Quay, google: Google) -> None:
    quay.put("coreos/flannel", "v1")
    google.put("google/pause", "3.9")
    await world.pauses.pause_after_refusal("quay.io", error="wrong password")
    [state] = await world.queue.paused_registries()
    assert await world.queue.claim_login(state)  # a cycle has just tried it: the next try is a minute off
    cycle = await world.cycle(FLANNEL, PAUSE)
    assert cycle == Cycle(enqueued=1, failed={str(FLANNEL.target): "wrong password"})
    assert quay.asked() == 0
    await world.queue.resume("quay.io")
    assert (await world.cycle(FLANNEL, PAUSE)).enqueued == 1
    assert await world.ledger.lookup_failures() == []


async def test_a_refused_login_pauses_the_source_and_is_told_once(
    world: World, quay: Quay, google: Google, read_log: ReadLog
) -> None:
    world.scheduler._listers["quay.io", None] = Raising(LoginRefused("wrong password", registry="quay.io"))
    items = [item(f"quay.io/coreos/{name}") for name in ("etcd", "flannel", "prometheus")]
    cycle = await world.cycle(*items)
    assert set(cycle.failed.values()) == {"wrong password"}
    assert len(await world.ledger.lookup_failures()) == 3
    [state] = await world.queue.paused_registries()
    assert (state.registry, state.until) == ("quay.io", None)
    assert [line["message"] for line in read_log() if line["level"] == "error"] == [
        "registry paused: its login is tried again in later cycles, or change it, or `ferryman requeue`",
        "cannot look at the source",
    ]  # fmt: skip


# What persons have paused


@pytest.mark.parametrize("scope", ["all", "item", "source", "target"])
async def test_what_a_person_has_paused_is_not_asked_for(world: World, quay: Quay, google: Google, scope: str) -> None:
    google.put("google/pause", "3.9")
    quay.put("coreos/etcd", "v3.5", pushed_at=NOON)
    etcd = item("quay.io/coreos/etcd")
    paused: dict[str, tuple[PauseScope, str]] = {
        "all": ("all", ""), "item": ("item", str(etcd.target)),
        "source": ("registry", "quay.io"), "target": ("registry", etcd.target.registry),
    }  # fmt: skip
    await world.manual_pauses.pause(*paused[scope], intent=Intent("cli:me@here", "pause", scope))
    cycle = await world.cycle(etcd)
    assert cycle == Cycle(0, {}, paused=frozenset([str(etcd.target)]))
    assert not quay.requests
    [looked] = [event for event in world.emitted if isinstance(event, ItemLooked)]
    assert (looked.outcome, looked.error, looked.error_kind) == ("paused", "paused by cli:me@here", "paused")
    with closing(sqlite3.connect(world.file)) as direct:
        assert direct.execute("SELECT outcome, error FROM looks").fetchall() == [("paused", "paused by cli:me@here")]
    assert await world.ledger.lookup_failures() == []
    await world.manual_pauses.resume(*paused[scope], intent=Intent("cli:me@here", "resume", scope))
    assert (await world.cycle(etcd)).enqueued == 1


async def test_the_login_of_a_registry_that_a_person_has_paused_is_not_tried(world: World, quay: Quay) -> None:
    await world.pauses.pause_after_refusal("quay.io", error="refused")
    await world.manual_pauses.pause("registry", "quay.io", intent=Intent("me", "pause", "quay.io"))
    world.clock.advance(DAY)
    await world.cycle(item("quay.io/coreos/etcd"))
    assert not quay.requests
    assert [state.tries for state in await world.queue.paused_registries()] == [0]


# Any history


class Shelf:
    """A repository in memory, listed newest first, three tags a page."""

    def __init__(self) -> None:
        self.tags: dict[str, UpstreamTag] = {}
        self._now = NOON

    def push(self, name: str, content: str) -> None:
        self._now += timedelta(minutes=1)
        self.tags[name] = UpstreamTag(name, made_up_digest(f"{name} {content}"), self._now)

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        newest_first = sorted(self.tags.values(), key=lambda tag: tag.pushed_at or NOON, reverse=True)
        for start in range(0, len(newest_first), 3):
            yield Page(newest_first[start : start + 3], newest_first=True)


BY_ME = Intent("me", "pause", "something")
OF_PAUSE: dict[str, tuple[PauseScope, str]] = {
    "all": ("all", ""),
    "item": ("item", str(PAUSE.target)),
    "registry": ("registry", PAUSE.source.registry),
}
steps = st.one_of(
    st.tuples(st.just("push"), st.sampled_from("abcdefgh"), st.sampled_from("12")),
    st.tuples(st.just("delete"), st.sampled_from("abcdefgh")),
    st.tuples(st.just("cycle")),
    st.tuples(st.just("copy"), st.integers(1, 4)),
    st.tuples(st.just("limit"), st.integers(0, 9)),
    st.tuples(st.just("hours"), st.sampled_from([6, 25])),
    st.tuples(st.just("pause"), st.sampled_from(["all", "item", "registry"])),
    st.tuples(st.just("resume"), st.sampled_from(["all", "item", "registry"])),
    st.tuples(st.just("cancel")),
)


@pytest.mark.slow
@pytest.mark.no_cover
@given(st.lists(steps, max_size=25))
@settings(max_examples=30)
def test_whatever_happens_the_wanted_tags_are_mirrored_in_the_end_and_none_twice(
    history: list[tuple[object, ...]],
) -> None:
    asyncio.run(live_through(history))


async def live_through(history: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = await open_new_database(Path(folder) / "ferryman.db")
        client = open_client()
        world, shelf, one = World(database, client, ManualClock(), {}), Shelf(), PAUSE
        paused: set[str] = set()
        world.scheduler._listers["gcr.io", None] = shelf
        for what, *told in history:
            match what, told:
                case "push", [str(name), str(content)]:
                    shelf.push(name, content)
                case "delete", [str(name)]:
                    shelf.tags.pop(name, None)
                case "cycle", []:
                    await world.cycle(one)
                case "copy", [int(number)]:
                    await copy_some(world, 0 if paused else number)
                    assert not paused or await world.queue.claim() is None
                case "limit", [int(limit)]:
                    one = replace(one, rules=Rules(limit=limit))
                case "hours", [int(hours)]:
                    world.clock.advance(hours * 3600)
                case _:
                    await interfere(world, paused, what, *told)
        for scope in paused:
            await world.manual_pauses.resume(*OF_PAUSE[scope], intent=BY_ME)
        await world.cycle(one)
        world.clock.advance(DAY)
        await world.cycle(one)  # to the end: the first one ever stops where the limit is met
        await copy_some(world, 99)
        assert (await world.cycle(one)).enqueued == 0
        known = await world.known(one)
        for tag in RuleSelector(one.rules, None, Platform.parse("linux/amd64")).select(shelf.tags.values()):
            assert (known[tag.name].status, known[tag.name].mirrored_digest) == ("synced", tag.digest)
        assert {name for name, record in known.items() if record.gone_at is None} == shelf.tags.keys()
        await client.aclose()
        await database.close()


async def interfere(world: World, paused: set[str], what: object, scope: object = "") -> None:
    """What a person does: pause, resume, or cancel a copy that has begun."""
    if what == "pause":
        paused.add(str(scope))
        await world.manual_pauses.pause(*OF_PAUSE[str(scope)], intent=BY_ME)
    elif what == "resume":
        paused.discard(str(scope))
        await world.manual_pauses.resume(*OF_PAUSE[str(scope)], intent=BY_ME)
    elif (job := await world.queue.claim()) is not None:
        assert not paused
        assert await world.queue.cancel(job.target, job.tag, intent=BY_ME)
        assert await world.queue.heartbeat() == frozenset()


async def copy_some(world: World, number: int) -> None:
    for _ in range(number):
        job = await world.queue.claim()
        if job is None:
            return
        before = await world.ledger.tag(job.target, job.tag)
        assert before is not None
        assert before.mirrored_digest != job.digest
        await world.succeed(job)


# Looking only


async def test_looking_changes_nothing(world: World, hub: DockerHub) -> None:
    hub.fill("library/nginx", 20)
    await world.cycle(NGINX)
    await world.copy_everything()
    hub.put("library/nginx", "2.0", pushed_at=NOON + timedelta(days=1))
    hub.put("library/nginx", "1.20", digest=made_up_digest("moved"), pushed_at=NOON + timedelta(days=1))
    before = world.dump()
    looked = await world.look(replace(NGINX, rules=Rules(limit=3, exclude=(re.compile(r"1\.19"),))))
    assert world.dump() == before
    told = {each.tag: (each.action, each.reason) for each in looked.decisions}
    assert told["2.0"] == ("copy", "new")
    assert told["1.20"] == ("copy", "changed")
    assert told["1.19"] == ("skip", "excluded")
    assert told["1.18"] == ("keep", "up-to-date")
    assert told["1.17"] == ("skip", "beyond-limit")
    assert looked.decisions[0].rank == 0


async def test_looking_at_what_cannot_be_looked_at_raises_and_changes_nothing(world: World) -> None:
    before = world.dump()
    with pytest.raises(NotFound):
        await world.look(PAUSE)
    assert world.dump() == before


# Looks without an end, and a clock that is set


async def test_an_item_whose_look_has_no_end_does_not_keep_a_cycle_from_ending(
    world: World, quay: Quay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferryman.scheduler._LOOKUP_TIMEOUT", 0.2)
    world.scheduler._listers["gcr.io", None] = Endless()
    async with asyncio.timeout(60):
        cycle = await world.cycle(PAUSE)
    assert "could not be looked at within" in cycle.failed[str(PAUSE.target)]
    assert [trouble.item for trouble in await world.ledger.lookup_failures()] == ["pause"]


@pytest.mark.parametrize("ahead", [120, DAY / 3, 400 * DAY])
async def test_a_clock_that_is_set_back_keeps_no_tag_from_being_queued_or_claimed(
    world: World, quay: Quay, ahead: float
) -> None:
    world.clock.set_by(ahead)
    quay.put("coreos/flannel", "v1")
    assert (await world.cycle(FLANNEL)).enqueued == 1
    world.clock.set_by(-ahead)
    quay.put("coreos/flannel", "v2")
    assert (await world.cycle(FLANNEL)).enqueued == 1
    assert await world.copy_everything() == 2
