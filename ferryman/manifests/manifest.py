"""A manifest or an index as bytes, its media type, and the digest that vouches for it.

Source: OCI image specification, "Manifest" and "Image Index"; Docker image manifest version 2, schemas 1 and 2.
"""

import hashlib
from dataclasses import dataclass

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
# Schema 1 is accepted only to be told apart from "not found". HEAD and GET must ask for the same.
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, *SCHEMA_1, "*/*"))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index, byte for byte."""

    body: bytes
    media_type: str
    digest: str

    @classmethod
    def made(cls, body: bytes, media_type: str) -> "Manifest":
        """One of our own."""
        return cls(body, media_type, digest_of(body))


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    """The digest of bytes, as registries write it."""
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
