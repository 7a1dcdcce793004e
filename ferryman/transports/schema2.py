"""Images and indexes told in Docker's types, for a registry that takes no OCI ones: the same blobs, other manifests.

Source: Docker image manifest version 2, schema 2; OCI image specification 1.1, "Compatibility Matrix".
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ferryman.errors import Unsupported, WrongContent
from ferryman.registry.client import Manifest
from ferryman.registry.manifests import DOCKER_LIST, DOCKER_MANIFEST
from ferryman.transports.contents import read
from ferryman.transports.direct_tree import Node
from ferryman.transports.index import document_of, is_index

_TYPES = {
    "application/vnd.oci.image.config.v1+json": "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip":
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}  # fmt: skip


def in_docker_types(node: Node) -> Node:
    """The whole tree, which has to have all of its children; what is Docker's already stays as it is.

    Annotations and subjects are lost: there is no place for them. Raises Unsupported for what Docker's types cannot
    tell: other layers than tar and gzip, artifacts, indexes in indexes.
    """
    children = {child.manifest.digest: in_docker_types(child) for child in node.children}
    is_dockers = node.manifest.media_type in {DOCKER_MANIFEST, DOCKER_LIST}
    if is_dockers and all(child.manifest.digest == digest for digest, child in children.items()):
        return node
    document = document_of(node.manifest)
    try:
        told = _list(document, children) if node.contents.is_list else _image(document)
        body = json.dumps(told, indent=2).encode()
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WrongContent(f"the manifest {node.manifest.digest} is malformed: {error!r}") from error
    manifest = Manifest.made(body, told["mediaType"])
    return replace(node, manifest=manifest, contents=read(manifest), children=tuple(children.values()), is_rebuilt=True)


def _image(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": _blob(document["config"]),
        "layers": [_blob(layer) for layer in document["layers"]],
    }


def _blob(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(descriptor["mediaType"])
    if kind not in _TYPES and kind not in _TYPES.values():
        raise Unsupported(f"Docker's types have none for {kind[:100]}")
    told = {"mediaType": _TYPES.get(kind, kind), "size": descriptor["size"], "digest": descriptor["digest"]}
    return told | ({"urls": descriptor["urls"]} if descriptor.get("urls") else {})


def _list(document: Mapping[str, Any], children: Mapping[str, Node]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [_entry(entry, children[entry["digest"]].manifest) for entry in document["manifests"]],
    }


def _entry(descriptor: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    if is_index(manifest.media_type) or not descriptor.get("platform"):
        raise Unsupported("Docker's lists name images alone, each with its platform")
    return {
        "mediaType": manifest.media_type,
        "size": len(manifest.body),
        "digest": manifest.digest,
        "platform": descriptor["platform"],
    }
