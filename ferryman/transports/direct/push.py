"""One try at sending a tree to a target: blobs, then manifests from the leaves up, the tag last."""

from collections.abc import Mapping

from ferryman.errors import TransferError
from ferryman.reference import Reference
from ferryman.registry.client import ManifestRefused, RegistryClient, Stored
from ferryman.tasks import gather_or_raise
from ferryman.transports.direct.blobs import BlobMover
from ferryman.transports.direct.fallbacks import Refused, capability_for, is_refusal
from ferryman.transports.direct.manifest_tree import Needed, Node
from ferryman.transports.direct.shared_blobs import SharedBlob
from ferryman.transports.tagging import TagRefused, put_tag


def lacks_content(error: TransferError) -> bool:
    """Whether it says that something which the manifest names is not there."""
    return isinstance(error, ManifestRefused) and error.lacks_content


class TreePush:
    """Made for one `send`. What has become of it so far can be read at any time."""

    def __init__(self, registry: RegistryClient, target: Reference, mover: BlobMover) -> None:
        self.mover = mover
        self.put: set[str] = set()  # digests of the manifests that the target holds now
        self.shown: set[str] = set()  # Abilities that the target has, for it took what needs them
        self._registry = registry
        self._target = target

    async def send(self, root: Node, blobs: Mapping[str, Needed], shared: Mapping[str, SharedBlob]) -> Stored:
        """Raises Refused for a manifest that the target does not take, and TransferError."""
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
            if reference.digest:
                stored = await self._registry.put_manifest(reference, node.manifest)
            else:
                stored = await put_tag(self._registry, reference, node.manifest)
        except TagRefused:
            raise
        except TransferError as error:
            if not is_refusal(error):
                raise
            raise Refused(error, node) from error
        self.put.add(stored.digest)
        if not node.is_attestation and (ability := capability_for(node)):
            self.shown.add(ability)
        return stored
