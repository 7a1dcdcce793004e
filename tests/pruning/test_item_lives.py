"""Random lives of a whole item, with looks at a real upstream: tags are pushed, moved, deleted there one by one and all
at once; put back, released, kept for their time; no longer wanted, and pruned; kill -9 between any two requests to the
target.

At every moment what was mirrored can be pulled, whatever upstream has deleted, and so can what each tag named in the
last 90 days. Nothing leaves but what the rules do not want, marked for its time and slowly, or by a person. Nothing
that is held is overwritten or removed, and nothing of an item that is frozen. The record says what the target has.
"""

import asyncio
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ferryman.items.model import Configuration
from ferryman.scheduler import Scheduler
from ferryman.store.cycles import CycleLog
from ferryman.store.freezes import Freezes
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.quiet_looks import QuietLookLog
from ferryman.store.records import Intent
from ferryman.store.signatures import SignatureLog
from ferryman.store.target_checks import TargetChecks
from tests.pruning.scene import AFTER, INTERVAL, PruneScene
from tests.rollback.scene import version
from tests.rollback.test_lives import FURTHER, Life
from tests.support.images import push
from tests.support.transports import NATIVE, tags_at
from tests.support.verification import routine_of

STEPS = 18
MOST = 0.5
PROTECTED = "latest"
RELEASE = "1.0.0"  # is not to change upstream
FOREIGN = "ours"  # a tag at the target that somebody else has pushed


class ItemLife(Life):
    """A life in which a scheduler looks at upstream, as a service's does, and a pruner follows it."""

    TAGS = ("1", "2", RELEASE, PROTECTED)
    KINDS = (
        "push", "push", "push", "delete", "wipe", "look", "accept", "accept", "accept", "put_back", "release", "keep",
        "time", "requeue", "rules", "rules", "prune",
    )  # fmt: skip
    scene: PruneScene

    def __init__(self, scene: PruneScene, seed: int) -> None:
        super().__init__(scene, seed)
        self.freezes = Freezes(scene.database, clock=scene.clock, released=scene.queue.filled)
        scene.prune_by(most=MOST)
        scene.item = replace(scene.item, protect=(re.compile(PROTECTED),))
        self.wanted = frozenset[str]()
        self.want(*self.TAGS)
        self.began = scene.clock.now()  # the step
        self.by_person = False  # the step removes, without waiting
        self.mirrored = set[str]()  # tags that the target has
        self.marked: dict[str, datetime] = {}  # at the earliest
        self.removed: list[datetime] = []  # at the earliest
        self.release_named: str | None = None  # the version tag, at the target
        self.let_through = set[str]()  # what it may name by the will of a person

    async def step(self) -> None:
        kind, tag = self.chance.choice(self.KINDS), self.chance.choice(self.TAGS)
        await self.do(kind, tag)

    async def do(self, kind: str, tag: str = "") -> None:
        self.began, self.by_person = self.scene.clock.now(), kind == "prune"
        await getattr(self, kind)(tag)
        await self.check()

    # Upstream

    async def push(self, tag: str) -> None:
        await asyncio.to_thread(self._push, self.scene.source.name, tag)
        await self.look(tag)

    def _push(self, repository: str, tag: str) -> None:
        what = version(self.chance.randrange(5), of=f"item {self.seed}")
        push(self.scene.workplace.target.url, repository, tag, what)

    async def delete(self, tag: str) -> None:
        """Upstream deletes a tag."""
        if tag in self.upstream():
            self._wipe(tag)
        await self.look(tag)

    async def wipe(self, _: str) -> None:
        """Upstream deletes them all."""
        for tag in self.upstream():
            await self.delete(tag) if self.chance.random() < 0.2 else self._wipe(tag)
        await self.look("")

    def _wipe(self, tag: str) -> None:
        self.scene.workplace.target.lose_tag(self.scene.source.name, tag)

    def upstream(self) -> list[str]:
        return tags_at(self.scene.workplace.target.url, self.scene.source.name)

    # Persons

    async def accept(self, _: str) -> None:
        """A person lets a frozen item go on."""
        target = str(self.scene.target)
        if await self.freezes.release(target, intent=Intent("cli:me@here", "release", target)):
            await self.look("")
            assert not await self.freezes.frozen()

    async def put_back(self, tag: str) -> None:
        self.let_through |= self.named[RELEASE].keys() if tag == RELEASE else set()
        await super().put_back(tag)

    async def release(self, tag: str) -> None:
        if tag == RELEASE and RELEASE in self.named and (now := await self.upstream_has(RELEASE)):
            self.let_through.add(now)
        await super().release(tag)

    async def keep(self, _: str) -> None:
        """A person does not want what upstream's version tag names now."""
        intent = Intent("cli:me@here", "keep", f"{self.scene.target}:{RELEASE}")
        unwanted = await self.upstream_has(RELEASE)
        if await self.scene.rollbacks.keep(str(self.scene.target), RELEASE, intent=intent):
            self.let_through.discard(str(unwanted))
        await self.look("")

    async def upstream_has(self, tag: str) -> str | None:
        """As recorded."""
        records = await self.scene.records()
        return records[tag].source_digest if tag in records else None

    async def rules(self, _: str) -> None:
        """Somebody writes other rules into items.yml."""
        self.want(*(tag for tag in self.TAGS if self.chance.random() < 0.6))
        if self.chance.random() < 0.7:
            await self.look("")

    def want(self, *tags: str) -> None:
        self.wanted = frozenset(tags or self.TAGS)
        self.scene.want(include=tuple(re.compile(re.escape(tag)) for tag in sorted(self.wanted)), on_change="hold")

    async def prune(self, _: str) -> None:
        """A person removes what may go, at once."""
        outlook = await self.scene.outlook(at_once=True)
        if outlook.block is None:
            await self.perhaps_killed(self.scene.remove(outlook))

    # The service

    async def time(self, tag: str) -> None:
        await super().time(tag)
        await self.look(tag)

    async def look(self, _: str) -> None:
        """A cycle, and what a pool copies."""
        self.scene.clock.advance(INTERVAL.total_seconds())
        before = self.names()
        await self.perhaps_killed(self.cycle())
        frozen = await self.freezes.frozen()
        await self.perhaps_killed(self.scene.copy())
        if frozen:
            assert self.names() == before

    async def cycle(self) -> None:
        await self.scene.finish()
        item = self.scene.item
        await self.scheduler().cycle(Configuration((item,), {}), (item,))
        await self.scene.prune()

    def scheduler(self) -> Scheduler:
        """What a new process makes."""
        scene, database, clock = self.scene, self.scene.database, self.scene.clock
        targets = TargetChecks(database, clock=clock, queued=scene.queue.filled)
        return Scheduler(
            queue=scene.queue, ledger=scene.workplace.ledger, cycles=CycleLog(database), owner=scene.queue_owner,
            registry=scene.client, pauses=scene.workplace.pauses, clock=clock,
            quiet_looks=QuietLookLog(database, clock=clock),
            manual_pauses=ManualPauses(database, clock=clock, resumed=scene.queue.filled), freezes=self.freezes,
            routine=routine_of(scene.client, database, targets, clock), native=NATIVE,
            complete_walk=timedelta(days=1), interval=INTERVAL,
            signatures=SignatureLog(database, clock=clock), events=scene.workplace.events,
        )  # fmt: skip

    # What has to hold

    def names(self) -> dict[str, str | None]:
        return {tag: self.scene.names(tag) for tag in self.TAGS}

    def must_be_there(self, tag: str) -> bool:
        return tag in self.mirrored and not self.may_go(tag)

    def may_go(self, tag: str) -> bool:
        if tag in self.wanted or tag in self.held or tag == PROTECTED:
            return False
        is_due = tag in self.marked and self.scene.clock.now() - self.marked[tag] >= AFTER
        return is_due or self.by_person

    async def check(self) -> None:
        await super().check()
        at_target = self.scene.tags()
        gone = self.mirrored - at_target
        assert all(self.may_go(tag) for tag in gone), gone
        self.removed = [at for at in self.removed if self.scene.clock.now() - at < timedelta(days=1)]
        self.removed += [self.began] * len(gone)
        assert len(self.removed) <= MOST * len(self.TAGS)
        marks = await self.scene.marks()
        assert {mark.state for mark in marks.values()} <= {"marked"}
        self.marked = {tag: self.marked.get(tag, self.began) for tag in marks}
        self.mirrored = at_target & set(self.TAGS)
        self.check_release()
        assert self.scene.names(FOREIGN) == self.foreign

    def check_release(self) -> None:
        """The version tag names what it did, unless a person has let it change."""
        now = self.scene.names(RELEASE)
        assert None in {now, self.release_named} or now in {self.release_named, *self.let_through}
        self.release_named = now

    # A life

    async def start(self) -> None:
        await asyncio.to_thread(self._push, self.scene.target.name, FOREIGN)
        self.foreign = self.scene.names(FOREIGN)

    async def end(self) -> None:
        """Whatever came before: what is not wanted goes, until upstream has lost all that is; then nothing does."""
        self.want(*self.TAGS)
        await self.do("accept")
        for tag in self.TAGS:
            await self.do("push", tag)
        assert self.mirrored == set(self.TAGS)
        await self.do("delete", "2")  # upstream does; the rules want it, so it stays
        for _ in range(4):  # some are killed
            self.scene.clock.advance(AFTER.total_seconds())
            await self.do("look")
        assert self.mirrored == set(self.TAGS)
        await self.do("push", "2")
        await self.do("release", RELEASE)  # what is held because upstream has changed it stays
        await self.do("put_back", "1")
        self.want("2")
        await self.do("look")
        await self.do("look")  # it is too early
        stay = {"2", PROTECTED, *self.held}
        for _ in range(8):  # some cycles are killed, and no more than two tags go in one
            self.scene.clock.advance(AFTER.total_seconds())
            await self.do("look")
            if self.mirrored == stay:
                break
        assert self.mirrored == stay

        self.want("1", "2")
        await self.do("release", "1")
        await self.do("push", "1")
        for tag in self.upstream():
            self._wipe(tag)
        await self.do("look")
        assert await self.freezes.frozen()
        self.want("2")
        before = self.names()
        for _ in range(2):
            self.scene.clock.advance(AFTER.total_seconds())
            await self.do("look")
            await self.do("prune")
        assert self.names() == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=FURTHER) for seed in range(1, 4))])
async def test_whatever_happens_what_has_to_stay_can_be_pulled(scene: PruneScene, seed: int) -> None:
    life = ItemLife(scene, seed)
    await life.start()
    for _ in range(STEPS):
        await life.step()
    await life.end()
