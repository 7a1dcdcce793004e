"""Images and indexes told in Docker's types or in OCI's, for a target that takes no others: the same blobs.

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

_DOCKERS = {
    "application/vnd.oci.image.config.v1+json": "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip":
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}  # fmt: skip
_DOCKER_TYPES = frozenset({DOCKER_MANIFEST, DOCKER_LIST})
_OCIS = {dockers: ocis for ocis, dockers in _DOCKERS.items()}

_Told = Callable[[Mapping[str, Any], Mapping[str, Node], bool], dict[str, Any]]


def in_docker_types(node: Node) -> Node:
    """The whole tree, which has to have all of its children; what is Docker's already stays as it is.

    Annotations and subjects are lost: there is no place for them. Raises Unsupported for what Docker's types cannot
    tell: other layers than tar and gzip, artifacts, indexes in indexes.
    """
    return _retold(node, in_docker_types, _in_dockers, is_told=node.manifest.media_type in _DOCKER_TYPES)


def in_oci_types(node: Node) -> Node:
    """The whole tree, which has to have all of its children; what is not Docker's stays as it is."""
    return _retold(node, in_oci_types, _in_ocis, is_told=node.manifest.media_type not in _DOCKER_TYPES)


def _retold(node: Node, retell: Callable[[Node], Node], tell: _Told, *, is_told: bool) -> Node:
    children = {child.manifest.digest: retell(child) for child in node.children}
    if is_told and all(child.manifest.digest == digest for digest, child in children.items()):
        return node
    try:
        told = tell(document_of(node.manifest), children, node.contents.is_list)
        body = json.dumps(told, indent=2).encode()
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WrongContent(f"the manifest {node.manifest.digest} is malformed: {error!r}") from error
    manifest = Manifest.made(body, told["mediaType"])
    return replace(node, manifest=manifest, contents=read(manifest), children=tuple(children.values()), is_rebuilt=True)


def _in_dockers(document: Mapping[str, Any], children: Mapping[str, Node], is_list: bool) -> dict[str, Any]:
    if is_list:
        listed = [_dockers_entry(entry, children[entry["digest"]].manifest) for entry in document["manifests"]]
        return {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": listed}
    return {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": _dockers_blob(document["config"]),
        "layers": [_dockers_blob(layer) for layer in document["layers"]],
    }


def _dockers_blob(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(descriptor["mediaType"])
    if kind not in _DOCKERS and kind not in _OCIS:
        raise Unsupported(f"Docker's types have none for {kind[:100]}")
    told = {"mediaType": _DOCKERS.get(kind, kind), "size": descriptor["size"], "digest": descriptor["digest"]}
    return told | ({"urls": descriptor["urls"]} if descriptor.get("urls") else {})


def _dockers_entry(descriptor: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    if is_index(manifest.media_type) or not descriptor.get("platform"):
        raise Unsupported("Docker's lists name images alone, each with its platform")
    return {
        "mediaType": manifest.media_type,
        "size": len(manifest.body),
        "digest": manifest.digest,
        "platform": descriptor["platform"],
    }


def _in_ocis(document: Mapping[str, Any], children: Mapping[str, Node], is_list: bool) -> dict[str, Any]:
    if is_list:
        listed = [_ocis_entry(entry, children[entry["digest"]].manifest) for entry in document["manifests"]]
        return {**document, "mediaType": OCI_INDEX, "manifests": listed}
    return {
        **document,
        "mediaType": OCI_MANIFEST,
        "config": _ocis_blob(document["config"]),
        "layers": [_ocis_blob(layer) for layer in document["layers"]],
    }


def _ocis_blob(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    kind = descriptor["mediaType"]
    return {**descriptor, "mediaType": _OCIS.get(kind, kind)}


def _ocis_entry(descriptor: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    return {
        **descriptor,
        "mediaType": manifest.media_type,
        "size": len(manifest.body),
        "digest": manifest.digest,
    }
