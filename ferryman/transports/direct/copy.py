"""Copies one tag from registry to registry: reads its manifests, transfers blobs, puts manifests, the tag last.

A manifest that the target refuses is tried in other variants (`fallbacks.py`).
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ferryman import log
from ferryman.errors import TransferError, Unsupported, WrongContent
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, Repository
from ferryman.registry.capabilities import Capabilities
from ferryman.registry.client import ManifestRefused, RegistryClient, Stored
from ferryman.transports.base import Copied, Overwriting, ProgressSink
from ferryman.transports.direct.blobs import BlobMover, Trust
from ferryman.transports.direct.fallbacks import NodeRefused, VariantKind, learned_incapability, variants_to_try
from ferryman.transports.direct.manifest_tree import Node, TreeReader
from ferryman.transports.direct.media_types import to_docker_types, to_oci_types
from ferryman.transports.direct.push import TreePush, lacks_content
from ferryman.transports.direct.shared_blobs import SharedBlob, SharedBlobs
from ferryman.transports.direct.target_cache import TargetCache
from ferryman.transports.locks import KeyedLocks
from ferryman.transports.tagging import accepts_manifest

_IN_MEMORY = 64  # small blobs, of at most 1 MiB each


@dataclass(frozen=True, slots=True)
class CopyContext:
    """Shared by all direct copies of a process."""

    registry: RegistryClient
    targets: TargetCache
    shared: SharedBlobs
    native: Platform
    in_memory: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IN_MEMORY))
    referrers_locks: KeyedLocks = field(default_factory=KeyedLocks)  # by the referrers tag at the target
    # Capabilities that each registry has proven: if it refuses the same later, that image is the cause.
    proven: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """One tag to copy."""

    source: Reference
    target: Reference
    platforms: Platforms
    progress: ProgressSink
    overwriting: Overwriting | None = None


@dataclass(frozen=True, slots=True)
class ManifestVariant:
    """The image's manifests in one variant."""

    kind: VariantKind
    tree: Node
    degraded: str | None  # what it lacks compared with the source, as a sentence


class DirectCopy:
    """Copies one tag. Made for one `run`."""

    def __init__(self, context: CopyContext, request: CopyRequest) -> None:
        self._context = context
        self._request = request
        self._tree = TreeReader(context.registry, request.source, request.platforms, context.native)
        self._moved = 0
        self._reused = 0
        self._degraded: str | None = None
        self._foreign_required = False  # the target refuses manifests whose foreign layers it lacks
        self._conversion_error: TransferError | None = None  # why the image cannot be converted to Docker's types
        self.verbatim: set[str] = set()  # digests of images and indexes that the target has unchanged

    async def run(self) -> Copied:
        """Copy. Each time the target turns out to lack content, trust less: the record, then its answers, then nobody.

        Raises TransferError.
        """
        for trust in Trust:
            try:
                stored = await self._copy(trust)
            except ManifestRefused as error:
                if not error.lacks_content:
                    raise
                log.get().warning(
                    "target_blobs_missing",
                    message="the target lacks blobs that the record says it has",
                    error=str(error),
                )
                self._foreign_required = True  # perhaps it lacks those; most targets accept manifests without them
            else:
                return Copied(
                    stored.digest,
                    identical=stored.digest == self._request.source.digest,
                    bytes_moved=self._moved,
                    bytes_reused=self._reused,
                    confirmed=stored.confirmed,
                    degraded=self._degraded,
                )
        raise WrongContent(f"{self._repository} lacks what was just uploaded to it", registry=self._repository.registry)

    async def _copy(self, trust: Trust) -> Stored:
        """Push the first variant that the target accepts. If it accepts none, its first refusal is raised."""
        refused: list[tuple[ManifestVariant, NodeRefused]] = []
        for kind in await self._variant_kinds(trust):
            variant = await self._variant(kind, trust)
            tried = {other.tree.manifest.digest for other, _ in refused}
            if variant is None or variant.tree.manifest.digest in tried:
                continue
            try:
                stored = await self._push(variant, Trust.TARGET if refused and trust is Trust.NOBODY else trust)
            except NodeRefused as refusal:
                if lacks_content(refusal.error) and trust is not Trust.NOBODY:
                    raise refusal.error from refusal
                refused.append((variant, refusal))
            else:
                return await self._confirm_refusal(variant, stored, *refused[-1], trust) if refused else stored
        raise self._failure([(variant.kind, refusal.error) for variant, refusal in refused])

    async def _variant_kinds(self, trust: Trust) -> Sequence[VariantKind]:
        if self._request.target.digest:
            return [VariantKind.ORIGINAL]  # another variant would have another digest
        if not self._capabilities.missing_capabilities():
            return list(VariantKind)
        tree = await self._read(trust, attestations=self._capabilities.takes_attestations)
        return variants_to_try(tree, self._capabilities)

    async def _variant(self, kind: VariantKind, trust: Trust) -> ManifestVariant | None:
        """The image in this variant; None: it has none of this kind."""
        if kind is VariantKind.ORIGINAL:
            return ManifestVariant(kind, await self._read(trust, attestations=True), None)
        registry = self._repository.registry
        if kind is VariantKind.WITHOUT_ATTESTATIONS:
            tree = await self._read(trust, attestations=False)
            degraded = f"{registry} refuses attestations: the index was rebuilt without them"
            return ManifestVariant(kind, tree, degraded if self._tree.left_attestations_out else None)
        # The complete tree, whatever the target has of it: conversion gives every manifest another digest.
        complete = await self._read(Trust.NOBODY, attestations=False)
        without = " and without attestations" if self._tree.left_attestations_out else ""
        refused, convert = ("Docker's", to_oci_types) if kind is VariantKind.OCI_TYPES else ("OCI", to_docker_types)
        accepted = kind.value.removeprefix("in ").removesuffix(" types")
        degraded = f"{registry} refuses {refused} types: converted to {accepted}{without}"
        try:
            tree = convert(complete)
        except (Unsupported, WrongContent) as error:
            self._conversion_error = error
            return None
        return None if tree is complete else ManifestVariant(kind, tree, degraded)

    async def _read(self, trust: Trust, *, attestations: bool) -> Node:
        async def known(digests: Collection[str]) -> Collection[str]:
            return await self._context.targets.held_by(self._repository, digests) if trust is Trust.LEDGER else ()

        return await self._tree.read(known=known, attestations=attestations)

    async def _confirm_refusal(
        self, accepted: ManifestVariant, stored: Stored, refused: ManifestVariant, refusal: NodeRefused, trust: Trust
    ) -> Stored:
        """After one variant was accepted and the one before it refused: try that one again, and note what it shows.

        Only a manifest that is refused twice shows that the target lacks a capability.
        """
        registry = self._repository.registry
        log.get().warning(
            "manifest_refused",
            message="the target refuses an image",
            told=accepted.kind.value,
            error=str(refusal.error),
        )
        try:
            if await accepts_manifest(self._context.registry, self._request.target, refusal.node.manifest):
                return await self._push(refused, trust)  # the first refusal was temporary
        except (TransferError, NodeRefused):
            self._record_variant(accepted)
            return stored
        incapability = learned_incapability(refusal.node, accepted.tree)
        if incapability is not None and incapability not in self._context.proven[registry]:
            setattr(self._capabilities, incapability, False)
        return stored

    def _failure(self, refused: Sequence[tuple[VariantKind, TransferError]]) -> TransferError:
        """The first refusal, with the other variants that were tried in its message."""
        registry, first = self._repository.registry, refused[0][1]
        message = str(first)
        if others := [kind.value for kind, _ in refused[1:]]:
            message = f"{message}; also refused {' and '.join(others)}"
        if self._conversion_error is not None and not (
            self._capabilities.takes_oci and self._capabilities.takes_oci_indexes
        ):
            reason = f"{self._request.source} needs them: {self._conversion_error}"
            message = f"{registry} refuses OCI types, and {reason}; {message}"
        if message == str(first):
            return first
        return type(first)(
            message, registry=first.registry, retry_at=first.retry_at,
            reported=first.reported, status=first.status, codes=first.codes,
        )  # fmt: skip

    async def _push(self, variant: ManifestVariant, trust: Trust) -> Stored:
        """Transfer blobs, then put manifests. Records what the target holds afterwards, also after a failure."""
        root, blobs = variant.tree, variant.tree.blobs(foreign=self._foreign_required)
        with self._context.shared.using(self._repository.registry, blobs) as shared:
            await self._load_holders(shared, trust)
            source, progress = self._request.source.repository, self._request.progress
            context = self._context
            mover = BlobMover(context.registry, source, self._repository, progress, trust, context.in_memory)
            push = TreePush(self._context.registry, self._request.target, mover, self._request.overwriting)
            try:
                stored = await push.send(root, blobs, shared)
            except NodeRefused as refusal:
                if lacks_content(refusal.error):
                    push.put.clear()
                    mover.forget_all([*blobs, *root.manifests()])
                raise
            finally:
                self._moved += mover.moved
                self._reused += mover.reused
                await self._record(push)
        self._record_variant(variant)
        return stored

    def _record_variant(self, variant: ManifestVariant) -> None:
        self._degraded = variant.degraded
        self.verbatim = variant.tree.verbatim()

    async def _load_holders(self, shared: Mapping[str, SharedBlob], trust: Trust) -> None:
        """Add to each blob the repositories that hold it, as earlier copies recorded it."""
        known = await self._context.targets.holders(self._repository.registry, shared)
        source = self._request.source.repository
        for digest, blob in shared.items():
            blob.repositories.update(known.get(digest, ()))
            if source.registry == self._repository.registry:
                blob.repositories.add(source.name)
            if trust is not Trust.LEDGER:
                blob.repositories.discard(self._repository.name)

    async def _record(self, push: TreePush) -> None:
        """Record what the push showed of the target: its capabilities, and what its repositories hold."""
        self._context.proven[self._repository.registry] |= push.proven
        for capability in push.proven:
            setattr(self._capabilities, capability, True)  # even if it was believed to lack it
        await self._context.targets.remember(self._repository, {"blob": push.mover.landed, "manifest": push.put})
        for name, digests in push.mover.stale.items():
            await self._context.targets.forget(Repository(self._repository.registry, name), digests)

    @property
    def _repository(self) -> Repository:
        return self._request.target.repository

    @property
    def _capabilities(self) -> Capabilities:
        return self._context.registry.capabilities(self._repository.registry)
