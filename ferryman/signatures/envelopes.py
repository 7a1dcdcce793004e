"""Notation's two envelopes, read into one value: JWS (JSON, flattened) and COSE (`COSE_Sign1`).

Source: notaryproject/specifications, signature-envelope-jws.md, signature-envelope-cose.md; RFC 7515; RFC 9052.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cbor2

from ferryman.signatures.documents import at, decode_base64, parse_json
from ferryman.signatures.evidence import COSE, JWS, NotationEnvelope
from ferryman.signatures.unfit import Unfit

SCHEME, EXPIRY, SIGNED_AT = (f"io.cncf.notary.{name}" for name in ("signingScheme", "expiry", "signingTime"))
_COSE_ALGORITHMS = {-37: "PS256", -38: "PS384", -39: "PS512", -7: "ES256", -35: "ES384", -36: "ES512"}
_ALGORITHM, _CRITICAL, _CONTENT_TYPE, _CHAIN = 1, 2, 3, 33  # labels of COSE's headers
_SIGN1 = 18  # tag
_PARTS = 4  # of a COSE_Sign1


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed payload with its headers; nothing of it is verified."""

    algorithm: str  # as JWS names it
    content_type: object
    critical: Collection[object]  # the protected headers that a verifier has to understand
    scheme: object
    signed_at: datetime | None  # by the signer's own clock
    expires_at: datetime | None
    payload: bytes
    signature: bytes
    signed: bytes  # what the signature is of
    chain: Sequence[bytes]  # certificates in DER, the signer's first


def read_envelope(evidence: NotationEnvelope) -> Envelope:
    """Raises Unfit for a malformed one."""
    if evidence.media_type == JWS:
        return _read_jws(evidence.body)
    if evidence.media_type == COSE:
        return _read_cose(evidence.body)
    raise Unfit(f"it is neither JWS nor COSE: {evidence.media_type!r}")


def _read_jws(body: bytes) -> Envelope:
    document = parse_json(body, "the envelope")
    protected, payload = (document.get(name) for name in ("protected", "payload"))
    headers = parse_json(decode_base64(protected, url=True), "its protected header")
    chain = at(document, "header", "x5c")
    return Envelope(
        algorithm=str(headers.get("alg")),
        content_type=headers.get("cty"),
        critical=_listed(headers.get("crit")),
        scheme=headers.get(SCHEME),
        signed_at=_time(headers.get(SIGNED_AT)),
        expires_at=_time(headers.get(EXPIRY)),
        payload=decode_base64(payload, url=True),
        signature=decode_base64(document.get("signature"), url=True),
        signed=f"{protected}.{payload}".encode(),
        chain=[decode_base64(each) for each in _listed(chain)],
    )


def _read_cose(body: bytes) -> Envelope:
    message = _decode(body)
    parts = message.value if isinstance(message, cbor2.CBORTag) and message.tag == _SIGN1 else None
    if not isinstance(parts, list | tuple) or len(parts) != _PARTS:
        raise Unfit("the envelope is no COSE_Sign1")
    protected, unprotected, payload, signature = parts
    if not all(isinstance(part, bytes) for part in (protected, payload, signature)):
        raise Unfit("the envelope is no COSE_Sign1")
    headers = _decode(protected)
    if not isinstance(headers, Mapping) or not isinstance(unprotected, Mapping):
        raise Unfit("the envelope has no headers")
    algorithm, chain = headers.get(_ALGORITHM), unprotected.get(_CHAIN)
    return Envelope(
        algorithm=_COSE_ALGORITHMS.get(algorithm, "unknown") if isinstance(algorithm, int) else "unknown",
        content_type=headers.get(_CONTENT_TYPE),
        critical=_listed(headers.get(_CRITICAL)),
        scheme=headers.get(SCHEME),
        signed_at=_time(headers.get(SIGNED_AT)),
        expires_at=_time(headers.get(EXPIRY)),
        payload=payload,
        signature=signature,
        signed=cbor2.dumps(["Signature1", protected, b"", payload]),
        chain=[chain] if isinstance(chain, bytes) else [each for each in _listed(chain) if isinstance(each, bytes)],
    )


def _decode(body: bytes) -> Any:
    try:
        return cbor2.loads(body)
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise Unfit("the envelope is no valid CBOR") from error


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _time(value: object) -> datetime | None:
    """A time in a header; None where there is none. Raises Unfit for a malformed one: it may be the end of validity."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Unfit("a time in its header is malformed")
