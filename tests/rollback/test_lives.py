"""Random lives of an item: pushes, copies, rollbacks, releases, time, and kill -9 between any two requests.

At every moment each tag can be pulled, and so can whatever it named in the last 90 days, under some tag. Nothing that
is held is overwritten. The record says what the target has.
"""

import random
from collections.abc import Awaitable
from datetime import datetime

import pytest

from ferryman.store.queries.tag_history import read_tag_history
from tests.rollback.scene import PERIOD, Fate, Scene, version

STEPS = 30
# The first lives reach the lines that there are to reach: measured, further ones would take two thirds longer.
FURTHER = (pytest.mark.slow, pytest.mark.no_cover)


class Life:
    """What happens, by chance, and what has to hold after it."""

    TAGS: tuple[str, ...] = ("1", "2", "latest")

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.seed = seed
        self.chance = random.Random(seed)
        self.held: dict[str, str] = {}  # tags that are put back, and on what
        self.named: dict[str, dict[str, datetime]] = {tag: {} for tag in self.TAGS}  # when each last named it

    async def step(self) -> None:
        kind = self.chance.choice(("publish", "publish", "put back", "release", "time", "requeue"))
        tag = self.chance.choice(self.TAGS)
        await {"publish": self.publish, "put back": self.put_back, "release": self.release, "time": self.time,
               "requeue": self.requeue}[kind](tag)  # fmt: skip
        await self.check()

    async def publish(self, tag: str) -> None:
        # Few versions: tags share digests, and come back to what they named before.
        await self.scene.publish(tag, what=version(self.chance.randrange(5), of=f"life {self.seed}"))
        await self.perhaps_killed(self.scene.copy())

    async def requeue(self, tag: str) -> None:
        await self.scene.queue.requeue(targets=[str(self.scene.target)], tag=tag)
        await self.perhaps_killed(self.scene.copy())

    async def put_back(self, tag: str) -> None:
        if not self.named[tag]:
            return
        digest = self.chance.choice(sorted(self.named[tag]))
        target = self.scene.target
        if not await self.perhaps_killed(self.scene.rollback.put_back(target, tag, digest, actor="cli:me@here")):
            assert self.scene.names(tag) == digest
        record = await self.scene.record(tag)
        if record.hold:
            self.held[tag] = str(record.target_digest)

    async def release(self, tag: str) -> None:
        if await self.scene.release(tag):
            self.held.pop(tag, None)
        await self.perhaps_killed(self.scene.copy())

    async def time(self, _: str) -> None:
        self.scene.clock.advance(PERIOD.total_seconds() / self.chance.choice((1, 2, 30)))
        await self.perhaps_killed(self.scene.expiry.run())

    async def perhaps_killed(self, work: Awaitable[object]) -> bool:
        """Do it, or let the process be killed at any request of it, and another one go on. True: it was killed."""
        if self.chance.random() < 0.5:
            await work
            return False
        fate: Fate = self.chance.choice(("lost", "deaf"))
        hit = await self.scene.killed(work, self.chance.randrange(1, 12), fate)
        for tag in self.TAGS:  # nobody has mended anything yet
            if self.must_be_there(tag):
                assert self.scene.names(tag) is not None
        self.assert_kept()
        await self.scene.take_over()
        return hit

    def must_be_there(self, tag: str) -> bool:
        """Whether nothing may take the tag from the target."""
        return bool(self.named[tag])

    def assert_kept(self) -> set[str | None]:
        """What each tag named in the last 90 days can be pulled. Returns all that can be."""
        found = {self.scene.names(tag) for tag in self.scene.tags()}
        for tag in self.TAGS:
            for digest, until in self.named[tag].items():
                if self.scene.clock.now() - until < PERIOD:
                    assert digest in found, f"{tag} named {digest} at {until}"
        return found

    async def check(self) -> None:
        scene, now = self.scene, self.scene.clock.now()
        await scene.assert_true()
        for tag in self.TAGS:
            async with scene.database.read() as connection:
                history = await read_tag_history(connection, str(scene.target), tag, now)
            for named in history.named if history else ():
                until = named.until or now
                self.named[tag][named.digest] = max(until, self.named[tag].get(named.digest, until))
        found = self.assert_kept()
        for tag in self.TAGS:
            self.named[tag] = {digest: until for digest, until in self.named[tag].items() if digest in found}
            if tag in self.held:
                assert scene.names(tag) == self.held[tag]


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=FURTHER) for seed in range(4, 12))])
async def test_what_a_tag_named_can_be_pulled_whatever_happens(scene: Scene, seed: int) -> None:
    life = Life(scene, seed)
    for _ in range(STEPS):
        await life.step()
    assert scene.tags()
