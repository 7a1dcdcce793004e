"""Reads an image's age, and the digests of its platforms, from its manifests and configs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferryman.discovery.timestamps import from_iso
from ferryman.errors import NotFound, Unsupported, WrongContent
from ferryman.platforms import Platform
from ferryman.reference import Reference, Repository, is_digest
from ferryman.registry.client import RegistryClient

_CREATED = "org.opencontainers.image.created"
_DEEPEST_INDEX = 3  # levels of nested indexes; more are not in use


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """Details that an image's own manifests contain."""

    created_at: datetime | None = None
    platforms: Mapping[Platform, str | None] | None = (
        None  # all of them, each with its manifest's digest; None: unknown
    )


async def read_image_details(client: RegistryClient, reference: Reference) -> ImageDetails:
    """Read an image's platforms, and its age: from its annotation, or else from the config of its first platform.

    The content is cached for the copy, which usually comes next. Raises TransferError.
    """
    answer = await client.get_manifest(reference, keep=True)
    manifest = _parsed(answer.body)
    created_at, repository = _annotated(manifest), reference.repository
    if "manifests" in manifest:
        return ImageDetails(
            created_at or await _age_in_index(client, repository, manifest), _platforms_of_index(manifest)
        )
    config: Mapping[str, Any] = {}
    try:
        config = await _config(client, repository, manifest)
    except (NotFound, Unsupported, WrongContent):
        if created_at is None:
            raise
    platform = _platform(config)
    return ImageDetails(created_at or from_iso(config.get("created")), {platform: answer.digest} if platform else None)


async def _age_in_index(client: RegistryClient, repository: Repository, index: Mapping[str, Any]) -> datetime | None:
    """The age of an index's first child, also of a nested index's. None if a child is broken: the copy reports that."""
    manifest = index
    with suppress(NotFound, Unsupported, WrongContent):
        for _ in range(_DEEPEST_INDEX):
            child = next((digest for digest, _ in _children(manifest)), None)
            if child is None:
                return from_iso((await _config(client, repository, manifest)).get("created"))
            manifest = _parsed((await client.get_manifest(repository.pinned(child), keep=True)).body)
            if created_at := _annotated(manifest):
                return created_at
    return None


def _annotated(manifest: Mapping[str, Any]) -> datetime | None:
    annotations = manifest.get("annotations")
    return from_iso(annotations.get(_CREATED)) if isinstance(annotations, dict) else None


def _platforms_of_index(index: Mapping[str, Any]) -> Mapping[Platform, str | None] | None:
    """None if a child has no platform: an incomplete list could exclude tags that have a wanted platform."""
    found: dict[Platform, str | None] = {}
    for digest, platform in _children(index):
        if platform is None:
            return None
        found.setdefault(platform, digest)
    return found or None


async def platform_digests(client: RegistryClient, reference: Reference) -> dict[Platform, str]:
    """The manifest digest of each of an image's platforms; a plain manifest has one platform. Raises TransferError."""
    answer = await client.get_manifest(reference)
    manifest = _parsed(answer.body)
    if "manifests" in manifest:
        return {platform: digest for digest, platform in _children(manifest) if platform}
    platform = _platform(await _config(client, reference.repository, manifest))
    return {platform: answer.digest} if platform else {}


async def _config(client: RegistryClient, repository: Repository, manifest: Mapping[str, Any]) -> dict[str, Any]:
    config = manifest.get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    if not isinstance(digest, str) or not is_digest(digest):
        return {}
    return _parsed(await client.get_blob(repository, digest, keep=True))


def _children(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Platform | None]]:
    """The digests in an index with their platforms; attestations are left out."""
    found = manifest.get("manifests")
    for child in found if isinstance(found, list) else ():
        if not isinstance(child, dict):
            continue
        digest = child.get("digest")
        if not isinstance(digest, str) or not is_digest(digest):
            continue
        platform = _platform(child.get("platform"))
        if platform is None or platform.os != "unknown":
            yield digest, platform


def _platform(document: Any) -> Platform | None:
    """The platform in a descriptor's `platform` or in a config: both have the same keys."""
    if not isinstance(document, dict):
        return None
    os, architecture, variant = document.get("os"), document.get("architecture"), document.get("variant")
    if not (isinstance(os, str) and os and isinstance(architecture, str) and architecture):
        return None
    return Platform.of(os, architecture, variant if isinstance(variant, str) else None)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
