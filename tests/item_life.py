"""An item's life: what upstream, people and processes do to it in turn, for property tests."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ferryman.items.model import Item
from ferryman.planner import Decision
from ferryman.store.records import Intent, Job, TagRecord
from tests.test_quiet_looks import HOUR, Shelf, world_of
from tests.test_scheduler import World

BY_ME = Intent("me", "release", "something")

Outcome = Literal["succeed", "fail", "retry", "return", "kill", "run"]


class Life(ABC):
    """Each step is a method. A subclass knows, from outside of Ferryman, what may be copied."""

    world: World

    def __init__(self, item: Item) -> None:
        self.shelf = Shelf(ordered=False)
        self.item = item
        self.in_force = item.rules  # at the last cycle
        self.running: list[Job] = []

    @abstractmethod
    def may_be_copied(self, job: Job) -> None:
        """Fail if it may not."""

    @abstractmethod
    def note_copied(self, job: Job) -> None:
        """The target has it."""

    @abstractmethod
    async def fail(self, job: Job, *, retried: bool) -> None:
        """Its copy fails."""

    @abstractmethod
    def compare(self, planned: Decision, found: TagRecord) -> None:
        """Fail if the cycle has not done with the tag what was planned."""

    @property
    def target(self) -> str:
        return str(self.item.target)

    async def live(self, history: Sequence[tuple[Any, ...]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with world_of(self.shelf, Path(folder)) as self.world:
                for what, *told in history:
                    await getattr(self, what)(*told)

    async def push(self, name: str, content: str) -> None:
        self.shelf.push(name, content)

    async def delete(self, name: str) -> None:
        self.shelf.tags.pop(name, None)

    async def requeue(self, name: str) -> None:
        await self.world.queue.requeue(targets=[self.target], tag=name, intent=BY_ME)

    async def cycle(self, later: int) -> None:
        """What `plan` says a moment before the cycle is what the cycle does."""
        self.world.clock.advance(later * HOUR)
        looked = await self.world.look(self.item)
        await self.world.cycle(self.item)
        self.in_force = self.item.rules
        known = await self.world.known(self.item)
        for each in looked.decisions:
            found = known[each.tag]
            assert (found.status in {"queued", "running"}) >= (each.action == "copy"), (each, found)
            self.compare(each, found)

    async def copy(self, outcome: Outcome) -> None:
        queue = self.world.queue
        job = await queue.claim()
        if job is None:
            return
        self.may_be_copied(job)
        match outcome:
            case "run":
                self.running.append(job)
            case "kill":
                await queue.reclaim(["me"])
                self.running.clear()
            case "return":
                await queue.return_to_queue(job)
            case "succeed":
                await self._succeed(job)
            case "fail" | "retry":
                await self.fail(job, retried=outcome == "retry")

    async def finish(self) -> None:
        while self.running:
            await self._succeed(self.running.pop())

    async def _succeed(self, job: Job) -> None:
        await self.world.succeed(job)
        self.note_copied(job)
