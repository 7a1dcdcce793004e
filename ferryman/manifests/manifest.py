"""A manifest or an index: its bytes, media type and digest.

Source: OCI image specification, "Manifest" and "Image Index"; Docker image manifest version 2, schemas 1 and 2.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
# Schema 1 is accepted only to tell it apart from "not found". HEAD and GET must ask for the same types.
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, *SCHEMA_1, "*/*"))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index, byte for byte."""

    body: bytes
    media_type: str
    digest: str

    @classmethod
    def made(cls, body: bytes, media_type: str) -> "Manifest":
        """A new manifest, with the digest of `body`."""
        return cls(body, media_type, digest_of(body))


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    """The digest of `body`, as registries write it: `sha256:…`."""
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def parse_document(body: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises ValueError, with a phrase for an error message, for anything else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(document, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004  (a mistake in content, not in a call)
    return document
