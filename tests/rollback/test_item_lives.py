"""Random lives of a whole item, with looks at a real upstream: tags are pushed, moved, deleted there one by one and all
at once, put back, released, kept for their time; kill -9 between any two requests to the target.

At every moment what was mirrored can be pulled, whatever upstream has deleted, and so can what each tag named in the
last 90 days. Nothing that is held is overwritten, and nothing of an item that is frozen. The record says what the
target has.
"""

import asyncio
from datetime import timedelta

import pytest

from ferryman.items.model import Configuration, Item, Rules
from ferryman.platforms import Platforms
from ferryman.scheduler import Scheduler
from ferryman.store.cycles import CycleLog
from ferryman.store.freezes import Freezes
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.quiet_looks import QuietLookLog
from ferryman.store.records import Intent
from ferryman.store.signatures import SignatureLog
from ferryman.store.target_checks import TargetChecks
from tests.rollback.scene import Scene, version
from tests.rollback.test_lives import TAGS, Life
from tests.support.images import push
from tests.support.transports import NATIVE, tags_at
from tests.support.verification import routine_of

STEPS = 25
HOUR = 3600


class ItemLife(Life):
    """A life in which a scheduler looks at upstream, as a service's does."""

    KINDS = ("push", "push", "push", "delete", "wipe", "look", "accept", "put_back", "release", "time", "requeue")

    def __init__(self, scene: Scene, seed: int) -> None:
        super().__init__(scene, seed)
        self.item = Item("app", scene.source, scene.target, rules=Rules(), platforms=Platforms(keyword="all"))
        self.freezes = Freezes(scene.database, clock=scene.clock, released=scene.queue.filled)
        self.mirrored = set[str]()  # tags that the target had once

    async def step(self) -> None:
        kind, tag = self.chance.choice(self.KINDS), self.chance.choice(TAGS)
        await getattr(self, kind)(tag)
        await self.check()

    async def push(self, tag: str) -> None:
        await asyncio.to_thread(self._push, tag)
        await self.look(tag)

    def _push(self, tag: str) -> None:
        what = version(self.chance.randrange(5), of=f"item {self.seed}")
        push(self.scene.workplace.target.url, self.scene.source.name, tag, what)

    async def delete(self, tag: str) -> None:
        """Upstream deletes a tag."""
        if tag in self.upstream():
            self.scene.workplace.target.lose_tag(self.scene.source.name, tag)
        await self.look(tag)

    async def wipe(self, _: str) -> None:
        """Upstream deletes them all."""
        for tag in self.upstream():
            await self.delete(tag) if self.chance.random() < 0.2 else self._wipe(tag)
        await self.look("")

    def _wipe(self, tag: str) -> None:
        self.scene.workplace.target.lose_tag(self.scene.source.name, tag)

    async def accept(self, _: str) -> None:
        """A person lets a frozen item go on."""
        target = str(self.scene.target)
        if await self.freezes.release(target, intent=Intent("cli:me@here", "release", target)):
            await self.look("")
            assert not await self.freezes.frozen()

    async def look(self, _: str) -> None:
        """A cycle, and what a pool copies."""
        self.scene.clock.advance(6 * HOUR)
        await self.perhaps_killed(self.cycle())
        frozen, before = await self.freezes.frozen(), self.names()
        await self.perhaps_killed(self.scene.copy())
        if frozen:
            assert self.names() == before

    async def end(self) -> None:
        """Whatever came before: once upstream has lost all that was mirrored last, the item is frozen."""
        await self.accept("")
        await asyncio.to_thread(self._push, "latest")
        await self.cycle()
        await self.scene.copy()
        for tag in self.upstream():
            self._wipe(tag)
        await self.cycle()
        assert await self.freezes.frozen()
        await self.check()
        assert self.mirrored

    async def cycle(self) -> None:
        await self.scheduler().cycle(Configuration((self.item,), {}), (self.item,))

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
            complete_walk=timedelta(days=1), interval=timedelta(hours=6),
            signatures=SignatureLog(database, clock=clock), events=scene.workplace.events,
        )  # fmt: skip

    def names(self) -> dict[str, str | None]:
        return {tag: self.scene.names(tag) for tag in TAGS}

    def upstream(self) -> list[str]:
        return tags_at(self.scene.workplace.target.url, self.scene.source.name)

    async def check(self) -> None:
        await super().check()
        at_target = self.scene.tags()
        assert self.mirrored <= at_target  # nothing that was mirrored is ever deleted
        self.mirrored |= at_target & set(TAGS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_whatever_upstream_does_what_was_mirrored_can_be_pulled(scene: Scene, seed: int) -> None:
    life = ItemLife(scene, seed)
    for _ in range(STEPS):
        await life.step()
    await life.end()
