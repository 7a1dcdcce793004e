"""Credentials, and salted fingerprints that identify a refused one without storing its secret."""

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass

_SALT = 16  # bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """A username and a secret. The repr hides the secret."""

    username: str
    secret: str
    is_identity_token: bool = False  # the secret is an OAuth2 refresh token, not a password

    def __repr__(self) -> str:
        return f"Credential(username={self.username!r}, secret='***')"

    def for_engine(self) -> dict[str, str]:
        """In the form of the Docker Engine API."""
        if self.is_identity_token:
            return {"identitytoken": self.secret}
        return {"username": self.username, "password": self.secret}


def identify(credential: Credential | None) -> str:
    """A text that is different for every credential (and for none); as secret as the credential itself."""
    return json.dumps(credential and [credential.username, credential.secret, credential.is_identity_token])


def credential_fingerprint(identity: str) -> str:
    """A salted hash, slow enough that a password cannot be guessed from it: `scrypt$salt$hash`."""
    return _fingerprint(identity, os.urandom(_SALT))


def matches(identity: str, known: str) -> bool:
    """Whether `known` is the credential_fingerprint of `identity`; False for a malformed one."""
    try:
        salt = base64.b64decode(known.split("$")[1], validate=True)
    except (IndexError, ValueError):
        return False
    return hmac.compare_digest(_fingerprint(identity, salt).encode(), known.encode())


def _fingerprint(identity: str, salt: bytes) -> str:
    made = hashlib.scrypt(identity.encode(), salt=salt, n=2**14, r=8, p=1)
    return "$".join(("scrypt", base64.b64encode(salt).decode(), base64.b64encode(made).decode()))
