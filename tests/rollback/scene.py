"""Tags that were copied from one real registry to another, whose requests can be counted, refused and cut off."""

import asyncio
import urllib.error
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

from aiohttp import web

from ferryman.reference import Repository, keep_tag
from ferryman.registry.client import RegistryClient
from ferryman.rollback.expiry import Expiry
from ferryman.rollback.keeper import Keeper
from ferryman.rollback.putting_back import Rollback
from ferryman.store.kept_digests import KeptDigests
from ferryman.store.records import Intent, ItemKey, KeptDigest, PlannedTag, SeenTag, TagRecord, Walk
from ferryman.store.rollbacks import Rollbacks
from ferryman.store.signatures import SignatureLog
from ferryman.store.target_blobs import TargetBlobs
from ferryman.transports.base import Copied
from ferryman.transports.direct.transport import DirectTransport
from ferryman.worker import Worker
from tests.support.images import Image, Index, digest_at, image, layer, push
from tests.support.proxy import FaultyProxy
from tests.support.transports import NATIVE, manifest_at, tags_at
from tests.support.workplace import POLICY, Workplace

PERIOD = timedelta(days=90)
# What becomes of a request: it never arrives; its answer never arrives; it is answered with this status.
Fate = Literal["lost", "deaf"] | int


def version(number: int, *, of: str = "app") -> Image:
    """A different small image for every number."""
    return image([layer({"file": f"{of} {number}".encode()})])


class Scene:
    """Both ends, and the record; `restart` is what a new process knows."""

    def __init__(
        self, workplace: Workplace, proxy: FaultyProxy, connect: Callable[[], RegistryClient], name: str
    ) -> None:
        self.workplace = workplace
        self.clock, self.queue, self.database = workplace.clock, workplace.queue, workplace.database
        self.proxy = proxy
        self._connect = connect
        self.client = connect()
        self._copies = set[asyncio.Task[Copied]]()  # under way
        self.name = name
        self.source = Repository(workplace.target.host, f"{name}/source")
        self.target = Repository(proxy.host, f"{name}/target")
        self.kept = KeptDigests(self.database, clock=self.clock)
        self.rollbacks = Rollbacks(self.database, clock=self.clock, queued=self.queue.filled)
        self.periods = {str(self.target): PERIOD}
        self.restart()

    def restart(self) -> None:
        keeper = self.keeper = Keeper(kept=self.kept, registry=self.client)
        keeper.configure(self.periods)
        self.rollback = Rollback(
            rollbacks=self.rollbacks, keeper=keeper, registry=self.client, clock=self.clock, owner=self.queue_owner
        )
        self.expiry = Expiry(keeper=keeper, kept=self.kept, registry=self.client, clock=self.clock)
        blobs = TargetBlobs(self.database, clock=self.clock)
        self.transport = DirectTransport(registry=self.client, blobs=blobs, native=NATIVE, clock=self.clock)
        self.worker = Worker(
            queue=self.queue, transport=self.transport, registry=self.client, pauses=self.workplace.pauses,
            keeping=keeper.overwriting, clock=self.clock, policy=POLICY, events=self.workplace.events,
            verifier=lambda: None, signatures=SignatureLog(self.database, clock=self.clock),
        )  # fmt: skip

    @property
    def queue_owner(self) -> str:
        return self.workplace.owner.name

    # Upstream, and the way from there

    async def publish(self, *tags: str, what: Image | Index) -> None:
        """Upstream's tags name this now, and a look has found it."""
        for tag in tags:
            await asyncio.to_thread(push, self.workplace.target.url, self.source.name, tag, what)
        now = self.clock.advance(60)
        await self.queue.apply(
            ItemKey("app", str(self.source), str(self.target), "all"), [SeenTag(tag, what.digest, now) for tag in tags],
            gone=(), planned=[PlannedTag(tag, "copy", "changed", rank) for rank, tag in enumerate(tags)],
            walk=Walk(now, now, "rules"),
        )  # fmt: skip

    async def copy(self) -> None:
        """What a pool does, until nothing is due."""
        while job := await self.queue.claim():
            began = self.clock.now()
            task = asyncio.ensure_future(self.worker.copy(job, lambda: None))
            self._copies.add(task)
            await asyncio.wait([task])
            self._copies.discard(task)
            assert await self.worker.record_result(job, task, began)

    async def mirror(self, *tags: str, what: Image | Index) -> None:
        await self.publish(*tags, what=what)
        await self.copy()

    async def take_over(self) -> None:
        """A process was killed: another one does what it has left."""
        self.proxy.mend()
        self.restart()
        await self.queue.reclaim([self.queue_owner])
        await self.finish()
        self.clock.advance(2 * 3600)
        await self.copy()
        await self.expiry.run()

    async def finish(self) -> None:
        """What comes before each cycle."""
        await self.rollback.finish(held_locks=())

    # Persons

    async def put_back(self, tag: str, what: Image | Index) -> str | None:
        return await self.rollback.put_back(self.target, tag, what.digest, actor="cli:me@here")

    async def release(self, tag: str) -> bool:
        intent = Intent("cli:me@here", "release", f"{self.target}:{tag}")
        return await self.rollbacks.release(str(self.target), tag, intent=intent)

    # Faults

    def strike(self, number: int, fate: Fate, *, also_later: bool = False) -> "Struck":
        """Let the next request of this number (from 1) meet its fate; all later ones, too, if the process goes on."""
        struck = Struck(number, fate, self.proxy.pass_on, also_later=also_later)
        self.proxy.fail(".*", struck)
        return struck

    async def killed(self, work: Awaitable[object], number: int, fate: Fate) -> bool:
        """Do the work until its request of this number, and no further. False: it ended without so many requests."""
        struck = self.strike(number, fate)
        task, hit = asyncio.ensure_future(work), asyncio.ensure_future(struck.hit.wait())
        await asyncio.wait([task, hit], return_when=asyncio.FIRST_COMPLETED)
        for each in (task, hit):
            each.cancel()
        # Its connections end with a process. Else what is held up would be sent again after a minute, by a dead one.
        await self.client.aclose()
        await asyncio.gather(task, hit, *self._copies, return_exceptions=True)
        self._copies.clear()
        self.client = self._connect()
        self.restart()
        self.proxy.mend()
        return struck.hit.is_set()

    async def aclose(self) -> None:
        await self.client.aclose()

    # What there is

    def names(self, tag: str) -> str | None:
        """The digest that the target's tag names; it can be pulled whole."""
        url = self.workplace.target.url
        try:
            found = digest_at(url, self.target.name, tag)
        except urllib.error.HTTPError as error:
            error.close()
            return None
        self.pull(found)
        return found

    def pull(self, digest: str) -> None:
        """Fails if the target does not have it."""
        manifest_at(self.workplace.target.url, self.target.name, digest)

    def tags(self) -> set[str]:
        return set(tags_at(self.workplace.target.url, self.target.name))

    def keep_tags(self) -> set[str]:
        return {tag for tag in self.tags() if tag.startswith("ferryman-keep-")}

    async def record(self, tag: str) -> TagRecord:
        found = await self.workplace.ledger.tag(str(self.target), tag)
        assert found is not None
        return found

    async def kept_digests(self) -> dict[str, KeptDigest]:
        return {each.digest: each for each in await self.kept.unsettled(before=self.clock.now() + PERIOD)}

    async def assert_true(self) -> None:
        """The record says what the target has: of every tag, and of every digest that is kept."""
        async for record in self.workplace.ledger.tags(targets=[str(self.target)]):
            assert record.target_digest == self.names(record.tag)
        kept = await self.kept_digests()
        assert {each.state for each in kept.values()} <= {"kept"}
        assert {keep_tag(digest): digest for digest in kept} == {tag: self.names(tag) for tag in self.keep_tags()}
        assert not await self.rollbacks.pending()


class Struck:
    """A fault for one request."""

    def __init__(
        self, number: int, fate: Fate, pass_on: Callable[[web.Request], Awaitable[web.StreamResponse]], *,
        also_later: bool,
    ) -> None:  # fmt: skip
        self.hit = asyncio.Event()
        self._left = number
        self._fate = fate
        self._pass_on = pass_on
        self._also_later = also_later

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self._left -= 1
        if self._left > 0 or (self._left < 0 and not self._also_later):
            return await self._pass_on(request)
        if isinstance(self._fate, int):
            self.hit.set()
            return web.Response(status=self._fate)
        if self._fate == "deaf":
            await self._pass_on(request)
        self.hit.set()
        await asyncio.Event().wait()
        raise AssertionError
