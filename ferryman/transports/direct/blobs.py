"""How one blob gets into the target's repository: not at all, by a mount, or by a stream, the cheapest first."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from ferryman.errors import Denied, NotFound, Permanent, RateLimited, TransferError, Unreachable, WrongContent
from ferryman.manifests.contents import Descriptor
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient, Session
from ferryman.transports.base import ProgressSink
from ferryman.transports.direct.manifest_tree import Needed
from ferryman.transports.direct.shared_blobs import SharedBlob

_SMALL = 1024 * 1024  # bytes; what is no larger is read whole before it is sent
_MOST_URLS = 5  # of a foreign layer


class Trust(Enum):
    """Whose word is taken for what the target has; each is less than the one before."""

    LEDGER = auto()
    TARGET = auto()
    NOBODY = auto()


@dataclass(slots=True)
class BlobMover:
    """Brings the blobs of one image from one repository into another."""

    registry: RegistryClient
    source: Repository
    target: Repository
    progress: ProgressSink
    trust: Trust
    moved: int = 0  # bytes
    reused: int = 0
    landed: set[str] = field(default_factory=set)  # digests that the target holds now
    stale: dict[str, set[str]] = field(default_factory=dict)  # repository: digests that it was wrongly believed to hold

    def announce(self, blobs: Iterable[Descriptor]) -> None:
        """Tell of all that is to come, so that its sum is known from the start."""
        for blob in blobs:
            self.progress(_part(blob), 0, blob.size)

    async def bring(self, needed: Needed, shared: SharedBlob) -> None:
        """See to it that the target holds the blob. Raises TransferError."""
        blob = needed.blob
        if self.target.name not in shared.repositories:
            async with shared.moving:
                if self.target.name not in shared.repositories:
                    moved = await self._brought(needed, shared)
                    shared.repositories.add(self.target.name)
                    self.landed.add(blob.digest)
                    if moved:
                        self.moved += blob.size
                        return
        self.reused += blob.size
        self.progress(f"reuse:{_short(blob)}", blob.size, blob.size)

    async def _brought(self, needed: Needed, shared: SharedBlob) -> bool:
        """False: it was there, or is mounted now."""
        blob, session = needed.blob, None
        if self._may_mount and (shared.repositories or self._mounts_are_answers):
            there, session = await (self._mounted(blob, shared) if shared.repositories else self._asked_by_mount(blob))
            if there:
                return False
        elif self._is_worth_asking(needed) and await self.registry.has_blob(self.target, blob.digest):
            return False
        await (self._move_foreign(needed, session) if needed.urls else self._move(blob, needed.content, session))
        return True

    def disown(self, digests: Collection[str]) -> None:
        """The target lacks some of these, and does not say which."""
        self.landed.clear()
        self.stale[self.target.name] = set(digests)

    def _is_worth_asking(self, needed: Needed) -> bool:
        return self.trust is Trust.TARGET or (self.trust is Trust.LEDGER and not needed.is_config)

    @property
    def _mounts_are_answers(self) -> bool:
        return self.trust is Trust.LEDGER and self.registry.has_mounted(self.target.registry)

    @property
    def _may_mount(self) -> bool:
        return self.trust is not Trust.NOBODY and self.registry.capabilities(self.target.registry).mounts

    async def _mounted(self, blob: Descriptor, shared: SharedBlob) -> tuple[bool, Session | None]:
        """Whether it could be mounted from where it is believed to be; if not, the upload that may have begun."""
        holder = min(shared.repositories)
        try:
            mount = await self.registry.mount_blob(self.target, blob.digest, source=holder)
        except Permanent:  # no right to read there, perhaps: no reason to fail
            shared.repositories.discard(holder)
            return False, None
        except Unreachable:  # it says nothing of the holder; an upload has more tries
            return False, None
        if mount.made:
            return True, None
        shared.repositories.discard(holder)
        with suppress(TransferError):  # it matters to the next blob, not to this one
            there = await self.registry.has_blob(Repository(self.target.registry, holder), blob.digest)
            if there is False:
                self.stale.setdefault(holder, set()).add(blob.digest)
            elif there and not self.registry.has_mounted(
                self.target.registry
            ):  # what has may mind whose repository it is
                self.registry.capabilities(self.target.registry).mounts = False
        return False, mount.session

    async def _asked_by_mount(self, blob: Descriptor) -> tuple[bool, Session | None]:
        """Whether the target has it, which nobody is known to hold; if not, the upload that may have begun.

        What makes mounts answers one from the target to itself as it answers HEAD, and begins the upload as well.
        """
        with suppress(Permanent, Unreachable):  # an upload begun by itself has more tries
            mount = await self.registry.mount_blob(self.target, blob.digest, source=self.target.name)
            return mount.made, mount.session
        return False, None

    async def _move_foreign(self, needed: Needed, session: Session | None) -> None:
        """From the source, which may have it all the same, or from where its manifest says that it is."""
        blob = needed.blob
        try:
            await self._move(blob, None, session)
        except (NotFound, Denied) as error:
            if self._is_the_targets(error):
                raise
            why = str(error)
        else:
            return
        for url in needed.urls[:_MOST_URLS]:
            try:
                await self._stream(blob, None, lambda done: self.progress(_part(blob), done, blob.size), url=url)
            except RateLimited:
                raise
            except TransferError as error:
                if self._is_the_targets(error):
                    raise
                why = str(error)
            else:
                return
        message = f"{self.target} wants a foreign layer, which neither the source nor its URLs have: {why}"
        raise NotFound(message, registry=self.source.registry)

    def _is_the_targets(self, error: TransferError) -> bool:
        return error.registry == self.target.registry != self.source.registry

    async def _move(self, blob: Descriptor, content: bytes | None, session: Session | None) -> None:
        part = _part(blob)
        self.progress(part, 0, blob.size)
        if content is None and blob.size > _SMALL:
            await self._stream(blob, session, lambda done: self.progress(part, done, blob.size))
            return
        async with self._given_up_on_failure(blob, session):
            found = await self._read(blob, content)
        await self.registry.upload_blob(self.target, blob.digest, found, session=session)
        self.progress(part, blob.size, blob.size)

    async def _read(self, blob: Descriptor, content: bytes | None) -> bytes:
        found = await self.registry.get_blob(self.source, blob.digest) if content is None else content
        if len(found) != blob.size:
            message = f"{self.source}@{blob.digest} has {len(found)} bytes, and its manifest says {blob.size}"
            raise WrongContent(message, registry=self.source.registry)
        return found

    async def _stream(
        self, blob: Descriptor, session: Session | None, tell: Callable[[int], None], *, url: str | None = None
    ) -> None:
        async with AsyncExitStack() as place:
            async with self._given_up_on_failure(blob, session):
                await place.enter_async_context(self.registry.transfer(self.source.registry, self.target.registry))
            if url is None:
                download = self.registry.download(self.source, blob.digest, blob.size, tell=tell)
            else:
                download = self.registry.download_from(url, self.source, blob.digest, blob.size, tell=tell)
            try:
                await self.registry.upload_blob(self.target, blob.digest, download, session=session)
            finally:
                download.close()

    @asynccontextmanager
    async def _given_up_on_failure(self, blob: Descriptor, session: Session | None) -> AsyncIterator[None]:
        """What is done before an upload takes the session over: nobody else would end it at the target."""
        try:
            yield
        except BaseException:
            if session is not None:
                await self.registry.give_up_upload(self.target, blob.digest, session)
            raise


def _part(blob: Descriptor) -> str:
    return f"copy:{_short(blob)}"


def _short(blob: Descriptor) -> str:
    return blob.digest.partition(":")[2][:12]
