"""Builds real images for tests (layers, configs, manifests, indexes), and pushes them over plain HTTP."""

import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from tests.support.plain_http import ask

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed layer; the same files always give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@dataclass(frozen=True)
class Image:
    """One platform's image: a manifest, and the blobs that it names."""

    manifest: bytes
    media_type: str
    blobs: Mapping[str, bytes]
    platform: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def config_digest(self) -> str:
        found: str = json.loads(self.manifest)["config"]["digest"]
        return found


@dataclass(frozen=True)
class Index:
    """An index (or manifest list) over images."""

    manifest: bytes
    media_type: str
    images: Sequence["Image | Index"]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def image(
    layers: Sequence[bytes], *, platform: str = "linux/amd64", docker: bool = False,
    created: str = "2026-01-01T00:00:00Z", os_version: str | None = None, compresslevel: int = 9,
) -> Image:  # fmt: skip
    """An image of these uncompressed layers; Docker's media types or OCI's."""
    os, architecture, *variant = platform.split("/")
    blobs: dict[str, bytes] = {}
    descriptors = []
    for uncompressed in layers:
        packed = gzip.compress(uncompressed, compresslevel, mtime=0)
        blobs[digest_of(packed)] = packed
        descriptors.append(_descriptor(DOCKER_LAYER if docker else OCI_LAYER, packed))
    config: dict[str, Any] = {
        "architecture": architecture, "os": os, "created": created, "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(uncompressed) for uncompressed in layers]},
        "history": [{"created": created, "created_by": f"layer {n}"} for n in range(len(layers))],
    }  # fmt: skip
    if variant:
        config["variant"] = variant[0]
    if os_version:
        config["os.version"] = os_version
    packed_config = json.dumps(config, sort_keys=True).encode()
    blobs[digest_of(packed_config)] = packed_config
    manifest = {
        "schemaVersion": 2, "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": _descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, packed_config), "layers": descriptors,
    }  # fmt: skip
    described = {"os": os, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
    return Image(json.dumps(manifest, indent=2).encode(), str(manifest["mediaType"]), blobs, described)


def index(
    images: Sequence["Image | Index"],
    *,
    docker: bool = False,
    annotations: Mapping[int, Mapping[str, str]] | None = None,
) -> Index:
    """An index over these images, in order; `annotations` by position."""
    descriptors = []
    for position, child in enumerate(images):
        descriptor = _descriptor(child.media_type, child.manifest)
        if isinstance(child, Image) and child.platform:
            descriptor["platform"] = dict(child.platform)
        if annotations and position in annotations:
            descriptor["annotations"] = dict(annotations[position])
        descriptors.append(descriptor)
    media_type = DOCKER_LIST if docker else OCI_INDEX
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": descriptors}
    return Index(json.dumps(document, indent=2).encode(), media_type, images)


def attestation(subject: Image) -> tuple[Image, dict[str, str]]:
    """An attestation as buildkit adds it to an image, and its descriptor's annotations."""
    about = {"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": subject.digest}]}
    statement = json.dumps(about).encode()
    rootfs = {"type": "layers", "diff_ids": [digest_of(statement)]}
    config = json.dumps({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": rootfs}).encode()
    manifest = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": _descriptor(OCI_CONFIG, config),
        "layers": [_descriptor("application/vnd.in-toto+json", statement)],
    }  # fmt: skip
    made = Image(
        json.dumps(manifest, indent=2).encode(),
        OCI_MANIFEST,
        {digest_of(statement): statement, digest_of(config): config},
        {"os": "unknown", "architecture": "unknown"},
    )
    return made, {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject.digest}


def push(url: str, name: str, tag: str, what: Image | Index) -> str:
    """Push to the registry at `url` (http://host:port), children first; the digest that `tag` then names."""
    _push_manifest(url, name, tag, what)
    return what.digest


def tags_of(url: str, name: str) -> list[str]:
    """The tags of a small repository."""
    with ask(f"{url}/v2/{name}/tags/list") as answer:
        found: list[str] = json.load(answer)["tags"]
    return found


def digest_at(url: str, name: str, tag: str) -> str:
    """The digest of the tag, as the registry answers."""
    accept = f"{OCI_INDEX}, {DOCKER_LIST}, {OCI_MANIFEST}, {DOCKER_MANIFEST}"
    request = urllib.request.Request(f"{url}/v2/{name}/manifests/{tag}", method="HEAD", headers={"Accept": accept})
    with ask(request) as answer:
        return str(answer.headers["Docker-Content-Digest"])


def _push_manifest(url: str, name: str, selector: str, what: Image | Index) -> None:
    if isinstance(what, Index):
        for child in what.images:
            _push_manifest(url, name, child.digest, child)
    else:
        for digest, blob in what.blobs.items():
            _push_blob(url, name, digest, blob)
    _send("PUT", f"{url}/v2/{name}/manifests/{selector}", what.manifest, {"Content-Type": what.media_type})


def _push_blob(url: str, name: str, digest: str, blob: bytes) -> None:
    location = _send("POST", f"{url}/v2/{name}/blobs/uploads/", b"")["Location"]
    finish = f"{urljoin(url, location)}{'&' if '?' in location else '?'}digest={digest}"
    _send("PUT", finish, blob, {"Content-Type": "application/octet-stream"})


def _send(method: str, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Mapping[str, str]:
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))
    with ask(request) as answer:
        return dict(answer.headers)


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
