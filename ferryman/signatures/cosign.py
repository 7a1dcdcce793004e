"""Verify cosign's signatures by a public key: payloads with annotations, and bundles with a DSSE envelope.

The key alone is trusted, so an entry in Rekor's log, which may be there, is not asked for.

Source: cosign, specs/SIGNATURE_SPEC.md; secure-systems-lab/dsse, protocol.md.
"""

from typing import ClassVar

from ferryman.signature_findings import Form, Signer
from ferryman.signature_rules import KeyRule
from ferryman.signatures.claims import check_payload, check_statement
from ferryman.signatures.documents import at, decode_base64, parse_json
from ferryman.signatures.evidence import Evidence, SigstoreBundle, SimpleSigning
from ferryman.signatures.keys import PublicKey
from ferryman.signatures.unfit import Unfit


class KeyChecker:
    """Checks signatures against one KeyRule."""

    forms: ClassVar[tuple[Form, ...]] = ("cosign", "bundle")

    def __init__(self, rule: KeyRule) -> None:
        """Raises ValueError for a key that cannot be used."""
        self._rule = rule
        self._key = PublicKey(rule.pem)

    def check(self, evidence: Evidence, digest: str) -> Signer:
        """Verify a signature of the image with this digest. Raises Unfit."""
        match evidence:
            case SimpleSigning():
                self._key.verify(decode_base64(evidence.signature), evidence.payload)
                check_payload(evidence.payload, digest, self._rule.identity)
                return Signer(self._key.fingerprint, self._rule.name, "cosign")
            case SigstoreBundle():
                self._check_bundle(evidence, digest)
                return Signer(self._key.fingerprint, self._rule.name, "bundle")
        raise Unfit("it is none of cosign's")

    def _check_bundle(self, bundle: SigstoreBundle, digest: str) -> None:
        document = parse_json(bundle.body, "the bundle")
        envelope = at(document, "dsseEnvelope")
        signatures = at(envelope, "signatures")
        if not isinstance(signatures, list) or len(signatures) != 1:
            raise Unfit("the bundle has no envelope with one signature")
        payload, payload_type = decode_base64(at(envelope, "payload")), at(envelope, "payloadType")
        self._key.verify(decode_base64(at(signatures[0], "sig")), encode_for_signing(payload_type, payload))
        check_statement(payload_type, payload, digest, self._rule.identity)


def encode_for_signing(payload_type: object, payload: bytes) -> bytes:
    """What the signature of a DSSE envelope is of ("PAE"). Raises Unfit."""
    if not isinstance(payload_type, str):
        raise Unfit("the envelope has no type")
    kind = payload_type.encode(errors="replace")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
