"""Make what checks signatures by the rules of items.yml. The libraries are extras, loaded only for such rules."""

from collections.abc import Callable
from datetime import datetime
from importlib.util import find_spec
from typing import ClassVar, Protocol

from ferryman.errors import ConfigurationError, Problem
from ferryman.signature_findings import Form, Signer
from ferryman.signature_rules import KeylessRule, KeyRule, NotationRule, SignatureRule
from ferryman.signatures.evidence import Evidence


class Checker(Protocol):
    """Checks signatures against one rule."""

    forms: ClassVar[tuple[Form, ...]]  # of the signatures that can fit it

    def check(self, evidence: Evidence, digest: str) -> Signer:
        """Verify a signature of the image with this digest. Raises Unfit. Blocks: run it in a thread."""
        ...


def checker_for(rule: SignatureRule, now: Callable[[], datetime]) -> Checker:
    """Raises ConfigurationError if the rule's key, trust store or trust root cannot be used, or a library lacks."""
    _require("cryptography", extra="signatures")
    try:
        match rule:
            case KeyRule():
                from ferryman.signatures.cosign import KeyChecker  # noqa: PLC0415 - see above

                return KeyChecker(rule)
            case NotationRule():
                _require("cbor2", extra="signatures")
                from ferryman.signatures.notation import NotationChecker  # noqa: PLC0415

                return NotationChecker(rule, now)
            case KeylessRule():
                _require("sigstore", extra="sigstore")
                from ferryman.signatures.keyless import KeylessChecker  # noqa: PLC0415

                return KeylessChecker(rule)
    except ValueError as error:
        name = rule.issuer if isinstance(rule, KeylessRule) else rule.name
        raise _unusable(f"{name} {error}") from None


def _require(library: str, *, extra: str) -> None:
    if find_spec(library) is None:
        raise _unusable(f"{library} is not installed: pip install 'ferryman[{extra}]'")


def _unusable(why: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"verify_signatures: {why}")])
