"""No version tag is overwritten that has changed upstream and is held; and `plan` says beforehand what happens."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.items.model import Item, Rules
from ferryman.kinds import OnChange
from ferryman.planner import Decision
from ferryman.store.records import Job, TagRecord
from ferryman.store.rollbacks import Rollbacks
from tests.item_life import BY_ME, Life
from tests.test_quiet_looks import HOUR, Shelf, world_of
from tests.test_scheduler import PAUSE, World

HELD = replace(PAUSE, rules=Rules(on_change="hold"))
WARNED = replace(PAUSE, rules=Rules(on_change="warn"))
TARGET = str(PAUSE.target)


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf(ordered=False)
    shelf.push("1.2.3", "1")
    shelf.push("latest", "1")
    return shelf


@pytest.fixture
async def world(tmp_path: Path, shelf: Shelf) -> AsyncIterator[World]:
    async with world_of(shelf, tmp_path) as world:
        yield world


def rollbacks(world: World) -> Rollbacks:
    return Rollbacks(world.database, clock=world.clock, queued=world.queue.filled)


async def release(world: World, tag: str = "1.2.3") -> bool:
    return await rollbacks(world).release(TARGET, tag, intent=BY_ME)


async def keep(world: World, tag: str = "1.2.3") -> bool:
    return await rollbacks(world).keep(TARGET, tag, intent=BY_ME)


async def record(world: World, tag: str = "1.2.3") -> TagRecord:
    return (await world.known(PAUSE))[tag]


async def changed(world: World, shelf: Shelf, item: Item = HELD) -> TagRecord:
    """The tags are mirrored, and then upstream changes both."""
    await world.cycle(item)
    assert await world.copy_everything() == 2
    before = await record(world)
    world.clock.advance(HOUR)
    shelf.push("1.2.3", "2")
    shelf.push("latest", "2")
    await world.cycle(item)
    return before


async def test_a_version_tag_that_has_changed_is_held_and_told_of_once(
    world: World, shelf: Shelf, read_log: Callable[[], list[dict[str, Any]]]
) -> None:
    before = await changed(world, shelf)
    held = await record(world)
    assert (held.status, held.reason, held.held_by) == ("synced", "held-changed", "changed")
    assert held.held_since == world.clock.now()
    assert (held.mirrored_digest, held.source_digest) == (before.source_digest, shelf.tags["1.2.3"].digest)
    assert (await world.claim()).tag == "latest"
    assert await world.queue.claim() is None
    again = await world.cycle(HELD)
    assert again.changed == ()
    (line,) = [line for line in read_log() if line["event"] == "version_tags_changed"]
    assert (line["tags"], line["number"], line["level"]) == ("1.2.3", 1, "warning")
    assert "held" in line["message"]


async def test_plan_shows_both_digests(world: World, shelf: Shelf) -> None:
    before = await changed(world, shelf)
    decision = next(each for each in (await world.look(HELD)).decisions if each.tag == "1.2.3")
    assert (decision.action, decision.reason) == ("keep", "held-changed")
    for digest in (str(before.source_digest), str(shelf.tags["1.2.3"].digest)):
        assert digest.removeprefix("sha256:")[:12] in decision.detail


async def test_what_is_warned_of_is_copied(
    world: World, shelf: Shelf, read_log: Callable[[], list[dict[str, Any]]]
) -> None:
    await world.cycle(WARNED)
    await world.copy_everything()
    shelf.push("1.2.3", "2")
    shelf.push("latest", "2")
    cycle = await world.cycle(WARNED)
    assert [(each.tag, each.held) for each in cycle.changed] == [("1.2.3", False)]
    assert await world.copy_everything() == 2
    assert (await world.cycle(WARNED)).changed == ()
    assert [line["tags"] for line in read_log() if line["event"] == "version_tags_changed"] == ["1.2.3"]


async def test_a_change_before_the_first_copy_is_told_of_and_copied(world: World, shelf: Shelf) -> None:
    await world.cycle(HELD)
    shelf.push("1.2.3", "2")
    assert [(each.tag, each.held) for each in (await world.cycle(HELD)).changed] == [("1.2.3", False)]
    assert await world.copy_everything() == 2


async def test_nothing_is_told_of_what_may_change(
    world: World, shelf: Shelf, read_log: Callable[[], list[dict[str, Any]]]
) -> None:
    await world.cycle(WARNED)
    await world.copy_everything()
    shelf.push("1.2.3", "3")
    assert (await world.cycle(replace(PAUSE, rules=Rules(on_change="copy")))).changed == ()
    assert await world.copy_everything() == 1
    assert "version_tags_changed" not in [line["event"] for line in read_log()]


async def test_patterns_say_which_tags_are_versions(world: World, shelf: Shelf) -> None:
    await changed(world, shelf, replace(HELD, rules=Rules(on_change="hold", versions=(re.compile("late.*"),))))
    assert (await world.claim()).tag == "1.2.3"
    assert await world.queue.claim() is None


async def test_a_release_lets_this_digest_through_and_no_later_one(world: World, shelf: Shelf) -> None:
    await changed(world, shelf)
    await world.copy_everything()
    assert await release(world)
    assert not await release(world)
    assert (await record(world)).status == "queued"
    await world.cycle(HELD)
    assert (await world.claim()).digest == shelf.tags["1.2.3"].digest
    shelf.push("1.2.3", "3")
    await world.cycle(HELD)  # while the released one is copied
    await world.queue.reclaim(["me"])
    held = await record(world)
    assert (held.status, held.held_by) == ("synced", "changed")
    assert await world.queue.claim() is None


async def test_what_is_kept_is_told_of_again_when_it_changes_again(world: World, shelf: Shelf) -> None:
    await changed(world, shelf)
    await world.copy_everything()
    assert not await keep(world, "latest")
    assert await keep(world)
    for rules in (HELD, replace(PAUSE, rules=Rules(on_change="copy"))):
        assert (await world.cycle(rules)).changed == ()
        kept = await record(world)
        assert (kept.status, kept.reason, kept.held_by) == ("synced", "kept", "kept")
        assert await world.queue.requeue(targets=[TARGET], tag="1.2.3", intent=BY_ME) == 0
    shelf.push("1.2.3", "3")
    assert [each.tag for each in (await world.cycle(HELD)).changed] == ["1.2.3"]
    assert (await record(world)).held_by == "changed"
    assert await release(world)
    assert await world.copy_everything() == 1


async def test_a_digest_that_comes_back_is_not_held(world: World, shelf: Shelf) -> None:
    await changed(world, shelf)
    await world.copy_everything()
    shelf.push("1.2.3", "1")
    await world.cycle(HELD)
    back = await record(world)
    assert (back.status, back.reason, back.held_by) == ("synced", None, None)
    assert not await release(world)
    assert not await keep(world)
    assert await world.queue.requeue(targets=[TARGET], tag="1.2.3", intent=BY_ME) == 1


async def test_a_rule_of_today_takes_a_change_of_yesterday_out_of_the_queue(world: World, shelf: Shelf) -> None:
    await changed(world, shelf, WARNED)
    assert (await record(world)).status == "queued"
    assert [each.held for each in (await world.cycle(HELD)).changed] == [True]
    assert (await record(world)).reason == "held-changed"
    await world.copy_everything()
    await world.cycle(WARNED)
    assert await world.copy_everything() == 1


async def test_a_failed_change_is_not_tried_again_under_the_rule(world: World, shelf: Shelf) -> None:
    await changed(world, shelf, WARNED)
    while job := await world.queue.claim():
        await world.queue.fail(job, started_at=world.clock.now(), kind="login", error="no", retry_at=None)
    await world.cycle(HELD)
    assert await world.queue.requeue(failed=True, intent=BY_ME) == 0 or (await world.claim()).tag == "latest"
    await world.queue.resume("gcr.io")
    held = await record(world)
    assert (held.status, held.error) == ("synced", None)


async def test_a_first_copy_that_is_overtaken_is_the_one_that_stays(world: World, shelf: Shelf) -> None:
    await world.cycle(HELD)
    jobs = {job.tag: job for job in [await world.claim(), await world.claim()]}
    shelf.push("1.2.3", "2")
    await world.cycle(HELD)
    await world.succeed(jobs["1.2.3"])
    held = await record(world)
    assert (held.status, held.mirrored_digest, held.held_by) == ("synced", jobs["1.2.3"].digest, "changed")
    assert [each.tag for each in (await world.cycle(HELD)).changed] == ["1.2.3"]


async def test_other_platforms_of_the_same_digest_are_copied(world: World, shelf: Shelf) -> None:
    from ferryman.platforms import Platforms  # noqa: PLC0415

    await world.cycle(HELD)
    await world.copy_everything()
    await world.cycle(replace(HELD, platforms=Platforms.parse("linux/arm64")))
    assert await world.copy_everything() == 2


async def test_what_upstream_lost_is_held_no_less(world: World, shelf: Shelf) -> None:
    await changed(world, shelf)
    await world.copy_everything()
    shelf.tags.pop("1.2.3")
    world.clock.advance(25 * HOUR)
    await world.cycle(HELD)
    gone = await record(world)
    assert gone.gone_at is not None
    assert gone.reason is None  # nobody has to decide
    assert await world.queue.requeue(targets=[TARGET], tag="1.2.3", intent=BY_ME) == 0


steps = st.one_of(
    st.tuples(st.just("push"), st.sampled_from(["1.0.0", "2.0.0", "latest"]), st.sampled_from("123")),
    st.tuples(st.just("delete"), st.sampled_from(["1.0.0", "2.0.0"])),
    st.tuples(st.just("cycle"), st.sampled_from([0, 6, 25])),
    st.tuples(st.just("cycle"), st.just(6)),
    st.tuples(st.just("copy"), st.sampled_from(["succeed", "succeed", "fail", "retry", "return", "kill", "run"])),
    st.tuples(st.just("finish")),
    st.tuples(st.just("rule"), st.sampled_from(["copy", "warn", "hold", "hold"])),
    st.tuples(st.just("names"), st.sampled_from([r"\d.*", ".*", "1.*"])),
    st.tuples(st.just("release"), st.sampled_from(["1.0.0", "2.0.0"])),
    st.tuples(st.just("keep"), st.sampled_from(["1.0.0", "2.0.0"])),
    st.tuples(st.just("requeue"), st.sampled_from(["1.0.0", "2.0.0", "latest"])),
    st.tuples(st.just("cancel"), st.sampled_from(["1.0.0", "2.0.0"])),
    st.tuples(st.just("resume")),
)


@pytest.mark.slow
@pytest.mark.no_cover
@given(st.lists(steps, max_size=40))
@settings(max_examples=60)
def test_nothing_held_is_overwritten_and_plan_tells_what_the_next_cycle_does(history: list[tuple[str, ...]]) -> None:
    asyncio.run(_Life().live(history))


class _Life(Life):
    def __init__(self) -> None:
        super().__init__(HELD)
        self.mirrored: dict[str, str] = {}
        self.released: dict[str, str] = {}
        self.kept: dict[str, str] = {}

    async def rule(self, on_change: OnChange) -> None:
        self.item = replace(self.item, rules=replace(self.item.rules, on_change=on_change))

    async def names(self, pattern: str) -> None:
        self.item = replace(self.item, rules=replace(self.item.rules, versions=(re.compile(pattern),)))

    async def resume(self) -> None:
        await self.world.queue.resume("gcr.io")

    async def cancel(self, name: str) -> None:
        if await self.world.queue.cancel(TARGET, name, intent=BY_ME):
            self.running = [job for job in self.running if job.tag != name]

    async def release(self, name: str) -> None:
        before = (await self.world.known(self.item)).get(name)
        if await release(self.world, name):
            assert before is not None
            self.released[name] = str(before.source_digest)
            self.kept.pop(name, None)

    async def keep(self, name: str) -> None:
        before = (await self.world.known(self.item)).get(name)
        if await keep(self.world, name):
            assert before is not None
            self.kept[name] = str(before.source_digest)

    def compare(self, planned: Decision, found: TagRecord) -> None:
        assert (found.status == "queued") <= (planned.action == "copy"), (planned, found)
        assert (found.held_by in {"changed", "kept"}) >= (planned.reason in {"held-changed", "kept"}), (planned, found)
        if found.status == "synced" and found.gone_at is None:
            assert (found.reason == "held-changed") == (found.held_by == "changed"), (planned, found)

    async def fail(self, job: Job, *, retried: bool) -> None:
        now = self.world.clock.now()
        retry_at = now if retried else None
        await self.world.queue.fail(job, started_at=now, kind="login", error="no", retry_at=retry_at, registry="gcr.io")

    def note_copied(self, job: Job) -> None:
        self.mirrored[job.tag] = job.digest

    def may_be_copied(self, job: Job) -> None:
        if self.mirrored.get(job.tag) in {None, job.digest} or self.released.get(job.tag) == job.digest:
            return
        assert self.in_force.on_change_of(job.tag) != "hold"
        assert self.kept.get(job.tag) != job.digest
