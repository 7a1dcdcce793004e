"""What only the manifests themselves tell: an image's age, and the digests of its platforms."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ferryman.discovery.times import from_iso
from ferryman.platforms import Platform
from ferryman.reference import Reference, Repository, is_digest
from ferryman.registry.client import RegistryClient

_CREATED = "org.opencontainers.image.created"
_DEEPEST_INDEX = 3  # an index may hold indexes; nobody nests them further


async def created_at(client: RegistryClient, reference: Reference) -> datetime | None:
    """When the image was built: by its annotation, else by the config of its first platform. Raises TransferError.

    What it reads is kept for the copy, which as a rule comes next.
    """
    for _ in range(_DEEPEST_INDEX):
        manifest = _parsed((await client.get_manifest(reference, keep=True)).body)
        annotations = manifest.get("annotations")
        if isinstance(annotations, dict) and (told := from_iso(annotations.get(_CREATED))):
            return told
        child = next((digest for digest, _ in _children(manifest)), None)
        if child is None:
            return from_iso((await _config(client, reference.repository, manifest)).get("created"))
        reference = reference.repository.pinned(child)
    return None


async def platform_digests(client: RegistryClient, reference: Reference) -> dict[Platform, str]:
    """The manifest of each platform of an image; a plain manifest is its own platform's. Raises TransferError."""
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
        digest, told = (child.get("digest"), child.get("platform")) if isinstance(child, dict) else (None, None)
        if not isinstance(digest, str) or not is_digest(digest):
            continue
        platform = _platform(told)
        if platform is None or platform.os != "unknown":
            yield digest, platform


def _platform(told: Any) -> Platform | None:
    """The platform in a descriptor or a config: both spell it alike."""
    if not isinstance(told, dict):
        return None
    os, architecture, variant = told.get("os"), told.get("architecture"), told.get("variant")
    if not (isinstance(os, str) and os and isinstance(architecture, str) and architecture):
        return None
    return Platform.of(os, architecture, variant if isinstance(variant, str) else None)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
