"""A record in which everything happens, at random: for comparing what queries say with what the rows say."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import select

from ferryman.store.database.database import Database
from ferryman.store.database.tables import tags
from ferryman.store.records import HistoryLine, ItemKey, Job, PlannedTag, SeenTag, Walk
from tests.store.scene import Scene, digest

ITEMS = (
    ItemKey("etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd", None),
    ItemKey("nginx", "docker.io/library/nginx", "registry.example.com/mirror/nginx", None),
    ItemKey("app", "quay.io/acme/app", "other.example.com/app", None),
)
TARGETS = [item.target for item in ITEMS]
_REGISTRIES = ("quay.io", "docker.io", "registry.example.com", "other.example.com", None)
_NAMES = [f"{major}.{minor}" for major in (1, 2) for minor in range(8)]
_ACTIONS: Sequence[Literal["copy", "copy", "copy", "keep", "skip", "fail"]] = (
    "copy",
    "copy",
    "copy",
    "keep",
    "skip",
    "fail",
)


@dataclass
class RandomEvents:
    """Does anything that may happen to the tags of three items."""

    scene: Scene
    random: random.Random

    async def happen(self, number: int) -> None:
        """So many events."""
        jobs: list[Job] = []
        for _ in range(number):
            self.scene.clock.advance(timedelta(seconds=self.random.randrange(1, 600)))
            event = self.random.choices(
                (self._walk, self._claim, self._end, self._pause, self._lookup, self._odd), (4, 8, 8, 1, 1, 1)
            )[0]
            await event(jobs)

    async def _walk(self, _: list[Job]) -> None:
        now, item = self.scene.clock.now(), self.random.choice(ITEMS)
        known = await self.scene.ledger.known(item.target)
        names = self.random.sample(_NAMES, self.random.randrange(1, len(_NAMES)))
        seen = [
            SeenTag(name, digest(self.random.choice("abc")), now - timedelta(hours=self.random.randrange(99)))
            for name in names
        ]
        planned = [self._planned(name, rank, known) for rank, name in enumerate(names)]
        gone = set(self.random.sample(_NAMES, 2)) - set(names)
        await self.scene.queue.apply(item, seen, gone=gone, planned=planned, walk=Walk(now, now, "rules"))

    def _planned(self, name: str, rank: int, known: dict[str, Any]) -> PlannedTag:
        action = self.random.choice(_ACTIONS)
        error = self._error() if action == "fail" else (None, None, None)
        record = known.get(name)
        return PlannedTag(
            name, action, "excluded" if action == "skip" else "unreadable" if action == "fail" else "new", rank,
            status=record.status if record else None, synced_at=record.synced_at if record else None,
            error=error[0], error_kind=error[1], error_registry=error[2],
        )  # fmt: skip

    def _error(self) -> tuple[str, str, str | None]:
        return "it broke", self.random.choice(("unreachable", "denied", "login")), self.random.choice(_REGISTRIES)

    async def _claim(self, jobs: list[Job]) -> None:
        if (job := await self.scene.queue.claim()) is not None:
            jobs.append(job)

    async def _end(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        job, now = jobs.pop(self.random.randrange(len(jobs))), self.scene.clock.now()
        error, kind, registry = self._error()
        retry_at = self.random.choice((None, now + timedelta(minutes=5)))
        match self.random.randrange(6):
            case 0 | 1 | 2:
                await self.scene.succeed(job)
            case 3:
                await self.scene.queue.fail(
                    job, started_at=now, kind=kind, error=error, retry_at=retry_at, registry=registry
                )
            case 4:
                await self.scene.skip(job)
            case _:
                await self.scene.queue.defer(job, until=retry_at, reason=kind, error=error, registry=registry)

    async def _pause(self, _: list[Job]) -> None:
        registry = self.random.choice(_REGISTRIES[:-1])
        assert registry is not None
        if self.random.random() < 0.4:
            await self.scene.queue.resume(registry)
        else:
            until = self.random.choice((None, self.scene.clock.now() + timedelta(minutes=20)))
            await self.scene.queue.pause(registry, until=until, error="slow down")

    async def _lookup(self, _: list[Job]) -> None:
        error, kind, registry = self._error()
        await self.scene.ledger.note_lookup_failure(
            self.random.choice(ITEMS), error, now=self.scene.clock.now(), kind=kind, registry=registry
        )

    async def _odd(self, _: list[Job]) -> None:
        match self.random.randrange(4):
            case 0:
                await self.scene.queue.requeue(failed=self.random.random() < 0.7)
            case 1:
                await self.scene.lapse()
            case 2:
                line = HistoryLine(self.random.choice(_NAMES), digest("d"), None)
                await self.scene.ledger.import_history(self.random.choice(ITEMS), [line], now=self.scene.clock.now())
            case _:
                await self.scene.queue.withdraw_items(TARGETS[:2])


async def all_rows(database: Database) -> list[Any]:
    """Every row of `tags`."""
    async with database.read() as connection:
        return list(await connection.execute(select(tags).order_by(tags.c.id)))
