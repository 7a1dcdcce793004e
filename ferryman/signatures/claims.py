"""What a signed payload of cosign claims: which image was signed, and under which name.

Source: cosign, specs/SIGNATURE_SPEC.md ("Payload"); in-toto attestation, spec/v1/statement.md.
"""

import re

from ferryman.signatures.documents import at, parse_json
from ferryman.signatures.unfit import Unfit

_COSIGN = "cosign container image signature"
_IN_TOTO = "application/vnd.in-toto+json"
_STATEMENTS = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
SIGNATURE_PREDICATE = "https://sigstore.dev/cosign/sign/v1"  # every other one says something about the image
_LONGEST_QUOTE = 100


def check_payload(payload: bytes, digest: str, identity: re.Pattern[str] | None) -> None:
    """Check a simple-signing payload, whose signature was verified. Raises Unfit."""
    document = parse_json(payload, "its payload")
    if at(document, "critical", "type") != _COSIGN:
        raise Unfit("its payload is no signature of an image")
    signed = at(document, "critical", "image", "docker-manifest-digest")
    if signed != digest:
        raise Unfit(f"it is a signature of another image, {_quoted(signed)}")
    name = at(document, "critical", "identity", "docker-reference")
    if identity is not None and not (isinstance(name, str) and identity.fullmatch(name)):
        raise Unfit(f"it was signed under the name {_quoted(name)}, which `identity` does not allow")


def check_statement(payload_type: object, payload: bytes, digest: str, identity: re.Pattern[str] | None) -> None:
    """Check the payload of a DSSE envelope, whose signature was verified. Raises Unfit."""
    if payload_type != _IN_TOTO:
        raise Unfit(f"its payload is no statement about an image: {_quoted(payload_type)}")
    document = parse_json(payload, "its payload")
    if at(document, "_type") not in _STATEMENTS:
        raise Unfit("its payload is no statement of in-toto")
    if (predicate := at(document, "predicateType")) != SIGNATURE_PREDICATE:
        raise Unfit(f"it is an attestation ({_quoted(predicate)}), not a signature")
    subjects = at(document, "subject")
    algorithm, _, encoded = digest.partition(":")
    signed = [at(subject, "digest", algorithm) for subject in subjects] if isinstance(subjects, list) else []
    if encoded not in signed:
        raise Unfit(f"it is a signature of another image, {_quoted(signed[0] if signed else None)}")
    if identity is not None:
        raise Unfit("signatures of this form have no name of the image, and `identity` asks for one")


def _quoted(text: object) -> str:
    if not isinstance(text, str):
        return "of which it says nothing"
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")
