"""Who has to have signed what is copied: read from items.yml, used by `signatures`."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Literal

Missing = Literal["refuse", "warn"]  # what becomes of an image that has no signature at all


@dataclass(frozen=True, slots=True)
class KeyRule:
    """Signed by cosign with the private key that belongs to this public one."""

    name: str  # for people: the file, or `inline`
    pem: str
    identity: re.Pattern[str] | None = None  # the image's name that the publisher signed along; None: any

    @property
    def in_short(self) -> str:
        """The rule, for people."""
        return self.name


@dataclass(frozen=True, slots=True)
class KeylessRule:
    """Signed by cosign with a certificate of Fulcio for this identity, and in the log of Rekor at that time."""

    issuer: str  # of the identity: the URL of an OpenID Connect provider
    subject: re.Pattern[str]  # the identity: an address, or the URL of a workflow
    trust_root: str | None = None  # the JSON document of Sigstore's roots; None: that of the library
    identity: re.Pattern[str] | None = None  # as in KeyRule

    @property
    def in_short(self) -> str:
        """The rule, for people."""
        return f"{self.subject.pattern} ({self.issuer})"


@dataclass(frozen=True, slots=True)
class NotationRule:
    """Signed by Notation with a certificate that one of these has issued."""

    name: str  # for people: the folder
    certificates: tuple[str, ...]  # PEM: the trust store
    subject: re.Pattern[str] | None = None  # the name in the signer's certificate; None: any

    @property
    def in_short(self) -> str:
        """The rule, for people."""
        return f"{self.subject.pattern} ({self.name})" if self.subject else self.name


SignatureRule = KeyRule | KeylessRule | NotationRule


@dataclass(frozen=True, slots=True)
class SignatureRules:
    """A signature has to fit one of the rules."""

    rules: tuple[SignatureRule, ...]
    missing: Missing = "refuse"

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides whether a signature fits."""
        content = json.dumps([[type(rule).__name__, *map(_plain, _fields(rule))] for rule in self.rules])
        return hashlib.sha256(f"{self.missing} {content}".encode()).hexdigest()


def _fields(rule: SignatureRule) -> tuple[object, ...]:
    match rule:
        case KeyRule():
            return rule.pem, rule.identity
        case KeylessRule():
            return rule.issuer, rule.subject, rule.trust_root, rule.identity
        case NotationRule():
            return (*rule.certificates, rule.subject)


def _plain(value: object) -> object:
    return value.pattern if isinstance(value, re.Pattern) else value
