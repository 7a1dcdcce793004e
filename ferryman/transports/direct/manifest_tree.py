"""What of a source is to be copied: its manifests read, and its platforms chosen.

A source is a stranger: how much it makes us read, keep and do is limited here, whatever its manifests say.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ferryman.errors import NoSuchPlatform, Unsupported, WrongContent
from ferryman.manifests.contents import Child, Descriptor, ManifestContents, platform_of, read, rebuilt
from ferryman.manifests.manifest import Manifest
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient
from ferryman.registry.http.error_responses import quoted
from ferryman.tasks import gather_or_raise

_DEEPEST = 5  # an index in an index in an index …
_MOST = 500  # manifests of one tag; the largest in the wild have some dozens
_MOST_BYTES = 32 * 1024 * 1024  # of all manifests of one tag
_MOST_ENTRIES = 5_000  # blobs and manifests that they name, in all
_MOST_TOLD = 20  # platforms in an error
_LARGEST_CONFIG = 4 * 1024 * 1024

Known = Callable[[Collection[str]], Awaitable[Collection[str]]]


@dataclass(frozen=True, slots=True)
class Needed:
    """A blob that the target has to have."""

    blob: Descriptor
    is_config: bool  # of one image alone: nobody else will have brought it
    content: bytes | None  # where it was read already
    urls: tuple[str, ...] = ()  # of a foreign layer: where it can be had if the source has it not


@dataclass(frozen=True, slots=True)
class Node:
    """A manifest to be put, and the ones that have to be put before it."""

    manifest: Manifest
    contents: ManifestContents
    children: tuple["Node", ...] = ()  # without those that the target is known to have
    is_attestation: bool = False
    config: bytes | None = None  # where it was read
    is_rebuilt: bool = False  # an index that the source does not have in this form

    def walk(self) -> Iterator["Node"]:
        """Every node once, children before their parents."""
        found: dict[str, Node] = {}

        def collect(node: Node) -> None:
            # What several name is gone into once: a few indexes that all name one another's are a tree without end.
            if node.manifest.digest not in found:
                for child in node.children:
                    collect(child)
                found[node.manifest.digest] = node

        collect(self)
        yield from found.values()

    def generations(self) -> list[list["Node"]]:
        """All nodes below it, each once: those without children first, then those that have only them, and so on."""
        heights: dict[str, int] = {}
        generations: list[list[Node]] = []
        for node in self.walk():
            height = 1 + max((heights[child.manifest.digest] for child in node.children), default=-1)
            heights[node.manifest.digest] = height
            if height == len(generations):
                generations.append([])
            generations[height].append(node)
        return generations[:-1]

    def blobs(self, *, foreign: bool = False) -> dict[str, Needed]:
        """All the blobs that it and its children need, by digest; with `foreign`, the foreign layers too."""
        found = {
            layer.digest: Needed(layer, is_config=False, content=None, urls=layer.urls)
            for node in (self.walk() if foreign else ())
            for layer in node.contents.foreign
        }
        return found | {
            blob.digest: Needed(blob, is_config := blob == node.contents.config, node.config if is_config else None)
            for node in self.walk()
            for blob in node.contents.blobs
        }

    def manifests(self) -> set[str]:
        """The digests of all manifests in it, those too that the target is known to have."""
        below = {child.digest for node in self.walk() for child in node.contents.children}
        return {node.manifest.digest for node in self.walk()} | below

    def verbatim(self) -> set[str]:
        """The digests of the images and indexes in it that are the source's own, without attestations."""
        below = {child.digest for node in self.walk() for child in node.contents.children if not child.is_attestation}
        return (below | {self.manifest.digest}) - {node.manifest.digest for node in self.walk() if node.is_rebuilt}


@dataclass(slots=True)
class _SelectedChild:
    """What became of one entry of an index."""

    child: Child
    kept: bool
    node: Node | None = None  # None: the target has it already, or it is not kept

    @property
    def in_place(self) -> Manifest | None:
        """The manifest that stands in for the entry's own; None: its own."""
        return self.node.manifest if self.node and self.node.manifest.digest != self.child.digest else None


@dataclass(slots=True)
class TreeReader:
    """Reads one source. What was read is kept, for another look."""

    registry: RegistryClient
    source: Reference  # by digest
    wanted: Platforms
    native: Platform
    left_attestations_out: bool = False  # by the last `read`, and there were some
    _found: dict[str, Node] = field(default_factory=dict)  # manifests without their children
    _configs: dict[str, bytes] = field(default_factory=dict)
    _asking: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _count: int = 0
    _bytes: int = 0
    _entries: int = 0

    async def read(self, *, known: Known, attestations: bool) -> Node:
        """The tree under the source, without what is not wanted. `known`: which of these the target has.

        Raises NoSuchPlatform, Unsupported for what is nested too deep or is too much, and what the registry raises.
        """
        self.left_attestations_out = False
        reading = _Reading(self, known, attestations)
        digest = self.source.digest or ""
        node = await reading.node(digest, depth=1)
        if node is None:
            told = sorted(map(str, reading.seen))
            shown = quoted(", ".join(told[:_MOST_TOLD])) or "no platform at all"
            raise NoSuchPlatform(
                f"{self.source} is not made for {self.wanted}; it is for {shown}",
                registry=self.source.repository.registry,
            )
        return node

    async def manifest(self, digest: str) -> Node:
        """One manifest, asked for once, without its children."""
        async with self._asking[digest]:
            if digest not in self._found:
                self._count += 1
                self._demand_measure()
                manifest = await self.registry.get_manifest(self.source.repository.pinned(digest))
                with self.blamed():
                    contents = read(manifest)
                self._bytes += len(manifest.body)
                self._entries += len(contents.blobs) + len(contents.foreign) + len(contents.children)
                self._demand_measure()
                self._found[digest] = Node(manifest, contents)
        return self._found[digest]

    async def config(self, digest: str) -> bytes:
        """An image's config, asked for once."""
        if digest not in self._configs:
            self._configs[digest] = await self.registry.get_blob(self.source.repository, digest)
        return self._configs[digest]

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """What is wrong with a manifest is the source's fault."""
        try:
            yield
        except WrongContent as error:
            raise WrongContent(f"{self.source}: {error}", registry=self.source.repository.registry) from error

    def _demand_measure(self) -> None:
        if self._count > _MOST or self._bytes > _MOST_BYTES:
            raise Unsupported(f"{self.source} lists too many manifests", registry=self.source.repository.registry)
        if self._entries > _MOST_ENTRIES:
            raise Unsupported(
                f"{self.source} names more than {_MOST_ENTRIES} blobs and manifests",
                registry=self.source.repository.registry,
            )


class _Reading:
    """One look at the source."""

    def __init__(self, reader: TreeReader, known: Known, attestations: bool) -> None:
        self.seen: set[Platform] = set()
        self._reader = reader
        self._known = known
        self._attestations = attestations
        self._everything = reader.wanted.keyword == "all"
        self._made: dict[tuple[str, int], Node | None] = {}
        self._making: dict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def node(self, digest: str, *, depth: int) -> Node | None:
        """The manifest and what belongs to it, gone into once at each depth; None: nothing of it is wanted."""
        place = digest, depth
        async with self._making[place]:
            if place not in self._made:
                self._made[place] = await self._node(digest, depth)
        return self._made[place]

    async def _node(self, digest: str, depth: int) -> Node | None:
        found = await self._reader.manifest(digest)
        if found.contents.is_list:
            return await self._index(found.manifest, found.contents, depth=depth)
        if depth > 1 or not found.contents.is_image or self._everything or self._reader.wanted.keyword == "native":
            return found
        return await self._admitted(found)

    async def _index(self, manifest: Manifest, contents: ManifestContents, *, depth: int) -> Node | None:
        if depth > _DEEPEST:
            source = self._reader.source
            raise Unsupported(f"{source} nests more than {_DEEPEST} indexes", registry=source.repository.registry)
        known = await self._known([child.digest for child in contents.children])
        images = [child for child in contents.children if not child.is_attestation]
        chosen = await gather_or_raise(*(self._choose(child, known, depth) for child in images))
        kept = [choice for choice in chosen if choice.kept]
        if not kept and not self._everything:
            return None
        kept += await self._attested(contents, {choice.child.digest for choice in kept}, known)
        if len(kept) == len(contents.children) and not any(choice.in_place for choice in kept):
            return Node(manifest, contents, _nodes(kept))
        if depth == 1 and len(kept) == 1:  # an index of one is that one
            return kept[0].node or await self.node(kept[0].child.digest, depth=2)
        with self._reader.blamed():
            new = rebuilt(manifest, {choice.child.digest: choice.in_place for choice in kept})
            return Node(new, read(new), _nodes(kept), is_rebuilt=True)

    async def _choose(self, child: Child, known: Collection[str], depth: int) -> _SelectedChild:
        told = bool(child.platforms) or self._everything
        admitted = [self._admits(platform) for platform in child.platforms]
        if admitted and not any(admitted):
            return _SelectedChild(child, kept=False)
        if told and child.digest in known:
            return _SelectedChild(child, kept=True)
        node = await self.node(child.digest, depth=depth + 1)
        if node is not None and not told and node.contents.is_image:
            node = await self._admitted(node)
        return _SelectedChild(child, kept=node is not None, node=node)

    async def _attested(
        self, contents: ManifestContents, images: Collection[str], known: Collection[str]
    ) -> list[_SelectedChild]:
        """The attestations of the images that are kept; those that name none speak of all."""
        wanted = [
            child for child in contents.children if child.is_attestation and (child.subject or "") in {*images, ""}
        ]
        if wanted and not self._attestations:
            self._reader.left_attestations_out = True
            return []
        return await gather_or_raise(*(self._attestation(child, known) for child in wanted))

    async def _attestation(self, child: Child, known: Collection[str]) -> _SelectedChild:
        if child.digest in known:
            return _SelectedChild(child, kept=True)
        found = await self._reader.manifest(child.digest)
        return _SelectedChild(child, kept=True, node=replace(found, is_attestation=True))

    async def _admitted(self, node: Node) -> Node | None:
        """The image if it is for a wanted platform, which its config tells; then its config stands in it."""
        config = node.contents.config
        if config is None or config.size > _LARGEST_CONFIG:
            return node
        content = await self._reader.config(config.digest)
        platform = platform_of(content)
        if platform is not None and not self._admits(platform):
            return None
        return replace(node, config=content)

    def _admits(self, platform: Platform) -> bool:
        self.seen.add(platform)
        return self._reader.wanted.admits(platform, self._reader.native)


def _nodes(choices: Collection[_SelectedChild]) -> tuple[Node, ...]:
    return tuple(choice.node for choice in choices if choice.node is not None)
