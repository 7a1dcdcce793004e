"""Ask a target for one mirrored tag: is it there, is it what was copied, and does the target have all of it?"""

from ferryman.errors import NotFound
from ferryman.kinds import Depth
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.store.records import Damage, MirroredTag
from ferryman.verification.contents import Contents


class Examination:
    """Asks, at one depth. One object for one verification."""

    def __init__(self, registry: RegistryClient, depth: Depth) -> None:
        self.depth = depth
        self._registry = registry
        self._contents = None if depth == "tags" else Contents(registry, reads=depth == "bytes")

    async def damage(self, target: Repository, held: MirroredTag) -> Damage | None:
        """What is wrong with the tag; None: nothing. Raises TransferError: it cannot be told now.

        One request, and one for each of its contents that was not asked for before.
        """
        try:
            named = (await self._registry.head_manifest(target.tagged(held.tag))).digest
        except NotFound:
            return Damage("missing", lacking=frozenset({held.digest} if held.digest else ()))
        if held.digest not in {None, named}:
            return Damage("changed", found=named)
        if self._contents is None:
            return None
        lacking = await self._contents.lacking(target, named)
        if not lacking:
            return None
        first, more = next(iter(lacking.values())), len(lacking) - 1
        detail = f"{first} (and {more} more)" if more else first
        return Damage("incomplete", found=named, detail=detail, lacking=frozenset(lacking))
