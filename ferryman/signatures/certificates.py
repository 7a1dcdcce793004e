"""Chains of certificates of Notation's signers.

No revocation is asked for: a certificate that is not trusted any more has to leave the trust store.

Source: notaryproject/specifications, signature-specification.md ("Certificate Requirements"),
trust-store-trust-policy.md.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from ferryman.signatures.unfit import Unfit

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_MOST = 10  # certificates in a chain
_UNDERSTOOD = frozenset(
    {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE}
)  # critical extensions
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def load_certificates(pem: str) -> list[x509.Certificate]:
    """The certificates in a file of a trust store. Raises ValueError."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise ValueError("has no certificate in PEM") from None


def read_chain(encoded: Sequence[bytes]) -> list[x509.Certificate]:
    """The chain of a signature in DER, the signer's own certificate first. Raises Unfit."""
    if not 0 < len(encoded) <= _MOST:
        raise Unfit(f"it has {len(encoded)} certificates")
    try:
        return [x509.load_der_x509_certificate(each) for each in encoded]
    except (ValueError, TypeError):
        raise Unfit("one of its certificates is malformed") from None


def check_chain(chain: Sequence[x509.Certificate], trusted: Collection[x509.Certificate], now: datetime) -> None:
    """Verify a chain from the signer's certificate up to one that is trusted. Raises Unfit."""
    last = next((number for number, each in enumerate(chain) if each in trusted), None)
    if last is None:
        raise Unfit(f"its signer {name_of(chain[0])} is not in the trust store, nor who has issued its certificate")
    _check_signer(chain[0])
    for depth, certificate in enumerate(chain[: last + 1]):
        _check_certificate(certificate, now)
        if depth > 0:
            _check_issuer(certificate, chain[depth - 1], below=depth - 1)


def _check_certificate(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        raise Unfit(f"the certificate {name_of(certificate)} is not valid now: it was until {until}")
    unknown = [
        each.oid.dotted_string for each in _extensions(certificate) if each.critical and each.oid not in _UNDERSTOOD
    ]
    if unknown:
        raise Unfit(f"the certificate {name_of(certificate)} has critical extensions that are not known: {unknown[0]}")


def _check_signer(certificate: x509.Certificate) -> None:
    usage, purposes = _usage(certificate), _extension(certificate, x509.ExtendedKeyUsage)
    if usage is None or not usage.digital_signature:
        raise Unfit(f"the certificate {name_of(certificate)} is not for signatures")
    if purposes is not None and ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise Unfit(f"the certificate {name_of(certificate)} is not for signing code")


def _check_issuer(issuer: x509.Certificate, issued: x509.Certificate, *, below: int) -> None:
    """`below`: how many authorities stand between `issued`'s issuer and the signer."""
    constraints, usage = _extension(issuer, x509.BasicConstraints), _usage(issuer)
    if constraints is None or not constraints.ca or usage is None or not usage.key_cert_sign:
        raise Unfit(f"the certificate {name_of(issuer)} is not one of an authority")
    if constraints.path_length is not None and below > constraints.path_length:
        raise Unfit(f"the certificate {name_of(issuer)} allows no such long chain")
    if not isinstance(issued.signature_hash_algorithm, _HASHES):
        raise Unfit(f"the certificate {name_of(issued)} is signed by an outdated algorithm")
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise Unfit(f"the certificate {name_of(issued)} was not issued by {name_of(issuer)}") from None


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    return _extension(certificate, x509.KeyUsage)


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    return next((each.value for each in _extensions(certificate) if isinstance(each.value, kind)), None)


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except (ValueError, x509.DuplicateExtension):
        raise Unfit("one of its certificates is malformed") from None


def name_of(certificate: x509.Certificate) -> str:
    """The subject as text, such as `CN=wabbit-networks.io,O=Notary,C=US`."""
    return certificate.subject.rfc4514_string()
