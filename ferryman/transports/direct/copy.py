"""One tag's way from registry to registry: read what it consists of, bring blobs, put manifests, the tag last.

What the target does not take is tried in other forms (`direct_forms.py`).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ferryman import log
from ferryman.errors import TransferError, Unsupported, WrongContent
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, Repository
from ferryman.registry.capabilities import Capabilities
from ferryman.registry.client import ManifestRefused, RegistryClient, Stored
from ferryman.transports.base import Copied, ProgressSink
from ferryman.transports.direct.blobs import BlobMover, Trust
from ferryman.transports.direct.fallbacks import Form, Refused, in_order, lesson
from ferryman.transports.direct.manifest_tree import Node, TreeReader
from ferryman.transports.direct.media_types import in_docker_types, in_oci_types
from ferryman.transports.direct.push import TreePush, lacks_content
from ferryman.transports.direct.shared_blobs import SharedBlob, SharedBlobs
from ferryman.transports.direct.target_cache import TargetCache
from ferryman.transports.locks import KeyedLocks
from ferryman.transports.tagging import is_taken


@dataclass(frozen=True, slots=True)
class CopyContext:
    """What all direct copies share."""

    registry: RegistryClient
    memory: TargetCache
    shared: SharedBlobs
    native: Platform
    lists: KeyedLocks = field(default_factory=KeyedLocks)  # of referrers at targets, by their tags
    # What registries were seen to be able to do: a refusal of the same is of that one image then.
    shown: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True, slots=True)
class _Telling:
    """The image in one form."""

    form: Form
    tree: Node
    degraded: str | None


class DirectCopy:
    """Copies one tag. Made for one `run`."""

    def __init__(
        self, tools: CopyContext, *, source: Reference, target: Reference, wanted: Platforms, progress: ProgressSink
    ) -> None:
        self._tools = tools
        self._source = source
        self._target = target
        self._progress = progress
        self._tree = TreeReader(tools.registry, source, wanted, tools.native)
        self._moved = 0
        self._reused = 0
        self._degraded: str | None = None
        self._wants_foreign = False  # the target wants foreign layers to be there
        self._untold: TransferError | None = None  # why Docker's types cannot tell it
        self.verbatim: set[str] = set()  # digests of images and indexes that the target has as the source does

    async def run(self) -> Copied:
        """Copy, believing the record; should the target lack something after all, ask it; at last, believe nobody."""
        for trust in Trust:
            try:
                stored = await self._copied(trust)
            except ManifestRefused as error:
                if not error.lacks_content:
                    raise
                log.get().warning("the target lacks what it was believed to hold", error=str(error))
                self._wants_foreign = True  # it may be those; most targets do without
            else:
                return Copied(
                    stored.digest,
                    identical=stored.digest == self._source.digest,
                    bytes_moved=self._moved,
                    bytes_reused=self._reused,
                    confirmed=stored.confirmed,
                    degraded=self._degraded,
                )
        raise WrongContent(f"{self._repository} lacks what was just uploaded to it", registry=self._repository.registry)

    async def _copied(self, trust: Trust) -> Stored:
        """In the first form that the target takes. Where it takes none, its first refusal is raised."""
        refused: list[tuple[_Telling, Refused]] = []
        for form in await self._forms(trust):
            telling = await self._told(form, trust)
            if telling is None or telling.tree.manifest.digest in {each.tree.manifest.digest for each, _ in refused}:
                continue
            try:
                stored = await self._shipped(telling, Trust.TARGET if refused and trust is Trust.NOBODY else trust)
            except Refused as refusal:
                if lacks_content(refusal.error) and trust is not Trust.NOBODY:
                    raise refusal.error from refusal
                refused.append((telling, refusal))
            else:
                return await self._learnt(telling, stored, *refused[-1], trust) if refused else stored
        raise self._failure([(telling.form, refusal.error) for telling, refusal in refused])

    async def _forms(self, trust: Trust) -> Sequence[Form]:
        if self._target.digest:
            return [Form.AS_IT_IS]  # another form would have another digest
        if not self._capabilities.missing_capabilities():
            return list(Form)
        whole = await self._read(trust, attestations=self._capabilities.takes_attestations)
        return in_order(whole, self._capabilities)

    async def _told(self, form: Form, trust: Trust) -> _Telling | None:
        """The image in this form; None: that cannot be."""
        if form is Form.AS_IT_IS:
            return _Telling(form, await self._read(trust, attestations=True), None)
        registry = self._repository.registry
        if form is Form.WITHOUT_ATTESTATIONS:
            tree = await self._read(trust, attestations=False)
            left_out = f"{registry} refuses attestations: the index was rebuilt without them"
            return _Telling(form, tree, left_out if self._tree.left_attestations_out else None)
        whole = await self._read(Trust.NOBODY, attestations=False)  # all of it: each manifest becomes another
        without = " and without attestations" if self._tree.left_attestations_out else ""
        refused, retell = ("Docker's", in_oci_types) if form is Form.OCIS else ("OCI", in_docker_types)
        degraded = f"{registry} refuses {refused} types: told {form.value.removesuffix(' types')}{without}"
        try:
            tree = retell(whole)
        except (Unsupported, WrongContent) as error:
            self._untold = error
            return None
        return None if tree is whole else _Telling(form, tree, degraded)

    async def _read(self, trust: Trust, *, attestations: bool) -> Node:
        async def known(digests: Collection[str]) -> Collection[str]:
            return await self._tools.memory.held_by(self._repository, digests) if trust is Trust.LEDGER else ()

        return await self._tree.read(known=known, attestations=attestations)

    async def _learnt(
        self, taken: _Telling, stored: Stored, telling: _Telling, refusal: Refused, trust: Trust
    ) -> Stored:
        """What is believed after one form was taken and the one before refused, if it is refused again now."""
        registry = self._repository.registry
        log.get().warning("the target refuses an image", told=taken.form.value, error=str(refusal.error))
        try:
            if await is_taken(self._tools.registry, self._target, refusal.node.manifest):
                return await self._shipped(telling, trust)  # it was refused in passing
        except (TransferError, Refused):
            self._settle(taken)
            return stored
        learnt = lesson(refusal.node, taken.tree)
        if learnt is not None and learnt not in self._tools.shown[registry]:
            setattr(self._capabilities, learnt, False)
        return stored

    def _failure(self, refused: Sequence[tuple[Form, TransferError]]) -> TransferError:
        """The first refusal, and what was tried besides."""
        registry, first = self._repository.registry, refused[0][1]
        message = str(first)
        if others := [form.value for form, _ in refused[1:]]:
            message = f"{message}; refused as well {' and '.join(others)}"
        if self._untold is not None and not (self._capabilities.takes_oci and self._capabilities.takes_oci_indexes):
            message = f"{registry} refuses OCI types, and {self._source} needs them: {self._untold}; {message}"
        if message == str(first):
            return first
        return type(first)(
            message, registry=first.registry, retry_at=first.retry_at,
            reported=first.reported, status=first.status, codes=first.codes,
        )  # fmt: skip

    async def _shipped(self, telling: _Telling, trust: Trust) -> Stored:
        """Blobs, then manifests. What the target has at the end is written down, also if that is not all of it."""
        root, blobs = telling.tree, telling.tree.blobs(foreign=self._wants_foreign)
        with self._tools.shared.wanted(self._repository.registry, blobs) as shared:
            await self._recall(shared, trust)
            shipment = TreePush(
                self._tools.registry,
                self._target,
                BlobMover(self._tools.registry, self._source.repository, self._repository, self._progress, trust),
            )
            try:
                stored = await shipment.send(root, blobs, shared)
            except Refused as refusal:
                if lacks_content(refusal.error):
                    shipment.put.clear()
                    shipment.mover.disown([*blobs, *root.manifests()])
                raise
            finally:
                self._moved += shipment.mover.moved
                self._reused += shipment.mover.reused
                await self._write_down(shipment)
        self._settle(telling)
        return stored

    def _settle(self, telling: _Telling) -> None:
        self._degraded = telling.degraded
        self.verbatim = telling.tree.verbatim()

    async def _recall(self, shared: Mapping[str, SharedBlob], trust: Trust) -> None:
        """What is known of the blobs, from earlier copies and from the others that run."""
        known = await self._tools.memory.holders(self._repository.registry, shared)
        for digest, blob in shared.items():
            blob.repositories.update(known.get(digest, ()))
            if self._source.repository.registry == self._repository.registry:
                blob.repositories.add(self._source.repository.name)
            if trust is not Trust.LEDGER:
                blob.repositories.discard(self._repository.name)

    async def _write_down(self, shipment: TreePush) -> None:
        self._tools.shown[self._repository.registry] |= shipment.shown
        for ability in shipment.shown:
            setattr(self._capabilities, ability, True)  # whatever was believed
        await self._tools.memory.remember(self._repository, {"blob": shipment.mover.landed, "manifest": shipment.put})
        for name, digests in shipment.mover.stale.items():
            await self._tools.memory.forget(Repository(self._repository.registry, name), digests)

    @property
    def _repository(self) -> Repository:
        return self._target.repository

    @property
    def _capabilities(self) -> Capabilities:
        return self._tools.registry.capabilities(self._repository.registry)
