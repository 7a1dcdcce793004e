"""Fallbacks for a target that refuses a manifest: its variants, their order, and what a refusal shows.

Registries refuse unknown types with any status and any message, so what a target accepts is found out by trying.
Pure.
"""

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any

from ferryman.errors import Denied, NotFound, TransferError, Unreachable, Unsupported
from ferryman.manifests.index import document_of
from ferryman.manifests.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from ferryman.registry.capabilities import Capabilities
from ferryman.transports.direct.manifest_tree import Node

_KNOWN_KEYS = frozenset({"schemaVersion", "mediaType", "config", "layers", "manifests", "annotations"})
_SCHEMA = 2
_CAPABILITY_BY_TYPE = {
    OCI_INDEX: "takes_oci_indexes",
    OCI_MANIFEST: "takes_oci",
    DOCKER_LIST: "takes_docker_lists",
    DOCKER_MANIFEST: "takes_docker",
}


class VariantKind(Enum):
    """The variants of one image, in the order in which they are tried: each differs more from the source."""

    ORIGINAL = "as it is"
    WITHOUT_ATTESTATIONS = "without attestations"
    DOCKER_TYPES = "in Docker's types"
    OCI_TYPES = "in OCI's types"


class NodeRefused(Exception):
    """The target refused a manifest although it has its blobs."""

    def __init__(self, error: TransferError, node: Node) -> None:
        super().__init__(str(error))
        self.error = error
        self.node = node


def is_refusal(error: TransferError) -> bool:
    """Whether the target may refuse the manifest as such. A gateway's 5xx and a lost connection are outages."""
    return isinstance(error, Denied | NotFound | Unsupported) or (
        isinstance(error, Unreachable) and error.status == HTTPStatus.INTERNAL_SERVER_ERROR
    )


def capability_for(node: Node) -> str | None:
    """Which of Capabilities a target needs for this one manifest; None: none that is remembered."""
    if node.is_attestation or any(child.is_attestation for child in node.contents.children):
        return "takes_attestations"
    if not node.contents.is_list and not node.contents.is_image:
        return None  # a chart, a signature: registries treat each kind differently
    return _CAPABILITY_BY_TYPE.get(node.manifest.media_type)


def capabilities_for(tree: Node) -> set[str]:
    """Which a target needs for the whole tree, including the manifests that it is known to hold."""
    needed = {capability for node in tree.walk() if (capability := capability_for(node))}
    below = {child.media_type for node in tree.walk() for child in node.contents.children if not child.is_attestation}
    return needed | {_CAPABILITY_BY_TYPE[kind] for kind in below if kind in _CAPABILITY_BY_TYPE}


def variants_to_try(tree: Node, capabilities: Capabilities) -> list[VariantKind]:
    """All variants, with those that the target is known to refuse last: it may have changed."""
    refused = set(capabilities.missing_capabilities())
    types = capabilities_for(tree) - {"takes_attestations"}
    needed = {
        VariantKind.ORIGINAL: types | {"takes_attestations"},
        VariantKind.WITHOUT_ATTESTATIONS: types,
        VariantKind.DOCKER_TYPES: {"takes_docker", "takes_docker_lists"},
        VariantKind.OCI_TYPES: {"takes_oci", "takes_oci_indexes"},
    }
    return sorted(VariantKind, key=lambda kind: not needed[kind].isdisjoint(refused))


def learned_incapability(refused: Node, accepted: Node) -> str | None:
    """The capability that the target lacks, as it refused one manifest and accepted another tree; None: not certain.

    Nothing follows from a manifest that is unusual for its type, nor from one whose type is also in the accepted tree.
    """
    capability = capability_for(refused)
    if capability is None or capability in capabilities_for(accepted) or not _is_regular(refused):
        return None
    return capability


def _is_regular(node: Node) -> bool:
    """Whether the manifest is what its type says, and has only fields that every manifest of its type may have."""
    document, kind = document_of(node.manifest), node.manifest.media_type
    if document.get("mediaType") != kind or document.get("schemaVersion") != _SCHEMA or not _describes_children(node):
        return False
    if node.is_attestation:
        return True  # an attestation may have a subject and a type of its own
    family = "application/vnd.docker." if kind in {DOCKER_LIST, DOCKER_MANIFEST} else "application/vnd.oci.image."
    annotations = document.get("annotations") or {}
    return (
        document.keys() <= _KNOWN_KEYS
        and isinstance(annotations, dict)
        and all(isinstance(text, str) for text in annotations.values())
        and all(str(each.get("mediaType")).startswith(family) for each in _descriptors(document))
    )


def _describes_children(node: Node) -> bool:
    """Whether an index gives the true type and size of its manifests, as far as those were read."""
    described = {child.digest: (child.media_type, child.size) for child in node.contents.children}
    return all(
        described.get(child.manifest.digest) == (child.manifest.media_type, len(child.manifest.body))
        for child in node.children
    )


def _descriptors(document: Mapping[str, Any]) -> list[Any]:
    config = [document["config"]] if "config" in document else []
    return [*config, *(document.get("layers") or ()), *(document.get("manifests") or ())]
