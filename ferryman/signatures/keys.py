"""Public keys, and the signatures that cosign makes with them.

Source: sigstore/sigstore, pkg/signature: ECDSA and RSA (PKCS #1 v1.5) over a hash; Ed25519 over the content itself by
older cosigns, over a hash (Ed25519ph) since 2.5.
"""

import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from ferryman.signatures import ed25519ph
from ferryman.signatures.unfit import Unfit

_LEAST_RSA_BITS = 2048
# By the curve. Older cosigns took SHA-256 for each.
_HASHES: dict[str, Sequence[hashes.HashAlgorithm]] = {
    "secp256r1": (hashes.SHA256(),),
    "secp384r1": (hashes.SHA384(), hashes.SHA256()),
    "secp521r1": (hashes.SHA512(), hashes.SHA256()),
}


class PublicKey:
    """A public key of a kind that cosign signs with."""

    def __init__(self, pem: str) -> None:
        """Raises ValueError, with a sentence that says what was expected."""
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("is no public key in PEM") from None
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
            raise ValueError(f"is an RSA key of {key.key_size} bits, expected {_LEAST_RSA_BITS} at least")
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey) or (
            isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in _HASHES
        ):
            raise ValueError("is a key of another kind, expected ECDSA (P-256, P-384 or P-521), RSA or Ed25519")
        self._key = key
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = f"SHA256:{hashlib.sha256(encoded).hexdigest()}"

    def verify(self, signature: bytes, content: bytes) -> None:
        """Raises Unfit."""
        if not any(self._fits(signature, content, algorithm) for algorithm in self._algorithms()):
            raise Unfit("it was not made with this key, or for something else")

    def _algorithms(self) -> Sequence[hashes.HashAlgorithm]:
        if isinstance(self._key, ec.EllipticCurvePublicKey):
            return _HASHES[self._key.curve.name]
        return (hashes.SHA256(),)

    def _fits(self, signature: bytes, content: bytes, algorithm: hashes.HashAlgorithm) -> bool:
        try:
            match self._key:
                case ec.EllipticCurvePublicKey():
                    self._key.verify(signature, content, ec.ECDSA(algorithm))
                case rsa.RSAPublicKey():
                    self._key.verify(signature, content, padding.PKCS1v15(), algorithm)
                case ed25519.Ed25519PublicKey():
                    return _fits_ed25519(self._key, signature, content)
        except InvalidSignature:
            return False
        return True


def _fits_ed25519(key: ed25519.Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return ed25519ph.fits(key.public_bytes_raw(), signature, content)
    return True
