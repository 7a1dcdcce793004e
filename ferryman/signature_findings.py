"""What the verification of an image's signatures finds: made by `signatures`, recorded by `store`, shown to people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# verified: a signature fits.  missing: there is none, and that is allowed.  refused: the rest.
Verdict = Literal["verified", "missing", "refused"]
Form = Literal["cosign", "bundle", "notation"]  # cosign's payload with annotations, a bundle of Sigstore, or Notation's


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has signed an image, as verified."""

    name: str  # the key's fingerprint, the identity, or the certificate's subject
    means: str  # with what: the rule's key, issuer or trust store
    form: Form
    signed_at: datetime | None = None  # where a clock that is trusted says so, or the signer's own (Notation)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one digest of a tag."""

    verdict: Verdict
    digest: str  # upstream's, of what was to be copied
    signers: Sequence[Signer] = ()  # of the index, or of the images in it; each once
    detail: str | None = None  # why it is missing or refused

    @property
    def names(self) -> str:
        """The signers' names, each once."""
        return ", ".join(dict.fromkeys(signer.name for signer in self.signers))
