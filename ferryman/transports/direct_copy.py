"""One tag's way from registry to registry: read what it consists of, bring blobs, put manifests, the tag last."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ferryman import log
from ferryman.errors import Denied, NotFound, Unsupported, WrongContent
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, Repository
from ferryman.registry.client import Abilities, ManifestRefused, RegistryClient, Stored
from ferryman.tasks import gather_or_raise
from ferryman.transports.base import Copied, ProgressSink
from ferryman.transports.direct_blobs import BlobMover, Trust
from ferryman.transports.direct_tree import Node, TreeReader
from ferryman.transports.locks import KeyedLocks
from ferryman.transports.memory import Memory
from ferryman.transports.schema2 import in_docker_types
from ferryman.transports.shared_blobs import SharedBlob, SharedBlobs

# Aliyun's registry: unknown manifest class for application/vnd.oci.empty.v1+json
_ATTESTATION_REFUSED = re.compile(r"manifest class|vnd\.oci\.empty|in-toto", re.IGNORECASE)
# What registries say of a manifest's type, each in its own words.
_OCI_REFUSED = re.compile(
    r"vnd\.oci\.image|media ?type|content ?type|schema ?version|manifest (type|format|version)|^415\b",
    re.IGNORECASE,
)


class _AttestationsRefused(Exception):
    """The target takes the images, and not what is attested of them."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all direct copies share."""

    registry: RegistryClient
    memory: Memory
    shared: SharedBlobs
    native: Platform
    lists: KeyedLocks = field(default_factory=KeyedLocks)  # of referrers at targets, by their tags


class DirectCopy:
    """Copies one tag. Made for one `run`."""

    def __init__(
        self, tools: Tools, *, source: Reference, target: Reference, wanted: Platforms, progress: ProgressSink
    ) -> None:
        self._tools = tools
        self._source = source
        self._target = target
        self._progress = progress
        self._tree = TreeReader(tools.registry, source, wanted, tools.native)
        self._moved = 0
        self._reused = 0
        self._degraded: str | None = None
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
        if not self._abilities.takes_oci:
            told, _ = await self._in_docker_types()
            if told is not None:
                return await self._shipped(told, trust)
        try:
            return await self._sent(trust)  # also what Docker's types cannot tell: it may be taken all the same
        except ManifestRefused as refusal:
            if refusal.lacks_content or not _OCI_REFUSED.search(refusal.said):
                raise
            told, why_not = await self._in_docker_types()
            if why_not is not None:
                registry = self._repository.registry
                message = f"{registry} refuses OCI types, and {self._source} needs them: {why_not}; {refusal}"
                raise Unsupported(message, registry=registry) from refusal
            if told is None:
                raise
            stored = await self._shipped(told, trust)
            log.get().warning("the target refuses OCI types", error=str(refusal))
            self._abilities.takes_oci = False  # known only now: it takes the same in Docker's
            return stored

    async def _sent(self, trust: Trust) -> Stored:
        """As it is, but for attestations where they are refused."""
        if self._abilities.takes_attestations:
            try:
                return await self._shipped(await self._read(trust, attestations=True), trust)
            except _AttestationsRefused as refusal:
                log.get().warning("the target refuses attestations", error=str(refusal))
                self._abilities.takes_attestations = False
        return await self._shipped(await self._read(trust, attestations=False), trust)

    async def _in_docker_types(self) -> tuple[Node | None, Unsupported | None]:
        """The same in Docker's types, or why they cannot tell it; neither, where nothing of it is OCI's."""
        whole = await self._read(Trust.NOBODY, attestations=False)  # all of it: each manifest becomes another
        try:
            told = in_docker_types(whole)
        except Unsupported as error:
            return None, error
        if told is whole:
            return None, None
        left_out = " and without attestations" if self._tree.left_attestations_out else ""
        self._degraded = f"{self._repository.registry} refuses OCI types: told in Docker's{left_out}"
        self.verbatim = told.verbatim()
        return told, None

    async def _read(self, trust: Trust, *, attestations: bool) -> Node:
        async def known(digests: Collection[str]) -> Collection[str]:
            return await self._tools.memory.held_by(self._repository, digests) if trust is Trust.LEDGER else ()

        node = await self._tree.read(known=known, attestations=attestations)
        self._degraded = None
        if self._tree.left_attestations_out:
            self._degraded = f"{self._repository.registry} refuses attestations: the index was rebuilt without them"
        self.verbatim = node.verbatim()
        return node

    async def _shipped(self, root: Node, trust: Trust) -> Stored:
        """Blobs, then manifests. What the target has at the end is written down, also if that is not all of it."""
        blobs = root.blobs()
        with self._tools.shared.wanted(self._repository.registry, blobs) as shared:
            await self._recall(shared, trust)
            shipment = _Shipment(
                self._tools.registry,
                self._target,
                BlobMover(self._tools.registry, self._source.repository, self._repository, self._progress, trust),
            )
            try:
                return await shipment.send(root, shared)
            except ManifestRefused as error:
                if error.lacks_content:
                    shipment.put.clear()
                    shipment.mover.disown([*blobs, *root.manifests()])
                raise
            finally:
                self._moved += shipment.mover.moved
                self._reused += shipment.mover.reused
                await self._write_down(shipment)

    async def _recall(self, shared: Mapping[str, SharedBlob], trust: Trust) -> None:
        """What is known of the blobs, from earlier copies and from the others that run."""
        known = await self._tools.memory.holders(self._repository.registry, shared)
        for digest, blob in shared.items():
            blob.repositories.update(known.get(digest, ()))
            if self._source.repository.registry == self._repository.registry:
                blob.repositories.add(self._source.repository.name)
            if trust is not Trust.LEDGER:
                blob.repositories.discard(self._repository.name)

    async def _write_down(self, shipment: "_Shipment") -> None:
        await self._tools.memory.remember(self._repository, {"blob": shipment.mover.landed, "manifest": shipment.put})
        for name, digests in shipment.mover.stale.items():
            await self._tools.memory.forget(Repository(self._repository.registry, name), digests)

    @property
    def _repository(self) -> Repository:
        return self._target.repository

    @property
    def _abilities(self) -> Abilities:
        return self._tools.registry.abilities(self._repository.registry)


class _Shipment:
    """One try at sending a tree."""

    def __init__(self, registry: RegistryClient, target: Reference, mover: BlobMover) -> None:
        self.mover = mover
        self.put: set[str] = set()  # digests of the manifests that the target holds now
        self._registry = registry
        self._target = target

    async def send(self, root: Node, shared: Mapping[str, SharedBlob]) -> Stored:
        blobs = root.blobs()
        self.mover.announce(needed.blob for needed in blobs.values())
        await gather_or_raise(*(self.mover.bring(needed, shared[digest]) for digest, needed in blobs.items()))
        for generation in root.generations():
            # Images first, so that what is refused of attestations is known to be their fault.
            for attestations in (False, True):
                await gather_or_raise(
                    *(self._put_child(node) for node in generation if node.is_attestation is attestations)
                )
        return await self._put(root, self._target)

    async def _put_child(self, node: Node) -> None:
        await self._put(node, self._target.repository.pinned(node.manifest.digest))

    async def _put(self, node: Node, reference: Reference) -> Stored:
        try:
            stored = await self._registry.put_manifest(reference, node.manifest)
        except (Denied, NotFound, Unsupported) as error:
            if _is_for_attestations(error, node):
                raise _AttestationsRefused(str(error)) from error
            raise
        self.put.add(stored.digest)
        return stored


def _is_for_attestations(error: Denied | NotFound | Unsupported, node: Node) -> bool:
    if isinstance(error, ManifestRefused) and error.lacks_content:
        return False
    has_some = any(child.is_attestation for child in node.contents.children)
    return node.is_attestation or (has_some and _ATTESTATION_REFUSED.search(error.said) is not None)
