"""Reads the source's manifests into a tree, and selects the wanted platforms.

The source is not trusted: how much its manifests can make us read, keep and do is limited here.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ferryman.errors import NoSuchPlatform, Unsupported, WrongContent
from ferryman.manifests.config import platform_of
from ferryman.manifests.contents import Child, Descriptor, ManifestContents, read, rebuilt
from ferryman.manifests.limits import MAX_INDEX_DEPTH, MAX_MANIFESTS
from ferryman.manifests.manifest import Manifest
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient
from ferryman.registry.http.error_responses import quoted
from ferryman.tasks import gather_or_raise

_MOST_BYTES = 32 * 1024 * 1024  # of all manifests of one tag
_MOST_ENTRIES = 5_000  # blobs and manifests that they name, in all
_MOST_SHOWN = 20  # platforms in an error
_LARGEST_CONFIG = 4 * 1024 * 1024

Known = Callable[[Collection[str]], Awaitable[Collection[str]]]


@dataclass(frozen=True, slots=True)
class RequiredBlob:
    """A blob that the target must hold before the manifest can be put."""

    blob: Descriptor
    is_config: bool  # belongs to one image: no other copy will have transferred it
    content: bytes | None  # if it was read already
    urls: tuple[str, ...] = ()  # of a foreign layer: where to download it if the source lacks it


@dataclass(frozen=True, slots=True)
class Node:
    """A manifest to put, and its children, which have to be put before it."""

    manifest: Manifest
    contents: ManifestContents
    children: tuple["Node", ...] = ()  # without those that the target is known to hold
    is_attestation: bool = False
    config: bytes | None = None  # if it was read
    is_rebuilt: bool = False  # changed by us: the source has no such manifest

    def walk(self) -> Iterator["Node"]:
        """Every node once, children before their parents."""
        found: dict[str, Node] = {}

        def collect(node: Node) -> None:
            # A shared child is visited once: a few indexes that name one another's children unfold without end.
            if node.manifest.digest not in found:
                for child in node.children:
                    collect(child)
                found[node.manifest.digest] = node

        collect(self)
        yield from found.values()

    def levels(self) -> list[list["Node"]]:
        """All nodes below this one, each once, by height: the leaves first, then the parents of leaves, and so on."""
        heights: dict[str, int] = {}
        levels: list[list[Node]] = []
        for node in self.walk():
            height = 1 + max((heights[child.manifest.digest] for child in node.children), default=-1)
            heights[node.manifest.digest] = height
            if height == len(levels):
                levels.append([])
            levels[height].append(node)
        return levels[:-1]

    def blobs(self, *, foreign: bool = False) -> dict[str, RequiredBlob]:
        """All blobs of this node and the nodes below it, by digest; with `foreign`, foreign layers too."""
        found = {
            layer.digest: RequiredBlob(layer, is_config=False, content=None, urls=layer.urls)
            for node in (self.walk() if foreign else ())
            for layer in node.contents.foreign
        }
        return found | {
            blob.digest: RequiredBlob(
                blob, is_config := blob == node.contents.config, node.config if is_config else None
            )
            for node in self.walk()
            for blob in node.contents.blobs
        }

    def manifests(self) -> set[str]:
        """The digests of all manifests of the tree, including those that the target is known to hold."""
        below = {child.digest for node in self.walk() for child in node.contents.children}
        return {node.manifest.digest for node in self.walk()} | below

    def verbatim(self) -> set[str]:
        """The digests of the tree's images and indexes that are unchanged from the source, without attestations."""
        below = {child.digest for node in self.walk() for child in node.contents.children if not child.is_attestation}
        return (below | {self.manifest.digest}) - {node.manifest.digest for node in self.walk() if node.is_rebuilt}


@dataclass(slots=True)
class _SelectedChild:
    """One entry of an index, and whether it is copied."""

    child: Child
    kept: bool
    node: Node | None = None  # None: the target holds it already, or it is not kept

    @property
    def replacement(self) -> Manifest | None:
        """The rebuilt manifest that replaces the entry's own; None: it is unchanged."""
        return self.node.manifest if self.node and self.node.manifest.digest != self.child.digest else None


@dataclass(slots=True)
class TreeReader:
    """Reads one source. What was read is cached for the next `read`."""

    registry: RegistryClient
    source: Reference  # by digest
    wanted: Platforms
    native: Platform
    left_attestations_out: bool = False  # the last `read` left out attestations that exist
    _found: dict[str, Node] = field(default_factory=dict)  # manifests without their children
    _configs: dict[str, bytes] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _count: int = 0
    _bytes: int = 0
    _entries: int = 0

    async def read(self, *, known: Known, attestations: bool) -> Node:
        """The tree under the source, without unwanted platforms. `known` returns which digests the target holds.

        Raises NoSuchPlatform, Unsupported for a tree that is nested too deep or too large, and what the registry
        client raises.
        """
        self.left_attestations_out = False
        selection = _Selection(self, known, attestations)
        digest = self.source.digest or ""
        node = await selection.node(digest, depth=1)
        if node is None:
            platforms = sorted(map(str, selection.seen))
            shown = quoted(", ".join(platforms[:_MOST_SHOWN])) or "no platform at all"
            raise NoSuchPlatform(
                f"{self.source} is not made for {self.wanted}; it is for {shown}",
                registry=self.source.repository.registry,
            )
        return node

    async def manifest(self, digest: str) -> Node:
        """One manifest without its children; requested only once."""
        async with self._locks[digest]:
            if digest not in self._found:
                self._count += 1
                self._check_limits()
                manifest = await self.registry.get_manifest(self.source.repository.pinned(digest))
                with self.naming_source():
                    contents = read(manifest)
                self._bytes += len(manifest.body)
                self._entries += len(contents.blobs) + len(contents.foreign) + len(contents.children)
                self._check_limits()
                self._found[digest] = Node(manifest, contents)
        return self._found[digest]

    async def config(self, digest: str) -> bytes:
        """An image's config; requested only once."""
        if digest not in self._configs:
            self._configs[digest] = await self.registry.get_blob(self.source.repository, digest)
        return self._configs[digest]

    @contextmanager
    def naming_source(self) -> Iterator[None]:
        """Add the source and its registry to a WrongContent."""
        try:
            yield
        except WrongContent as error:
            raise WrongContent(f"{self.source}: {error}", registry=self.source.repository.registry) from error

    def _check_limits(self) -> None:
        if self._count > MAX_MANIFESTS or self._bytes > _MOST_BYTES:
            raise Unsupported(f"{self.source} lists too many manifests", registry=self.source.repository.registry)
        if self._entries > _MOST_ENTRIES:
            raise Unsupported(
                f"{self.source} names more than {_MOST_ENTRIES} blobs and manifests",
                registry=self.source.repository.registry,
            )


class _Selection:
    """One `read` of a source: decides which nodes are kept."""

    def __init__(self, reader: TreeReader, known: Known, attestations: bool) -> None:
        self.seen: set[Platform] = set()
        self._reader = reader
        self._known = known
        self._attestations = attestations
        self._everything = reader.wanted.keyword == "all"
        self._nodes: dict[tuple[str, int], Node | None] = {}  # by digest and depth
        self._locks: dict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def node(self, digest: str, *, depth: int) -> Node | None:
        """The manifest with its wanted children, built once per depth; None: nothing of it is wanted."""
        key = digest, depth
        async with self._locks[key]:
            if key not in self._nodes:
                self._nodes[key] = await self._node(digest, depth)
        return self._nodes[key]

    async def _node(self, digest: str, depth: int) -> Node | None:
        found = await self._reader.manifest(digest)
        if found.contents.is_list:
            return await self._index(found.manifest, found.contents, depth=depth)
        if depth > 1 or not found.contents.is_image or self._everything or self._reader.wanted.keyword == "native":
            return found
        return await self._if_wanted(found)

    async def _index(self, manifest: Manifest, contents: ManifestContents, *, depth: int) -> Node | None:
        if depth > MAX_INDEX_DEPTH:
            source = self._reader.source
            raise Unsupported(
                f"{source} nests more than {MAX_INDEX_DEPTH} indexes", registry=source.repository.registry
            )
        known = await self._known([child.digest for child in contents.children])
        images = [child for child in contents.children if not child.is_attestation]
        chosen = await gather_or_raise(*(self._choose(child, known, depth) for child in images))
        kept = [choice for choice in chosen if choice.kept]
        if not kept and not self._everything:
            return None
        kept += await self._attestations_of({choice.child.digest for choice in kept}, contents, known)
        if len(kept) == len(contents.children) and not any(choice.replacement for choice in kept):
            return Node(manifest, contents, _nodes(kept))
        if depth == 1 and len(kept) == 1:  # an index with one entry left is replaced by that entry
            return kept[0].node or await self.node(kept[0].child.digest, depth=2)
        with self._reader.naming_source():
            new = rebuilt(manifest, {choice.child.digest: choice.replacement for choice in kept})
            return Node(new, read(new), _nodes(kept), is_rebuilt=True)

    async def _choose(self, child: Child, known: Collection[str], depth: int) -> _SelectedChild:
        is_decided = bool(child.platforms) or self._everything  # by the index alone
        admitted = [self._admits(platform) for platform in child.platforms]
        if admitted and not any(admitted):
            return _SelectedChild(child, kept=False)
        if is_decided and child.digest in known:
            return _SelectedChild(child, kept=True)
        node = await self.node(child.digest, depth=depth + 1)
        if node is not None and not is_decided and node.contents.is_image:
            node = await self._if_wanted(node)
        return _SelectedChild(child, kept=node is not None, node=node)

    async def _attestations_of(
        self, images: Collection[str], contents: ManifestContents, known: Collection[str]
    ) -> list[_SelectedChild]:
        """The attestations of the kept images; an attestation without a subject is about all of them."""
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

    async def _if_wanted(self, node: Node) -> Node | None:
        """The image with its config, if the config's platform is wanted; else None."""
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
