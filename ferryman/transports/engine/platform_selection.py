"""Which images of a source are to be copied: its index read, and its platforms chosen."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ferryman.errors import NoSuchPlatform, TlsFailed, Unreachable, Unsupported, WrongContent
from ferryman.manifests.index import Entry, config_digest, entries, is_index, is_schema_1
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient

_DEEPEST = 3  # an index in an index in an index
_MOST = 200  # manifests of one tag; the largest in the wild have some dozens


@dataclass(frozen=True, slots=True)
class SelectedImage:
    """One image to pull."""

    reference: Reference  # by digest
    platform: Platform | None  # as the index says; None: there is none to say it
    described: Mapping[str, Any]  # the index's `platform`, to be copied into a new one


async def choose(
    registry: RegistryClient, source: Reference, wanted: Platforms, native: Platform
) -> list[SelectedImage]:
    """The images under `source` that are wanted, one a platform, in the source's order; never none.

    A single manifest is chosen whatever it is for: that shows once it is pulled. Asks by HEAD first, which Docker Hub
    does not count as a pull; an index that is read here is one that the engine has not to read.
    Raises NoSuchPlatform, Unsupported for schema 1, and what the registry raises.
    """
    whole = [SelectedImage(source, None, {})]
    try:
        listed = await _listed(registry, source)
    except (Unreachable, TlsFailed):
        if wanted.keyword != "native":
            raise
        return whole  # the engine may know a way that we don't: a proxy, a mirror, a CA of its own
    if listed is None:
        return whole
    chosen = _wanted(source, listed, wanted, native)
    if not chosen and wanted.keyword == "native":
        return whole  # the engine knows best what else it can run, such as ARM v6 on v7
    if not chosen:
        raise NoSuchPlatform(
            f"{source} is not made for {wanted}; it is for {_told(listed)}", registry=source.repository.registry
        )
    return chosen


async def _listed(registry: RegistryClient, source: Reference) -> list[Entry] | None:
    """What the source's index lists; None: the source is no index."""
    described = await registry.head_manifest(source, expected=True)
    if is_schema_1(described.media_type):
        raise Unsupported(
            f"{source} is a schema 1 manifest, which is not supported: upstream has to push it again",
            registry=source.repository.registry,
        )
    if not is_index(described.media_type):
        return None
    found: list[Entry] = []
    async for entry in _flattened(registry, source, depth=1):
        found.append(entry)
        if len(found) > _MOST:
            raise Unsupported(f"{source} lists more than {_MOST} manifests", registry=source.repository.registry)
    return found


async def _flattened(registry: RegistryClient, index: Reference, *, depth: int) -> AsyncIterator[Entry]:
    for entry in entries(await registry.get_manifest(index)):
        child = index.repository.pinned(entry.digest)
        if is_index(entry.media_type):
            if depth == _DEEPEST:
                raise Unsupported(f"{index} nests more than {_DEEPEST} indexes", registry=index.repository.registry)
            async for nested in _flattened(registry, child, depth=depth + 1):
                yield nested
        elif entry.platform is None:
            yield await _identified(registry, child, entry)
        else:
            yield entry


async def _identified(registry: RegistryClient, child: Reference, entry: Entry) -> Entry:
    """An index need not tell its children's platforms: their configs do."""
    digest = config_digest(await registry.get_manifest(child))
    if digest is None:
        return entry
    try:
        config = json.loads(await registry.get_blob(child.repository, digest))
        told = {name: config[name] for name in ("os", "architecture", "variant") if config.get(name)}
        return replace(entry, platform=Platform.of(**told), described=told)
    except (ValueError, TypeError, AttributeError, RecursionError, WrongContent):
        return entry  # an artifact, which has no platform


def _wanted(source: Reference, listed: Sequence[Entry], wanted: Platforms, native: Platform) -> list[SelectedImage]:
    chosen: dict[Platform, SelectedImage] = {}
    for entry in listed:
        if entry.platform is not None and wanted.admits(entry.platform, native):
            choice = SelectedImage(source.repository.pinned(entry.digest), entry.platform, entry.described)
            chosen.setdefault(entry.platform, choice)  # the first of several, such as two versions of an OS
    return list(chosen.values())


def _told(listed: Sequence[Entry]) -> str:
    return ", ".join(sorted({str(entry.platform) for entry in listed if entry.platform})) or "no platform at all"
