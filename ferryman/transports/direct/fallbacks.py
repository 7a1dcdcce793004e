"""The forms in which one image may be told to a target, in which order, and what a refusal says of the target.

Registries refuse what they do not know with any status, in any words: what a target takes is found out by trying.
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
_OF_TYPES = {
    OCI_INDEX: "takes_oci_indexes",
    OCI_MANIFEST: "takes_oci",
    DOCKER_LIST: "takes_docker_lists",
    DOCKER_MANIFEST: "takes_docker",
}


class Form(Enum):
    """In the order in which they are tried: each is less like the source than the one before."""

    AS_IT_IS = "as it is"
    WITHOUT_ATTESTATIONS = "without attestations"
    DOCKERS = "in Docker's types"
    OCIS = "in OCI's types"


class Refused(Exception):
    """A target did not take a manifest, whose blobs it has."""

    def __init__(self, error: TransferError, node: Node) -> None:
        super().__init__(str(error))
        self.error = error
        self.node = node


def is_refusal(error: TransferError) -> bool:
    """Whether it may be what was sent that is not taken. A gateway's 5xx and a lost connection are outages."""
    return isinstance(error, Denied | NotFound | Unsupported) or (
        isinstance(error, Unreachable) and error.status == HTTPStatus.INTERNAL_SERVER_ERROR
    )


def capability_for(node: Node) -> str | None:
    """Which of Capabilities a target needs for this very manifest; None: one that nothing is remembered of."""
    if node.is_attestation or any(child.is_attestation for child in node.contents.children):
        return "takes_attestations"
    if not node.contents.is_list and not node.contents.is_image:
        return None  # a chart, a signature: registries treat each kind in its own way
    return _OF_TYPES.get(node.manifest.media_type)


def capabilities_for(tree: Node) -> set[str]:
    """Which a target needs for all of it, also for what it is known to have."""
    needed = {capability for node in tree.walk() if (capability := capability_for(node))}
    below = {child.media_type for node in tree.walk() for child in node.contents.children if not child.is_attestation}
    return needed | {_OF_TYPES[kind] for kind in below if kind in _OF_TYPES}


def in_order(tree: Node, capabilities: Capabilities) -> list[Form]:
    """The forms to try: those with something that the target is known to refuse come last, for it may have changed."""
    refused = set(capabilities.missing_capabilities())
    types = capabilities_for(tree) - {"takes_attestations"}
    needed = {
        Form.AS_IT_IS: types | {"takes_attestations"},
        Form.WITHOUT_ATTESTATIONS: types,
        Form.DOCKERS: {"takes_docker", "takes_docker_lists"},
        Form.OCIS: {"takes_oci", "takes_oci_indexes"},
    }
    return sorted(Form, key=lambda form: not needed[form].isdisjoint(refused))


def lesson(refused: Node, accepted: Node) -> str | None:
    """What the target was found not to take, when it refused the one and then took the other; None: nothing certain.

    A manifest that is odd in itself says nothing of others of its type, and neither does one whose type is in what
    was accepted.
    """
    capability = capability_for(refused)
    if capability is None or capability in capabilities_for(accepted) or not _is_regular(refused):
        return None
    return capability


def _is_regular(node: Node) -> bool:
    """Whether the manifest is what its type says, with nothing in it that not every other one of its type may have."""
    document, kind = document_of(node.manifest), node.manifest.media_type
    if document.get("mediaType") != kind or document.get("schemaVersion") != _SCHEMA or not _has_true_children(node):
        return False
    if node.is_attestation:
        return True  # they may refer to their image, and have a type of their own
    family = "application/vnd.docker." if kind in {DOCKER_LIST, DOCKER_MANIFEST} else "application/vnd.oci.image."
    return (
        document.keys() <= _KNOWN_KEYS
        and all(isinstance(text, str) for text in (document.get("annotations") or {}).values())
        and all(str(each.get("mediaType")).startswith(family) for each in _descriptors(document))
    )


def _has_true_children(node: Node) -> bool:
    """Whether an index describes its manifests as they are, as far as they were read."""
    told = {child.digest: (child.media_type, child.size) for child in node.contents.children}
    return all(
        told.get(child.manifest.digest) == (child.manifest.media_type, len(child.manifest.body))
        for child in node.children
    )


def _descriptors(document: Mapping[str, Any]) -> list[Any]:
    config = [document["config"]] if "config" in document else []
    return [*config, *(document.get("layers") or ()), *(document.get("manifests") or ())]
