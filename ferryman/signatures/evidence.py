"""The signatures of an image as they were found, before anything of them is verified."""

from dataclasses import dataclass
from typing import ClassVar

from ferryman.signature_findings import Form

JWS, COSE = "application/jose+json", "application/cose"  # media types of Notation's envelopes


@dataclass(frozen=True, slots=True)
class SimpleSigning:
    """Cosign's older form: a payload in a blob, all the rest in annotations of its layer.

    Source: cosign, specs/SIGNATURE_SPEC.md.
    """

    form: ClassVar[Form] = "cosign"
    payload: bytes
    signature: str  # base64
    certificate: str | None = None  # PEM, of a keyless signature
    log_entry: str | None = None  # JSON: Rekor's entry, and its promise to include it


@dataclass(frozen=True, slots=True)
class SigstoreBundle:
    """Cosign's newer form: everything in one JSON document.

    Source: sigstore/protobuf-specs, sigstore_bundle.proto, version 0.3; cosign, specs/BUNDLE_SPEC.md.
    """

    form: ClassVar[Form] = "bundle"
    body: bytes


@dataclass(frozen=True, slots=True)
class NotationEnvelope:
    """A signature of Notation: a JWS or a COSE envelope.

    Source: notaryproject/specifications, signature-specification.md.
    """

    form: ClassVar[Form] = "notation"
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Unusable:
    """A signature that cannot be read: malformed, too large, or a part of it is missing."""

    why: str


Evidence = SimpleSigning | SigstoreBundle | NotationEnvelope | Unusable
