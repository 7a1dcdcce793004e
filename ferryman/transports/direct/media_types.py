"""Converts images and indexes between Docker's and OCI's media types, for a target that accepts only one family.

The blobs stay the same.


Source: Docker image manifest version 2, schema 2; OCI image specification 1.1, "Compatibility Matrix".
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ferryman.errors import Unsupported, WrongContent
from ferryman.manifests.contents import read
from ferryman.manifests.index import document_of, is_index
from ferryman.manifests.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest
from ferryman.transports.direct.manifest_tree import Node

_DOCKER_BY_OCI = {
    "application/vnd.oci.image.config.v1+json": "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip":
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}  # fmt: skip
_DOCKER_TYPES = frozenset({DOCKER_MANIFEST, DOCKER_LIST})
_OCI_BY_DOCKER = {docker: oci for oci, docker in _DOCKER_BY_OCI.items()}

_Rewrite = Callable[[Mapping[str, Any], Mapping[str, Node], bool], dict[str, Any]]


def to_docker_types(node: Node) -> Node:
    """The whole tree in Docker's types; what has them already stays unchanged. The tree must be complete.

    Annotations and subjects are lost: Docker's types have no fields for them. Raises Unsupported for what Docker's
    types cannot express: layers other than tar and gzip, artifacts, nested indexes. Raises WrongContent.
    """
    is_converted = node.manifest.media_type in _DOCKER_TYPES
    return _converted(node, to_docker_types, _docker_document, is_converted=is_converted)


def to_oci_types(node: Node) -> Node:
    """The whole tree in OCI's types; what is not Docker's stays unchanged. The tree must be complete.

    Raises WrongContent.
    """
    is_converted = node.manifest.media_type not in _DOCKER_TYPES
    return _converted(node, to_oci_types, _oci_document, is_converted=is_converted)


def _converted(node: Node, convert: Callable[[Node], Node], rewrite: _Rewrite, *, is_converted: bool) -> Node:
    children = {child.manifest.digest: convert(child) for child in node.children}
    if is_converted and all(child.manifest.digest == digest for digest, child in children.items()):
        return node
    try:
        document = rewrite(document_of(node.manifest), children, node.contents.is_list)
        body = json.dumps(document, indent=2).encode()
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WrongContent(f"the manifest {node.manifest.digest} is malformed: {error!r}") from error
    manifest = Manifest.made(body, document["mediaType"])
    return replace(node, manifest=manifest, contents=read(manifest), children=tuple(children.values()), is_rebuilt=True)


def _docker_document(document: Mapping[str, Any], children: Mapping[str, Node], is_list: bool) -> dict[str, Any]:
    if is_list:
        listed = [_docker_entry(entry, children[entry["digest"]].manifest) for entry in document["manifests"]]
        return {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": listed}
    return {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": _docker_blob(document["config"]),
        "layers": [_docker_blob(layer) for layer in document["layers"]],
    }


def _docker_blob(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(descriptor["mediaType"])
    if kind not in _DOCKER_BY_OCI and kind not in _OCI_BY_DOCKER:
        raise Unsupported(f"Docker's types have none for {kind[:100]}")
    own = {"mediaType": _DOCKER_BY_OCI.get(kind, kind), "size": descriptor["size"], "digest": descriptor["digest"]}
    return own | ({"urls": descriptor["urls"]} if descriptor.get("urls") else {})


def _docker_entry(descriptor: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    if is_index(manifest.media_type) or not descriptor.get("platform"):
        raise Unsupported("Docker's lists can only name images, each with its platform")
    return {
        "mediaType": manifest.media_type,
        "size": len(manifest.body),
        "digest": manifest.digest,
        "platform": descriptor["platform"],
    }


def _oci_document(document: Mapping[str, Any], children: Mapping[str, Node], is_list: bool) -> dict[str, Any]:
    if is_list:
        listed = [_oci_entry(entry, children[entry["digest"]].manifest) for entry in document["manifests"]]
        return {**document, "mediaType": OCI_INDEX, "manifests": listed}
    return {
        **document,
        "mediaType": OCI_MANIFEST,
        "config": _oci_blob(document["config"]),
        "layers": [_oci_blob(layer) for layer in document["layers"]],
    }


def _oci_blob(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    kind = descriptor["mediaType"]
    return {**descriptor, "mediaType": _OCI_BY_DOCKER.get(kind, kind)}


def _oci_entry(descriptor: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    return {
        **descriptor,
        "mediaType": manifest.media_type,
        "size": len(manifest.body),
        "digest": manifest.digest,
    }
