"""Verify Notation's signatures by a trust store of certificates.

Timestamps of third parties are not read: a signature is valid while its certificates are.

Source: notaryproject/specifications, signature-specification.md, signing-scheme.md.
"""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ferryman.signature_findings import Form, Signer
from ferryman.signature_rules import NotationRule
from ferryman.signatures.certificates import check_chain, load_certificates, name_of, read_chain
from ferryman.signatures.documents import at, parse_json
from ferryman.signatures.envelopes import EXPIRY, SCHEME, Envelope, read_envelope
from ferryman.signatures.evidence import Evidence, NotationEnvelope
from ferryman.signatures.unfit import Unfit

_CONTENT_TYPE = "application/vnd.cncf.notary.payload.v1+json"
_SCHEME = "notary.x509"
_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
# The algorithm belongs to the key: a signer cannot choose a weaker one.
_BY_RSA_BITS = {2048: "PS256", 3072: "PS384", 4096: "PS512"}
_BY_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class NotationChecker:
    """Checks signatures against one NotationRule."""

    forms: ClassVar[tuple[Form, ...]] = ("notation",)

    def __init__(self, rule: NotationRule, now: Callable[[], datetime]) -> None:
        """Raises ValueError for a trust store that cannot be used."""
        self._rule = rule
        self._now = now
        self._trusted = [each for pem in rule.certificates for each in load_certificates(pem)]

    def check(self, evidence: Evidence, digest: str) -> Signer:
        """Verify a signature of the image with this digest. Raises Unfit."""
        if not isinstance(evidence, NotationEnvelope):
            raise Unfit("it is none of Notation's")
        envelope, now = read_envelope(evidence), self._now()
        chain = read_chain(envelope.chain)
        check_chain(chain, self._trusted, now)
        _check_signature(envelope, chain[0])
        _check_headers(envelope, now)
        signed = at(parse_json(envelope.payload, "its payload"), "targetArtifact", "digest")
        if signed != digest:
            raise Unfit(f"it is a signature of another image, {str(signed)[:100]!r}")
        subject = name_of(chain[0])
        if self._rule.subject is not None and not self._rule.subject.fullmatch(subject):
            raise Unfit(f"it was signed by {subject}")
        return Signer(subject, self._rule.name, "notation", envelope.signed_at)


def _check_headers(envelope: Envelope, now: datetime) -> None:
    unknown = [each for each in envelope.critical if each not in (SCHEME, EXPIRY)]
    if unknown or SCHEME not in envelope.critical or envelope.scheme != _SCHEME:
        wanted = envelope.scheme if envelope.scheme != _SCHEME else unknown[0] if unknown else "no scheme"
        raise Unfit(f"it wants a verification that is not supported: {str(wanted)[:100]!r}")
    if envelope.content_type != _CONTENT_TYPE:
        raise Unfit(f"its payload is of another type: {str(envelope.content_type)[:100]!r}")
    if envelope.expires_at is not None and envelope.expires_at <= now:
        raise Unfit(f"it was valid until {envelope.expires_at:%Y-%m-%d %H:%M}")


def _check_signature(envelope: Envelope, certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    expected = _algorithm_of(key)
    if envelope.algorithm != expected:
        raise Unfit(f"its algorithm is {envelope.algorithm}, expected {expected} for such a key")
    algorithm = _HASHES[expected[2:]]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH)
            key.verify(envelope.signature, envelope.signed, pss, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(_in_der(envelope.signature, key.key_size), envelope.signed, ec.ECDSA(algorithm))
    except InvalidSignature:
        raise Unfit("its content is not what was signed") from None


def _algorithm_of(key: object) -> str:
    match key:
        case rsa.RSAPublicKey() if key.key_size in _BY_RSA_BITS:
            return _BY_RSA_BITS[key.key_size]
        case ec.EllipticCurvePublicKey() if key.curve.name in _BY_CURVE:
            return _BY_CURVE[key.curve.name]
    raise Unfit("its certificate has a key of another kind, expected RSA (2048, 3072, 4096 bits) or ECDSA")


def _in_der(signature: bytes, bits: int) -> bytes:
    """Both numbers of an ECDSA signature, as JWS and COSE write them one behind the other, in DER."""
    half = (bits + 7) // 8
    if len(signature) != 2 * half:
        raise Unfit("its content is not what was signed")
    return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
