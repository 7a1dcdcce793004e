"""The blob ledger without a database."""

from collections import defaultdict
from collections.abc import Collection, Mapping

from ferryman.kinds import ContentKind


class InMemoryBlobLedger:
    """A BlobStore in memory, which counts the calls of `holders`."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, ContentKind, str], set[str]] = defaultdict(
            set
        )  # registry, kind, digest: repositories
        self.cannot: dict[str, dict[str, str | None]] = defaultdict(dict)  # registry: names, values
        self.asked = 0

    async def holders(
        self, registry: str, digests: Collection[str], *, kind: ContentKind
    ) -> Mapping[str, Collection[str]]:
        self.asked += 1
        return {digest: set(names) for digest in digests if (names := self.held.get((registry, kind, digest)))}

    async def remember(self, registry: str, repository: str, held: Mapping[ContentKind, Collection[str]]) -> None:
        for kind, digests in held.items():
            for digest in digests:
                self.held[registry, kind, digest].add(repository)

    async def forget(self, registry: str, repository: str, digests: Collection[str]) -> None:
        for (host, _, digest), names in self.held.items():
            if host == registry and digest in digests:
                names.discard(repository)

    async def missing_capabilities(self, registry: str) -> Mapping[str, str | None]:
        return dict(self.cannot[registry])

    async def note_missing_capability(self, registry: str, name: str, value: str | None = None) -> None:
        self.cannot[registry][name] = value

    async def forget_missing_capability(self, registry: str, name: str) -> None:
        self.cannot[registry].pop(name, None)
