"""No digest is claimed before it is old enough, whatever happens meanwhile; and `plan` says beforehand what happens."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.items.model import Rules
from ferryman.kinds import PauseScope
from ferryman.planner import Decision
from ferryman.store.records import Job, TagRecord
from tests.item_life import BY_ME, Life
from tests.test_quiet_looks import HOUR, Shelf, query, world_of
from tests.test_scheduler import PAUSE, World

AGED = replace(PAUSE, rules=Rules(min_age=timedelta(hours=72)))
TARGET = str(PAUSE.target)


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf(ordered=False)
    shelf.push("a", "1")
    return shelf


@pytest.fixture
async def world(tmp_path: Path, shelf: Shelf) -> AsyncIterator[World]:
    async with world_of(shelf, tmp_path) as world:
        yield world


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


async def test_a_new_digest_waits_and_comes_free_without_a_look(world: World) -> None:
    began = world.clock.now()
    await world.cycle(AGED)
    record = (await world.known(AGED))["a"]
    assert (record.status, record.reason, record.upstream_since) == ("queued", "quarantine", began)
    assert record.run_at == record.quarantined_until == began + hours(72)
    left = await world.queue.outstanding()
    assert (left.due, left.waiting, left.quarantined, left.next_at) == (0, 0, 1, None)
    world.clock.advance(72 * HOUR - 1)
    assert await world.queue.claim() is None
    world.clock.advance(1)
    assert (await world.claim()).tag == "a"


async def test_a_push_starts_the_wait_again_and_the_earlier_copy_stays(world: World, shelf: Shelf) -> None:
    await world.cycle(PAUSE)
    await world.copy_everything()
    mirrored = (await world.known(PAUSE))["a"].mirrored_digest
    for content in "23":
        shelf.push("a", content)
        world.clock.advance(48 * HOUR)
        await world.cycle(AGED)
        record = (await world.known(AGED))["a"]
        assert record.quarantined_until == world.clock.now() + hours(72)
        assert record.mirrored_digest == mirrored


async def test_what_the_target_has_is_repaired_and_adapted_at_once(world: World) -> None:
    await world.cycle(PAUSE)
    await world.copy_everything()
    await world.cycle(AGED)
    await world.queue.requeue(targets=[TARGET], tag="a", intent=BY_ME)
    await world.cycle(AGED)
    assert (await world.claim()).tag == "a"


async def test_the_registrys_own_time_counts_and_not_when_it_was_seen(world: World, shelf: Shelf) -> None:
    pushed_at = world.clock.now() - hours(71)
    shelf.tags["a"] = replace(shelf.tags["a"], pushed_at=None, since=pushed_at)
    await world.cycle(AGED)
    assert (await world.known(AGED))["a"].quarantined_until == pushed_at + hours(72)


async def test_a_digest_whose_age_is_not_recorded_is_as_old_as_the_look(world: World) -> None:
    await world.cycle(PAUSE)
    query(world, "UPDATE tags SET upstream_since = NULL")  # by an earlier version
    world.clock.advance(100 * HOUR)
    await world.cycle(AGED)
    assert (await world.known(AGED))["a"].quarantined_until == world.clock.now() + hours(72)


async def test_pins_wait_too_unless_they_have_an_age_of_their_own(world: World, shelf: Shelf) -> None:
    shelf.push("b", "1")
    pinned = replace(AGED.rules, pin=(re.compile("a"),))
    await world.cycle(replace(AGED, rules=pinned))
    assert await world.queue.claim() is None
    await world.cycle(replace(AGED, rules=replace(pinned, pin_min_age=timedelta())))
    assert (await world.claim()).tag == "a"
    assert await world.queue.claim() is None


@pytest.mark.parametrize("age", [0, 24, 120])
async def test_another_min_age_applies_to_what_waits(world: World, age: int) -> None:
    began = world.clock.now()
    await world.cycle(AGED)
    world.clock.advance(48 * HOUR)
    await world.cycle(replace(AGED, rules=Rules(min_age=hours(age))))
    record = (await world.known(AGED))["a"]
    assert record.run_at == max(began + hours(age), world.clock.now() if age < 48 else began)
    assert (await world.queue.claim() is None) == (age == 120)


async def test_a_release_is_for_the_digest_that_upstream_has_then(world: World, shelf: Shelf) -> None:
    await world.cycle(AGED)
    assert not await world.queue.release(TARGET, "b", intent=BY_ME)
    assert await world.queue.release(TARGET, "a", intent=BY_ME)
    assert not await world.queue.release(TARGET, "a", intent=BY_ME)
    await world.cycle(AGED)  # does not hold it back again
    assert await world.copy_everything() == 1
    shelf.push("a", "2")
    await world.cycle(AGED)
    assert await world.queue.claim() is None


async def test_a_copy_that_runs_ends_and_what_upstream_has_since_waits(world: World, shelf: Shelf) -> None:
    await world.cycle(PAUSE)
    job = await world.claim()
    shelf.push("a", "2")
    await world.cycle(AGED)
    await world.succeed(job)
    record = (await world.known(AGED))["a"]
    assert (record.status, record.reason, record.mirrored_digest) == ("queued", "quarantine", job.digest)
    assert await world.queue.claim() is None
    assert await world.queue.release(TARGET, "a", intent=BY_ME)
    assert (await world.claim()).digest == record.source_digest


async def test_no_way_back_into_the_queue_is_shorter(world: World, shelf: Shelf) -> None:
    """A requeue, a repaired clock, a retry, a lost lease, and a resumed registry."""
    await world.cycle(PAUSE)
    job = await world.claim()
    shelf.push("a", "2")
    await world.cycle(AGED)
    await world.queue.fail(job, started_at=world.clock.now(), kind="login", error="no", retry_at=None)
    for again in (
        world.queue.requeue(targets=[TARGET], intent=BY_ME),
        world.queue.repair_times(thorough=True),
        world.queue.resume("gcr.io"),
    ):
        await again
        assert await world.queue.claim() is None
    assert (await world.known(AGED))["a"].reason == "quarantine"


async def test_what_the_rules_leave_out_is_too_young_as_well(world: World) -> None:
    left_out = replace(AGED, rules=replace(AGED.rules, exclude=(re.compile(".*"),)))
    await world.cycle(left_out)
    assert await world.queue.requeue(targets=[TARGET], tag="a", intent=BY_ME) == 1
    assert await world.queue.claim() is None


steps = st.one_of(
    st.tuples(st.just("push"), st.sampled_from("abc"), st.sampled_from("12")),
    st.tuples(st.just("delete"), st.sampled_from("abc")),
    st.tuples(st.just("cycle"), st.sampled_from([0, 6, 25])),
    st.tuples(st.just("cycle"), st.just(6)),
    st.tuples(st.just("copy"), st.sampled_from(["succeed", "succeed", "fail", "retry", "return", "kill", "run"])),
    st.tuples(st.just("finish")),
    st.tuples(st.just("age"), st.sampled_from([0, 12, 48])),
    st.tuples(st.just("pin"), st.sampled_from("ab")),
    st.tuples(st.just("release"), st.sampled_from("abc")),
    st.tuples(st.just("requeue"), st.sampled_from("abc")),
    st.tuples(st.just("pause"), st.sampled_from(["pause", "resume"])),
    st.tuples(st.just("hours"), st.sampled_from([1, 12])),
)


@pytest.mark.slow
@pytest.mark.no_cover
@given(st.lists(steps, max_size=40))
@settings(max_examples=60)
def test_nothing_immature_is_claimed_and_plan_tells_what_the_next_cycle_does(history: list[tuple[object, ...]]) -> None:
    asyncio.run(_Life().live(history))


class _Life(Life):
    def __init__(self) -> None:
        super().__init__(AGED)
        self.seen: dict[str, tuple[str, datetime]] = {}  # the digest that the last cycle saw, and since when
        self.let_through: set[tuple[str, str]] = set()  # tags and digests: released, or copied once

    async def age(self, number: int) -> None:
        self.item = replace(self.item, rules=replace(self.item.rules, min_age=hours(number)))

    async def pin(self, name: str) -> None:
        rules = replace(self.item.rules, pin=(re.compile(name),), pin_min_age=hours(6))
        self.item = replace(self.item, rules=rules)

    async def hours(self, number: int) -> None:
        self.world.clock.advance(number * HOUR)

    async def pause(self, way: str) -> None:
        scope: tuple[PauseScope, str] = ("item", TARGET)
        await getattr(self.world.manual_pauses, way)(*scope, intent=BY_ME)

    async def release(self, name: str) -> None:
        record = (await self.world.known(self.item)).get(name)
        if await self.world.queue.release(TARGET, name, intent=BY_ME):
            assert record is not None
            assert record.source_digest is not None
            self.let_through.add((name, record.source_digest))

    async def cycle(self, later: int) -> None:
        if (await self.world.manual_pauses.read()).items:
            self.world.clock.advance(later * HOUR)
            return
        await super().cycle(later)
        now = self.world.clock.now()
        for name, tag in self.shelf.tags.items():
            digest, since = self.seen.get(name, ("", now))
            self.seen[name] = (str(tag.digest), since if digest == tag.digest else now)

    def compare(self, planned: Decision, found: TagRecord) -> None:
        if planned.action == "copy" and found.status == "queued":
            waits = found.quarantined_until is not None and found.quarantined_until > self.world.clock.now()
            assert waits == (planned.reason == "quarantine"), (planned, found)
            assert not waits or found.quarantined_until == planned.matures_at

    async def fail(self, job: Job, *, retried: bool) -> None:
        now = self.world.clock.now()
        retry_at = now + hours(1) if retried else None
        await self.world.queue.fail(job, started_at=now, kind="denied", error="no", retry_at=retry_at)

    def note_copied(self, job: Job) -> None:
        self.let_through.add((job.tag, job.digest))

    def may_be_copied(self, job: Job) -> None:
        if (job.tag, job.digest) in self.let_through:
            return
        digest, since = self.seen[job.tag]
        assert digest == job.digest
        rules = self.in_force
        age = rules.age_of(pinned=any(pattern.fullmatch(job.tag) for pattern in rules.pin))
        assert self.world.clock.now() >= since + age
