"""Indexes (OCI) and manifest lists (Docker): reading one, and making one of manifests that were pushed.

Source: OCI image index specification 1.1; Docker image manifest version 2, schema 2.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferryman.errors import WrongContent
from ferryman.manifests.config import declared_platform, platform_in
from ferryman.manifests.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, Manifest, parse_document
from ferryman.platforms import Platform
from ferryman.reference import is_digest

_ATTESTATION = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True)
class Entry:
    """One descriptor of an index."""

    digest: str
    media_type: str
    platform: Platform | None  # None: the index does not name it
    described: Mapping[str, Any]  # `platform` as the index has it, with os.version and features


@dataclass(frozen=True, slots=True)
class Part:
    """A manifest that was pushed, to be listed in a new index."""

    digest: str
    media_type: str
    size: int
    platform: Mapping[str, Any]


def is_index(media_type: str) -> bool:
    """Whether a manifest of this type lists other manifests."""
    return media_type in {DOCKER_LIST, OCI_INDEX}


def is_schema_1(media_type: str) -> bool:
    """Whether it is Docker's oldest manifest format, which no current registry accepts."""
    return media_type.startswith("application/vnd.docker.distribution.manifest.v1")


def is_attestation(descriptor: Mapping[str, Any]) -> bool:
    """Whether it is an attestation: by BuildKit's annotation, or by the platform `unknown`, which cannot be run."""
    platform = descriptor.get("platform") or {}
    return _ATTESTATION in (descriptor.get("annotations") or {}) or platform.get("os") == "unknown"


def document_of(manifest: Manifest) -> dict[str, Any]:
    """The manifest, parsed. Raises WrongContent."""
    try:
        return parse_document(manifest.body)
    except ValueError as error:
        raise WrongContent(f"the manifest {manifest.digest} {error}") from error


def entries(manifest: Manifest) -> list[Entry]:
    """The descriptors of an index, without attestations. Raises WrongContent for a malformed index."""
    document = document_of(manifest)
    try:
        return [_entry(descriptor) for descriptor in document["manifests"] if not is_attestation(descriptor)]
    except (KeyError, TypeError, AttributeError) as error:
        raise WrongContent(f"the index {manifest.digest} is malformed: {error!r}") from error


def images_in(document: Mapping[str, Any]) -> Iterator[tuple[str, Platform | None]]:
    """The digests in a parsed index with their platforms, without attestations.

    Malformed descriptors are left out: `entries` refuses them when the image is copied.
    """
    listed = document.get("manifests")
    for descriptor in listed if isinstance(listed, list) else ():
        digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
        if not isinstance(digest, str) or not is_digest(digest):
            continue
        platform = platform_in(descriptor.get("platform"))
        if platform is None or platform.os != "unknown":
            yield digest, platform


def config_digest(manifest: Manifest) -> str | None:
    """The digest of an image's config, which is the image's ID in an engine; None where it names none."""
    config = document_of(manifest).get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    return digest if isinstance(digest, str) and is_digest(digest) else None


def has_zstd_layers(manifest: Manifest) -> bool:
    """Whether a layer is compressed with zstd, which older engines cannot read."""
    layers = document_of(manifest).get("layers") or ()
    return any("zstd" in str(layer.get("mediaType")) for layer in layers if isinstance(layer, dict))


def join(parts: Sequence[Part]) -> Manifest:
    """An index of these manifests: Docker's type if all of them are Docker's. The same parts give the same bytes."""
    docker = all(part.media_type == DOCKER_MANIFEST for part in parts)
    media_type = DOCKER_LIST if docker else OCI_INDEX
    body = json.dumps(
        {"schemaVersion": 2, "mediaType": media_type, "manifests": list(_descriptors(parts))}, indent=2
    ).encode()
    return Manifest.made(body, media_type)


def empty_index(purpose: str, *, docker: bool) -> Manifest:
    """An index without any images; each purpose gives other bytes. It needs no blobs. `docker`: of Docker's type."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    annotations = {"org.opencontainers.image.title": purpose}
    body = {"schemaVersion": 2, "mediaType": media_type, "manifests": [], "annotations": annotations}
    return Manifest.made(json.dumps(body, indent=2).encode(), media_type)


def _entry(descriptor: Mapping[str, Any]) -> Entry:
    return Entry(
        str(descriptor["digest"]),
        str(descriptor["mediaType"]),
        declared_platform(descriptor),
        descriptor.get("platform") or {},
    )


def _descriptors(parts: Iterable[Part]) -> Iterable[dict[str, Any]]:
    for part in parts:
        yield {
            "mediaType": part.media_type,
            "digest": part.digest,
            "size": part.size,
            "platform": dict(sorted(part.platform.items())),
        }
