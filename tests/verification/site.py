"""An upstream and a target, both real registries, and tags that were copied from one to the other."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from ferryman.items.model import Item, VerifyRules
from ferryman.kinds import Depth, Repair
from ferryman.platforms import Platforms
from ferryman.reference import Repository
from ferryman.store.queries.findings import Finding, read_findings
from ferryman.store.records import Checked, ItemKey, PlannedTag, SeenTag, Walk
from ferryman.store.target_blobs import TargetBlobs
from ferryman.store.target_checks import TargetChecks
from ferryman.transports.direct.transport import DirectTransport
from ferryman.verification.examination import Examination
from ferryman.verification.verifier import Verified
from tests.support.images import Image, Index, digest_at, push
from tests.support.processes import RegistryServer
from tests.support.transports import NATIVE
from tests.support.verification import routine_of, verifier_of
from tests.support.workplace import Workplace

ALL = Platforms(keyword="all")


class Site:
    """What is at both ends, and what the record says of it."""

    def __init__(self, workplace: Workplace, upstream: RegistryServer, name: str) -> None:
        self.workplace = workplace
        self.upstream = upstream
        self.target = workplace.target
        self.name = name  # of the repositories, at both ends
        self.host = workplace.target.host  # the target's; a proxy may be in front of it
        self.source = Repository(upstream.host, name)
        self.database = workplace.database
        self.blobs = TargetBlobs(self.database, clock=workplace.clock)
        self.checks = TargetChecks(self.database, clock=workplace.clock, queued=workplace.queue.filled)
        self.verifier = verifier_of(workplace.client, self.database, self.checks, workplace.clock)
        self.routine = routine_of(workplace.client, self.database, self.checks, workplace.clock)
        self.results: list[Checked] = []

    def repository(self, name: str | None = None) -> Repository:
        return Repository(self.host, name or self.name)

    def item(self, *, name: str | None = None, depth: Depth = "tags", repair: Repair = "missing") -> Item:
        return Item("app", self.source, self.repository(name), verify=VerifyRules(depth=depth, repair=repair))

    async def mirror(self, images: Mapping[str, Image | Index], *, name: str | None = None) -> None:
        """Push to the upstream, and copy."""
        for tag, made in images.items():
            await asyncio.to_thread(push, self.upstream.url, self.name, tag, made)
        await self.enqueue({tag: made.digest for tag, made in images.items()}, name=name)
        await self.copy()

    async def enqueue(self, digests: Mapping[str, str], *, name: str | None = None, held: bool = False) -> None:
        """A look finds these. `held`: `on_change: hold` applies to them."""
        now, key = self.workplace.clock.now(), ItemKey("app", str(self.source), str(self.repository(name)), "all")
        await self.workplace.queue.apply(
            key, [SeenTag(tag, digest, now) for tag, digest in digests.items()], gone=(),
            planned=[PlannedTag(tag, "copy", "new", rank, holds_changes=held) for rank, tag in enumerate(digests)],
            walk=Walk(now, now, "rules"),
        )  # fmt: skip

    async def is_gone_upstream(self, *tags: str, name: str | None = None) -> None:
        """Upstream does not list them any more, and has deleted them."""
        for tag in tags:
            self.upstream.lose_tag(self.name, tag)
        self.upstream.remove(f"repositories/{self.name}/_manifests/revisions")
        now, key = self.workplace.clock.now(), ItemKey("app", str(self.source), str(self.repository(name)), "all")
        await self.workplace.queue.apply(key, [], gone=tags, planned=[], walk=Walk(now, now, "rules"))

    async def copy(self) -> int:
        """What a pool would do: the number of tags."""
        transport = DirectTransport(
            registry=self.workplace.client, blobs=self.blobs, native=NATIVE, clock=self.workplace.clock
        )
        number = 0
        while job := await self.workplace.queue.claim():
            source, target = Repository.parse(job.source), Repository.parse(job.target)
            done = await transport.copy(source.pinned(job.digest), target.tagged(job.tag), ALL, lambda *_: None)
            await self.workplace.queue.succeed(
                job, started_at=self.workplace.clock.now(), target_digest=done.digest, identical=done.identical,
                bytes_moved=done.bytes_moved, bytes_reused=done.bytes_reused,
            )  # fmt: skip
            number += 1
        return number

    async def verify(
        self, depth: Depth = "tags", repair: Repair = "nothing", *, name: str | None = None
    ) -> dict[str, str]:
        """Verify every tag. What was found, and what came of it, by tag: without the intact ones."""
        target, found = self.repository(name), Verified()
        self.workplace.clock.advance(1)
        self.results.clear()
        tags = await self.checks.page(str(target), depth, since=self.workplace.clock.now(), after=0, most=1000)
        examination = Examination(self.workplace.client, depth)
        await self.verifier.verify(target, tags, examination, repair, found, tell=self._tell)
        return {
            each.held.tag: each.damage.finding if each.repair == "none" else f"{each.damage.finding} {each.repair}"
            for each in self.results
            if each.damage
        }

    def _tell(self, _: Repository, result: Checked) -> None:
        self.results.append(result)

    async def look(self, kept: Collection[str], item: Item, *, elapsed: timedelta | None) -> int:
        """What a look does: the number of tags that it queues again."""
        return await self.routine.verify(item, await self.routine.due(item, kept, elapsed=elapsed))

    async def findings(self) -> Sequence[Finding]:
        async with self.database.read() as connection:
            return await read_findings(connection)

    def names(self, tag: str, name: str | None = None) -> str:
        """The digest that the target's tag names."""
        return digest_at(self.target.url, name or self.name, tag)

    # What strangers do at the target's disk

    def lose_tag(self, tag: str) -> None:
        self.target.lose_tag(self.name, tag)

    def lose_manifest(self, digest: str) -> None:
        self.target.lose_manifest(self.name, digest)

    def lose_blob(self, digest: str) -> None:
        self.target.lose_blob(self.name, digest)
