"""One attempt to push a manifest tree: blobs first, then manifests from the leaves up, the tag last."""

from collections.abc import Mapping

from ferryman.errors import TransferError
from ferryman.reference import Reference
from ferryman.registry.client import ManifestRefused, RegistryClient, Stored
from ferryman.tasks import gather_or_raise
from ferryman.transports.base import Overwriting
from ferryman.transports.direct.blobs import BlobMover
from ferryman.transports.direct.fallbacks import NodeRefused, capability_for, is_refusal
from ferryman.transports.direct.manifest_tree import Node, RequiredBlob
from ferryman.transports.direct.shared_blobs import SharedBlob
from ferryman.transports.tagging import TagRefused, put_tag


def lacks_content(error: TransferError) -> bool:
    """Whether the target refused a manifest because it lacks a blob or manifest that it names."""
    return isinstance(error, ManifestRefused) and error.lacks_content


class TreePush:
    """Made for one `send`. What it has done so far can be read at any time."""

    def __init__(
        self, registry: RegistryClient, target: Reference, mover: BlobMover, overwriting: Overwriting | None
    ) -> None:
        self.mover = mover
        self.put: set[str] = set()  # digests of the manifests that the target holds now
        self.proven: set[str] = set()  # names of Capabilities that it has, for it accepted a manifest that needs them
        self._registry = registry
        self._target = target
        self._overwriting = overwriting

    async def send(self, root: Node, blobs: Mapping[str, RequiredBlob], shared: Mapping[str, SharedBlob]) -> Stored:
        """Push all of it. Raises NodeRefused for a manifest that the target does not accept, and TransferError."""
        self.mover.announce(required.blob for required in blobs.values())
        await gather_or_raise(*(self.mover.transfer(required, shared[digest]) for digest, required in blobs.items()))
        for level in root.levels():
            # Images first: then a refused attestation is known to be refused for itself.
            for attestations in (False, True):
                await gather_or_raise(*(self._put_child(node) for node in level if node.is_attestation is attestations))
        return await self._put(root, self._target)

    async def _put_child(self, node: Node) -> None:
        await self._put(node, self._target.repository.pinned(node.manifest.digest))

    async def _put(self, node: Node, reference: Reference) -> Stored:
        try:
            if reference.digest:
                stored = await self._registry.put_manifest(reference, node.manifest)
            else:
                stored = await put_tag(self._registry, reference, node.manifest, self._overwriting)
        except TagRefused:
            raise
        except TransferError as error:
            if not is_refusal(error):
                raise
            raise NodeRefused(error, node) from error
        self.put.add(stored.digest)
        if not node.is_attestation and (capability := capability_for(node)):
            self.proven.add(capability)
        return stored
