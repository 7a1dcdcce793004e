"""Reads the source's index, and selects the images of the wanted platforms."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ferryman.errors import NoSuchPlatform, TlsFailed, Unreachable, Unsupported, WrongContent
from ferryman.manifests.config import parse_config, platform_in
from ferryman.manifests.index import Entry, config_digest, entries, is_index, is_schema_1
from ferryman.manifests.limits import MAX_INDEX_DEPTH, MAX_MANIFESTS
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient

_PLATFORM = ("os", "architecture", "variant")  # of a config, as an index's `platform` has them


@dataclass(frozen=True, slots=True)
class SelectedImage:
    """One image to pull."""

    reference: Reference  # by digest
    platform: Platform | None  # as the index says; None: no index
    described: Mapping[str, Any]  # the `platform` object of the index, to be copied into a new one


async def choose(
    registry: RegistryClient, source: Reference, wanted: Platforms, native: Platform
) -> list[SelectedImage]:
    """The wanted images of `source`, one per platform, in the source's order; at least one.

    A plain manifest is always selected: its platform is checked after the pull. Sends a HEAD first, which Docker Hub
    does not count as a pull. An index that is read here need not be read by the engine.
    Raises NoSuchPlatform, Unsupported for schema 1, and what the registry client raises.
    """
    whole = [SelectedImage(source, None, {})]
    try:
        listed = await _index_entries(registry, source)
    except (Unreachable, TlsFailed):
        if wanted.keyword != "native":
            raise
        return whole  # the engine may reach the registry by a proxy, mirror or CA of its own
    if listed is None:
        return whole
    chosen = _select(source, listed, wanted, native)
    if not chosen and wanted.keyword == "native":
        return whole  # the engine decides what else it can run, such as ARM v6 on v7
    if not chosen:
        raise NoSuchPlatform(
            f"{source} is not made for {wanted}; it is for {_platform_names(listed)}",
            registry=source.repository.registry,
        )
    return chosen


async def _index_entries(registry: RegistryClient, source: Reference) -> list[Entry] | None:
    """The entries of the source's index; None: the source is no index."""
    described = await registry.head_manifest(source, expected=True)
    if is_schema_1(described.media_type):
        raise Unsupported(
            f"{source} is a schema 1 manifest, which an engine does not support: upstream has to push it again",
            registry=source.repository.registry,
        )
    if not is_index(described.media_type):
        return None
    found: list[Entry] = []
    async for entry in _flat_entries(registry, source, depth=1):
        found.append(entry)
        if len(found) > MAX_MANIFESTS:
            raise Unsupported(
                f"{source} lists more than {MAX_MANIFESTS} manifests", registry=source.repository.registry
            )
    return [entry for entry in found if not is_index(entry.media_type)]


async def _flat_entries(registry: RegistryClient, index: Reference, *, depth: int) -> AsyncIterator[Entry]:
    """Every entry of an index, each nested index before its own entries. Raises Unsupported for too many levels."""
    for entry in entries(await registry.get_manifest(index)):
        child = index.repository.pinned(entry.digest)
        if is_index(entry.media_type):
            yield entry
            if depth == MAX_INDEX_DEPTH:
                raise Unsupported(
                    f"{index} nests more than {MAX_INDEX_DEPTH} indexes", registry=index.repository.registry
                )
            async for nested in _flat_entries(registry, child, depth=depth + 1):
                yield nested
        elif entry.platform is None:
            yield await _with_config_platform(registry, child, entry)
        else:
            yield entry


async def _with_config_platform(registry: RegistryClient, child: Reference, entry: Entry) -> Entry:
    """The entry with the platform from the image's config, which an index may leave out."""
    digest = config_digest(await registry.get_manifest(child))
    if digest is None:
        return entry
    try:
        config = parse_config(await registry.get_blob(child.repository, digest))
    except WrongContent:
        config = {}
    platform = platform_in(config)
    if platform is None:
        return entry  # an artifact, which has no platform
    described = {name: value for name in _PLATFORM if isinstance(value := config.get(name), str) and value}
    return replace(entry, platform=platform, described=described)


def _select(source: Reference, listed: Sequence[Entry], wanted: Platforms, native: Platform) -> list[SelectedImage]:
    chosen: dict[Platform, SelectedImage] = {}
    for entry in listed:
        if entry.platform is not None and wanted.admits(entry.platform, native):
            choice = SelectedImage(source.repository.pinned(entry.digest), entry.platform, entry.described)
            chosen.setdefault(entry.platform, choice)  # the first of several, such as two versions of an OS
    return list(chosen.values())


def _platform_names(listed: Sequence[Entry]) -> str:
    return ", ".join(sorted({str(entry.platform) for entry in listed if entry.platform})) or "no platform at all"
