"""A mirrored item whose rules and whose upstream change, and a pruner behind a proxy."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ferryman import planner
from ferryman.discovery.base import UpstreamTag
from ferryman.events import Events, TagPruned
from ferryman.items.model import Item, PruneRules
from ferryman.planner import Mirrored, rules_fingerprint
from ferryman.platforms import Platforms
from ferryman.pruning.outlook import Outlook, Outlooks
from ferryman.pruning.pruner import Pruned, Pruner
from ferryman.pruning.removal import Removal
from ferryman.pruning.target_contents import TargetContents
from ferryman.registry.client import RegistryClient
from ferryman.store.foreign_tags import ForeignTags
from ferryman.store.freezes import Freezes
from ferryman.store.prunes import Prunes
from ferryman.store.records import ItemKey, PlannedTag, PruneMark, SeenTag, TagRecord, Walk
from ferryman.store.target_blobs import TargetBlobs
from ferryman.store.target_checks import TargetChecks
from ferryman.wakeup import Wakeup
from tests.rollback.scene import Scene
from tests.support.images import Image, Index, push
from tests.support.proxy import FaultyProxy
from tests.support.transports import NATIVE
from tests.support.workplace import Workplace

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
ALL = Platforms(keyword="all")
INTERVAL = timedelta(hours=6)
AFTER = timedelta(days=30)


class PruneScene(Scene):
    """As the scene of rollbacks, with an item."""

    def __init__(
        self, workplace: Workplace, proxy: FaultyProxy, connect: Callable[[], RegistryClient], name: str
    ) -> None:
        self.prunes = Prunes(workplace.database, clock=workplace.clock)
        self.freezes = Freezes(workplace.database, clock=workplace.clock, released=Wakeup())
        self.events = Events()
        self.pruned: list[TagPruned] = []
        self.events.subscribe(lambda event: self.pruned.append(event) if isinstance(event, TagPruned) else None)
        super().__init__(workplace, proxy, connect, name)
        self.item = Item("app", self.source, self.target, platforms=ALL, prune=PruneRules(after=AFTER, most=1.0))
        self.upstream: dict[str, tuple[Image | Index, int]] = {}  # its tags, and the days since the first push

    def restart(self) -> None:
        super().restart()
        blobs = self.blobs = TargetBlobs(self.database, clock=self.clock)
        targets = TargetChecks(self.database, clock=self.clock, queued=self.queue.filled)
        outlooks = Outlooks(
            prunes=self.prunes, ledger=self.workplace.ledger, targets=targets, kept=self.kept, blobs=blobs,
            freezes=self.freezes, foreign=ForeignTags(self.database, clock=self.clock),
            contents=TargetContents(self.client), registry=self.client, native=NATIVE,
        )  # fmt: skip
        keeper = self.keeper
        removal = Removal(
            prunes=self.prunes, blobs=blobs, registry=self.client,
            keeping=lambda tag: keeper.overwriting(tag, alone=True),
        )  # fmt: skip
        self.pruner = Pruner(
            outlooks=outlooks, removal=removal, prunes=self.prunes, ledger=self.workplace.ledger, blobs=blobs,
            clock=self.clock, owner=self.queue_owner, interval=lambda: INTERVAL, events=self.events,
        )  # fmt: skip

    # What a person writes

    def want(self, **rules: object) -> None:
        self.item = replace(self.item, rules=replace(self.item.rules, **rules))  # type: ignore[arg-type]

    def prune_by(self, **rules: object) -> None:
        self.item = replace(self.item, prune=replace(self.item.prune or PruneRules(), **rules))  # type: ignore[arg-type]

    def history(self, period: timedelta) -> None:
        self.item = replace(self.item, history=period)
        self.periods = {str(self.target): period}
        self.restart()

    # What a service does

    async def upload(self, tags: Mapping[str, Image | Index]) -> None:
        """Upstream gets these tags, each a day younger than the one before."""
        for tag, what in tags.items():
            await asyncio.to_thread(push, self.workplace.target.url, self.source.name, tag, what)
            self.upstream[tag] = (what, len(self.upstream))

    async def look(self) -> None:
        """List upstream, plan by the rules, and record both."""
        now = self.clock.advance(60)
        records = (await self.workplace.ledger.recorded(str(self.target))).tags
        found = [
            UpstreamTag(tag, what.digest, EPOCH + timedelta(days=day), None)
            for tag, (what, day) in self.upstream.items()
        ]
        known = {name for name, record in records.items() if record.gone_at is None}
        mirrored = {
            name: Mirrored(record.status, record.mirrored_digest, record.mirrored_platforms, pushed_at=record.pushed_at)
            for name, record in records.items()
        }
        decisions = planner.plan(self.item.rules, ALL, NATIVE, found, mirrored, now=now)
        await self.queue.apply(
            ItemKey("app", str(self.source), str(self.target), "all"),
            [SeenTag(tag.name, tag.digest, tag.pushed_at) for tag in found],
            gone=sorted(known - self.upstream.keys()),
            planned=[_planned(each, records.get(each.tag)) for each in decisions],
            walk=Walk(now, now, rules_fingerprint(self.item.rules, ALL, str(self.source))),
        )  # fmt: skip

    async def prune(self) -> None:
        await self.pruner.run([self.item], lambda _: True)

    async def cycle(self) -> None:
        """What a service does every six hours."""
        await self.finish()
        await self.look()
        await self.prune()
        await self.copy()

    async def pass_time(self, period: timedelta = AFTER) -> None:
        self.clock.advance(period.total_seconds())

    async def outlook(self, *, at_once: bool = False) -> Outlook:
        return await self.pruner.outlook(self.item, at_once=at_once)

    async def remove(self, outlook: Outlook) -> Pruned:
        """As a person does, of what goes now."""
        done = Pruned()
        await self.pruner.remove(outlook, done, actor="cli:me@here")
        return done

    async def remove_now(self) -> Pruned:
        return await self.remove(await self.outlook(at_once=True))

    async def finish(self) -> None:
        await super().finish()
        await self.pruner.finish(())

    # What there is

    async def marks(self) -> dict[str, PruneMark]:
        return {mark.tag: mark for mark in await self.prunes.marks()}

    async def stays(self) -> dict[str, str | None]:
        """Why each unwanted tag stays; None: it may go."""
        return {each.record.tag: each.stays for each in (await self.outlook()).judgement.unwanted}

    def images(self) -> set[str]:
        return {tag for tag in self.tags() if not tag.startswith("ferryman-keep-")}

    async def records(self) -> dict[str, TagRecord]:
        return await self.workplace.ledger.known(str(self.target))


def _planned(each: planner.Decision, record: TagRecord | None) -> PlannedTag:
    status, synced_at = (record.status, record.synced_at) if record else (None, None)
    return PlannedTag(
        each.tag, each.action, each.reason, each.rank, status=status, synced_at=synced_at, digest=each.digest,
        holds_changes=each.holds_changes,
    )  # fmt: skip
