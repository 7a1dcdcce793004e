"""Moves one blob into the target repository by the cheapest way: already there, cross-repository mount, or upload."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from ferryman.errors import Denied, NotFound, Permanent, RateLimited, TransferError, Unreachable, WrongContent
from ferryman.manifests.contents import Descriptor
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient, Session
from ferryman.tasks import gather_or_raise
from ferryman.transports.base import ProgressSink
from ferryman.transports.direct.manifest_tree import RequiredBlob
from ferryman.transports.direct.shared_blobs import SharedBlob

_SMALL = 1024 * 1024  # bytes; a blob up to this size is read whole before it is sent
_MOST_URLS = 5  # of a foreign layer


class Trust(Enum):
    """Which information about the target's content is believed: less with each member."""

    LEDGER = auto()  # the database's record, and the target
    TARGET = auto()  # the target's own answers
    NOBODY = auto()  # nothing: every blob is uploaded


@dataclass(slots=True)
class BlobMover:
    """Moves the blobs of one image from one repository into another."""

    registry: RegistryClient
    source: Repository
    target: Repository
    progress: ProgressSink
    trust: Trust
    in_memory: asyncio.Semaphore  # one for each small blob that is in memory, of all copies
    moved: int = 0  # bytes
    reused: int = 0
    landed: set[str] = field(default_factory=set)  # digests that the target holds now
    stale: dict[str, set[str]] = field(default_factory=dict)  # repository: digests that the record wrongly gave it

    def announce(self, blobs: Iterable[Descriptor]) -> None:
        """Report all blobs with no progress yet, so that the total is known from the start."""
        for blob in blobs:
            self.progress(_part(blob), 0, blob.size)

    async def transfer(self, required: RequiredBlob, shared: SharedBlob) -> None:
        """Make sure that the target holds the blob. Raises TransferError."""
        blob = required.blob
        if self.target.name not in shared.repositories:
            async with shared.moving:
                if self.target.name not in shared.repositories:
                    moved = await self._transfer_unless_present(required, shared)
                    shared.repositories.add(self.target.name)
                    self.landed.add(blob.digest)
                    if moved:
                        self.moved += blob.size
                        return
        self.reused += blob.size
        self.progress(f"reuse:{_short(blob)}", blob.size, blob.size)

    async def _transfer_unless_present(self, required: RequiredBlob, shared: SharedBlob) -> bool:
        """True if bytes were uploaded; False if the blob was there already, or could be mounted."""
        blob, session = required.blob, None
        if self._may_mount and (shared.repositories or self._mount_replaces_head(required)):
            there, session = await (
                self._try_mount(blob, shared) if shared.repositories else self._check_by_mount(blob)
            )
            if there:
                return False
        elif self._should_check(required) and await self.registry.has_blob(self.target, blob.digest):
            return False
        if required.urls:
            await self._move_foreign(required, session)
        else:
            await self._move(blob, required.content, session)
        return True

    def forget_all(self, digests: Collection[str]) -> None:
        """Take back what is recorded of these: the target lacks some of them, and does not say which."""
        self.landed.clear()
        self.stale[self.target.name] = set(digests)

    def _should_check(self, required: RequiredBlob) -> bool:
        """Whether a HEAD may save an upload. The config belongs to one image: the record would know it."""
        return self.trust is Trust.TARGET or (self.trust is Trust.LEDGER and not required.is_config)

    def _mount_replaces_head(self, required: RequiredBlob) -> bool:
        """Whether a mount from the target to itself asks for the blob, and opens its upload if it is not there.

        A registry that knows no such mounts gets a blob that it has once more: until one was seen to work, a small one.
        """
        is_small = self._should_check(required) and required.blob.size <= _SMALL
        return self.trust is Trust.LEDGER and (is_small or self.registry.has_mounted(self.target.registry))

    @property
    def _may_mount(self) -> bool:
        return self.trust is not Trust.NOBODY and self.registry.capabilities(self.target.registry).mounts

    async def _try_mount(self, blob: Descriptor, shared: SharedBlob) -> tuple[bool, Session | None]:
        """Mount the blob from a repository that should hold it.

        Returns whether that worked; if not, also the upload session that the registry may have opened instead.
        """
        holder = min(shared.repositories)
        try:
            mount = await self.registry.mount_blob(self.target, blob.digest, source=holder)
        except Permanent:  # perhaps we may not read there: no reason to fail
            shared.repositories.discard(holder)
            return False, None
        except Unreachable:  # says nothing about the holder, and an upload has its own retries
            return False, None
        if mount.made:
            return True, None
        shared.repositories.discard(holder)
        with suppress(TransferError):  # matters to later blobs, not to this one
            there = await self.registry.has_blob(Repository(self.target.registry, holder), blob.digest)
            if there is False:
                self.stale.setdefault(holder, set()).add(blob.digest)
            elif there and not self.registry.has_mounted(self.target.registry):
                # A registry that has mounted before may only refuse it between these two repositories.
                self.registry.capabilities(self.target.registry).mounts = False
        return False, mount.session

    async def _check_by_mount(self, blob: Descriptor) -> tuple[bool, Session | None]:
        """Whether the target holds a blob that no known repository holds; if not, the upload session that was opened.

        A registry that supports mounts answers a mount from the target to itself like a HEAD, and opens the upload
        session in the same request.
        """
        with suppress(Permanent, Unreachable):  # a separate upload has its own retries
            mount = await self.registry.mount_blob(self.target, blob.digest, source=self.target.name)
            return mount.made, mount.session
        return False, None

    async def _move_foreign(self, required: RequiredBlob, session: Session | None) -> None:
        """Copy a foreign layer from the source, which may have it all the same, or from the URLs in its manifest."""
        blob = required.blob
        try:
            await self._move(blob, None, session)
        except (NotFound, Denied) as error:
            if self._is_target_error(error):
                raise
            why = str(error)
        else:
            return
        for url in required.urls[:_MOST_URLS]:
            try:
                await self._stream(blob, None, lambda done: self.progress(_part(blob), done, blob.size), url=url)
            except RateLimited:
                raise
            except TransferError as error:
                if self._is_target_error(error):
                    raise
                why = str(error)
            else:
                return
        message = f"{self.target} requires a foreign layer that neither the source nor its URLs have: {why}"
        raise NotFound(message, registry=self.source.registry)

    def _is_target_error(self, error: TransferError) -> bool:
        return error.registry == self.target.registry != self.source.registry

    async def _move(self, blob: Descriptor, content: bytes | None, session: Session | None) -> None:
        part = _part(blob)
        self.progress(part, 0, blob.size)
        if content is None and blob.size > _SMALL:
            await self._stream(blob, session, lambda done: self.progress(part, done, blob.size))
            return
        async with AsyncExitStack() as stack:
            async with self._aborting_upload_on_failure(blob, session):
                await stack.enter_async_context(self.in_memory)
            found, session = await self._read_and_open(blob, content, session)
            await self.registry.upload_blob(self.target, blob.digest, found, session=session)
        self.progress(part, blob.size, blob.size)

    async def _read_and_open(
        self, blob: Descriptor, content: bytes | None, session: Session | None
    ) -> tuple[bytes, Session | None]:
        """Read a small blob, and open its upload session meanwhile, where the target does not take it without one."""
        opened = [session] if session is not None else []
        needs_session = not opened and self.registry.takes_single_posts(self.target.registry) is False
        found: list[bytes] = []

        async def read() -> None:
            found.append(await self._read(blob, content))

        async def open_session() -> None:
            if needs_session:
                with suppress(Unreachable):  # `upload_blob` opens one, with its own retries
                    opened.append(await self.registry.open_upload(self.target, blob.digest))

        try:
            await gather_or_raise(read(), open_session())
        except BaseException:
            for each in opened:
                await self.registry.cancel_upload(self.target, blob.digest, each)
            raise
        return found[0], opened[0] if opened else None

    async def _read(self, blob: Descriptor, content: bytes | None) -> bytes:
        found = await self.registry.get_blob(self.source, blob.digest) if content is None else content
        if len(found) != blob.size:
            message = f"{self.source}@{blob.digest} has {len(found)} bytes, but its manifest says {blob.size}"
            raise WrongContent(message, registry=self.source.registry)
        return found

    async def _stream(
        self, blob: Descriptor, session: Session | None, report: Callable[[int], None], *, url: str | None = None
    ) -> None:
        async with AsyncExitStack() as stack:
            async with self._aborting_upload_on_failure(blob, session):
                await stack.enter_async_context(self.registry.transfer(self.source.registry, self.target.registry))
            if url is None:
                download = self.registry.download(self.source, blob.digest, blob.size, on_progress=report)
            else:
                download = self.registry.download_from(url, self.source, blob.digest, blob.size, on_progress=report)
            try:
                await self.registry.upload_blob(self.target, blob.digest, download, session=session)
            finally:
                download.close()

    @asynccontextmanager
    async def _aborting_upload_on_failure(self, blob: Descriptor, session: Session | None) -> AsyncIterator[None]:
        """For steps before `upload_blob` owns the session: on failure, nobody else would cancel it at the target."""
        try:
            yield
        except BaseException:
            if session is not None:
                await self.registry.cancel_upload(self.target, blob.digest, session)
            raise


def _part(blob: Descriptor) -> str:
    return f"copy:{_short(blob)}"


def _short(blob: Descriptor) -> str:
    return blob.digest.partition(":")[2][:12]
