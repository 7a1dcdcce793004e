"""The blobs and manifests that a manifest names, and making an index with some of its entries only.

Source: OCI image specification 1.1, "Manifest", "Image Index", "Descriptor"; Docker image manifest version 2, schema 2.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ferryman.errors import WrongContent
from ferryman.manifests.config import declared_platform
from ferryman.manifests.index import document_of, is_attestation, is_index
from ferryman.manifests.manifest import Manifest
from ferryman.platforms import Platform
from ferryman.reference import is_digest

_LARGEST = 1 << 50  # bytes that a descriptor may promise
_IMAGE_CONFIGS = frozenset(
    {"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"}
)
_REFERENCE_DIGEST = "vnd.docker.reference.digest"  # the image that BuildKit's attestation is about


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content."""

    digest: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Foreign(Descriptor):
    """A foreign (non-distributable) layer: registries need not have it, `urls` say where it is in the web."""

    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Child(Descriptor):
    """An index's reference to a manifest."""

    platforms: tuple[Platform, ...] = ()  # some images are listed for two; empty: the index names none
    is_attestation: bool = False
    subject: str | None = None  # the digest of the image that an attestation is about

    @property
    def is_index(self) -> bool:
        return is_index(self.media_type)


@dataclass(frozen=True, slots=True)
class ManifestContents:
    """The blobs and manifests that a manifest names, each digest once."""

    blobs: tuple[Descriptor, ...] = ()  # without foreign layers
    foreign: tuple[Foreign, ...] = ()
    config: Descriptor | None = None  # one of `blobs`
    children: tuple[Child, ...] = ()
    is_list: bool = False

    @property
    def is_image(self) -> bool:
        """Whether its config names a platform; other artifacts have none."""
        return self.config is not None and self.config.media_type in _IMAGE_CONFIGS


def read(manifest: Manifest) -> ManifestContents:
    """Parse a manifest of any media type. Raises WrongContent for a malformed one."""
    document = document_of(manifest)
    try:
        if "manifests" in document or is_index(manifest.media_type):
            return ManifestContents(children=_united(map(_child, document["manifests"])), is_list=True)
        config = _descriptor(document["config"]) if document.get("config") else None
        # The short-lived artifact manifest calls its layers `blobs`.
        listed = [*(document.get("layers") or ()), *(document.get("blobs") or ())]
        layers = [_descriptor(layer) for layer in listed if not layer.get("urls")]
        foreign = {layer["digest"]: _foreign(layer) for layer in listed if layer.get("urls")}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise WrongContent(f"the manifest {manifest.digest} is malformed: {error!r}") from error
    blobs = {blob.digest: blob for blob in [*layers, *([config] if config else [])]}
    return ManifestContents(blobs=tuple(blobs.values()), foreign=tuple(foreign.values()), config=config)


def rebuilt(index: Manifest, kept: Mapping[str, Manifest | None]) -> Manifest:
    """The index with only the children in `kept`, by digest; a manifest there replaces the child.

    Everything else stays as the source wrote it. The same choice gives the same bytes. Raises WrongContent for an index
    that is nested too deeply for JSON.
    """
    document = document_of(index)
    document["manifests"] = [
        _replaced(entry, kept[entry["digest"]]) for entry in document["manifests"] if entry["digest"] in kept
    ]
    try:
        body = json.dumps(document, indent=2).encode()  # ASCII: UTF-8 has no form for half of a surrogate pair
    except RecursionError as error:
        raise WrongContent(f"the manifest {index.digest} is nested too deeply") from error
    return Manifest.made(body, index.media_type)


def attestations(children: Sequence[Child]) -> frozenset[str]:
    """The digests of the attestations among `children`."""
    return frozenset(child.digest for child in children if child.is_attestation)


def _descriptor(entry: Mapping[str, Any]) -> Descriptor:
    digest, size = entry["digest"], entry["size"]
    if not isinstance(digest, str) or not is_digest(digest):
        raise ValueError("an invalid digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise ValueError("an invalid size")
    return Descriptor(digest, str(entry.get("mediaType") or ""), size)


def _foreign(entry: Mapping[str, Any]) -> Foreign:
    described = _descriptor(entry)
    urls = tuple(url for url in entry["urls"] if isinstance(url, str))
    return Foreign(described.digest, described.media_type, described.size, urls=urls)


def _united(entries: Iterable[Child]) -> tuple[Child, ...]:
    """Merge entries of the same digest: arm's v6 and v7 are often the same image."""
    united: dict[str, Child] = {}
    for entry in entries:
        before = united.get(entry.digest)
        united[entry.digest] = (
            entry
            if before is None
            else replace(
                before,
                platforms=before.platforms + entry.platforms,
                is_attestation=before.is_attestation and entry.is_attestation,
            )
        )
    return tuple(united.values())


def _child(entry: Mapping[str, Any]) -> Child:
    described = _descriptor(entry)
    platform, annotations = declared_platform(entry), entry.get("annotations") or {}
    subject = annotations.get(_REFERENCE_DIGEST)
    return Child(
        described.digest, described.media_type, described.size,
        platforms=(platform,) if platform else (),
        is_attestation=is_attestation(entry),
        subject=subject if isinstance(subject, str) else None,
    )  # fmt: skip


def _replaced(entry: dict[str, Any], by: Manifest | None) -> dict[str, Any]:
    if by is None:
        return entry
    return {**entry, "mediaType": by.media_type, "digest": by.digest, "size": len(by.body)}
