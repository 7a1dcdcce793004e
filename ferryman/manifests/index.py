"""Indexes (OCI) and manifest lists (Docker): what is in one, and a new one of what was pushed.

Source: OCI image index specification 1.1; Docker image manifest version 2, schema 2.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferryman.errors import WrongContent
from ferryman.manifests.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, Manifest
from ferryman.platforms import Platform

_ATTESTATION = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True)
class Entry:
    """One descriptor of an index."""

    digest: str
    media_type: str
    platform: Platform | None  # None: the index does not tell
    described: Mapping[str, Any]  # `platform` as it stands there, os.version and features too


@dataclass(frozen=True, slots=True)
class Part:
    """One manifest that was pushed, to be put into an index."""

    digest: str
    media_type: str
    size: int
    platform: Mapping[str, Any]


def is_index(media_type: str) -> bool:
    """Whether a manifest of this type lists others."""
    return media_type in {DOCKER_LIST, OCI_INDEX}


def is_schema_1(media_type: str) -> bool:
    """Whether it is of Docker's oldest form, which no registry of today takes."""
    return media_type.startswith("application/vnd.docker.distribution.manifest.v1")


def is_attestation(descriptor: Mapping[str, Any]) -> bool:
    """BuildKit's annotation; and whatever else claims no platform in the same way cannot be run either."""
    platform = descriptor.get("platform") or {}
    return _ATTESTATION in (descriptor.get("annotations") or {}) or platform.get("os") == "unknown"


def document_of(manifest: Manifest) -> dict[str, Any]:
    """The manifest, read. Raises WrongContent."""
    try:
        document = json.loads(manifest.body)
    except (ValueError, RecursionError) as error:
        raise WrongContent(f"the manifest {manifest.digest} is no JSON") from error
    if not isinstance(document, dict):
        raise WrongContent(f"the manifest {manifest.digest} is no object")
    return document


def entries(manifest: Manifest) -> list[Entry]:
    """What an index lists, without attestations. Raises WrongContent."""
    document = document_of(manifest)
    try:
        return [_entry(descriptor) for descriptor in document["manifests"] if not is_attestation(descriptor)]
    except (KeyError, TypeError, AttributeError) as error:
        raise WrongContent(f"the index {manifest.digest} is malformed: {error!r}") from error


def config_digest(manifest: Manifest) -> str | None:
    """The digest of an image's config, which is its ID in an engine."""
    config = document_of(manifest).get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    return str(digest) if digest else None


def has_zstd_layers(manifest: Manifest) -> bool:
    """Whether a layer is packed in a way that older engines cannot read."""
    layers = document_of(manifest).get("layers") or ()
    return any("zstd" in str(layer.get("mediaType")) for layer in layers if isinstance(layer, dict))


def join(parts: Sequence[Part]) -> Manifest:
    """An index of these parts: Docker's form if all of them are Docker's. The same parts give the same bytes."""
    docker = all(part.media_type == DOCKER_MANIFEST for part in parts)
    media_type = DOCKER_LIST if docker else OCI_INDEX
    body = json.dumps(
        {"schemaVersion": 2, "mediaType": media_type, "manifests": list(_descriptors(parts))}, indent=2
    ).encode()
    return Manifest.made(body, media_type)


def _entry(descriptor: Mapping[str, Any]) -> Entry:
    described = descriptor.get("platform") or {}
    platform = None
    if described.get("os") and described.get("architecture"):
        platform = Platform.of(described["os"], described["architecture"], described.get("variant"))
    return Entry(str(descriptor["digest"]), str(descriptor["mediaType"]), platform, described)


def _descriptors(parts: Iterable[Part]) -> Iterable[dict[str, Any]]:
    for part in parts:
        yield {
            "mediaType": part.media_type,
            "digest": part.digest,
            "size": part.size,
            "platform": dict(sorted(part.platform.items())),
        }
