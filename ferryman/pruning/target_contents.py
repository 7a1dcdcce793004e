"""What the manifests of a target name: asked for once, because a digest always names the same."""

from collections.abc import Collection

from ferryman.errors import NotFound, TransferError, WrongContent
from ferryman.manifests.contents import read
from ferryman.manifests.limits import MAX_INDEX_DEPTH
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient

_MOST = 5000  # manifests of a target that are read
_REMEMBERED = 200_000


class TargetContents:
    """Reads the manifests below those of a target's tags. One object for the life of a process."""

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry
        self._known: dict[str, frozenset[str]] = {}

    async def of(self, target: Repository, digests: Collection[str]) -> dict[str, frozenset[str]] | None:
        """All manifests below each of these; None: it cannot be told now, or there are too many."""
        if len(digests) > _MOST:
            return None
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        try:
            return {digest: await self._below(target, digest, depth=1) for digest in sorted(digests)}
        except TransferError:
            return None

    async def _below(self, target: Repository, digest: str, *, depth: int) -> frozenset[str]:
        if digest in self._known:
            return self._known[digest]
        try:
            manifest = await self._registry.get_manifest(target.pinned(digest))
            children = read(manifest).children
        except (NotFound, WrongContent):  # nobody can pull it
            return frozenset()
        found = {child.digest for child in children}
        for child in children if depth < MAX_INDEX_DEPTH else ():
            if child.is_index:
                found |= await self._below(target, child.digest, depth=depth + 1)
        self._known[digest] = frozenset(found)
        return self._known[digest]
