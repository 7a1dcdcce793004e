"""Verify cosign's keyless signatures, offline, by the library sigstore.

A keyless signature has a certificate of Fulcio that was valid for ten minutes, and Rekor's log says that it was made
within them. Bundles have a proof that the log includes it. Cosign's older annotations have the log's signed promise
instead; the library verifies promises, but takes none without a proof: `_Promised` lets it.

Source: sigstore, architecture-docs/client-spec.md; cosign, specs/SIGNATURE_SPEC.md; rekor, types/hashedrekord 0.0.1.
"""

import base64
import hashlib
from datetime import UTC, datetime
from importlib import resources
from types import SimpleNamespace
from typing import Any, ClassVar, Never, cast
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sigstore.errors import Error as SigstoreError
from sigstore.errors import VerificationError
from sigstore.models import Bundle, TransparencyLogEntry, TrustedRoot
from sigstore.verify import Verifier
from sigstore_models.rekor.v1 import TransparencyLogEntry as LogEntry
from sigstore_models.trustroot.v1 import TrustedRoot as Roots

from ferryman.signature_findings import Form, Signer
from ferryman.signature_rules import KeylessRule
from ferryman.signatures.claims import check_payload, check_statement
from ferryman.signatures.documents import at, decode_base64, parse_json
from ferryman.signatures.evidence import Evidence, SigstoreBundle, SimpleSigning
from ferryman.signatures.keys import PublicKey
from ferryman.signatures.unfit import Unfit

_ISSUER, _ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_USER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")  # an identity that is neither an address nor a URL
_OWN_ROOTS = quote("https://tuf-repo-cdn.sigstore.dev", safe=""), "trusted_root.json"
_NO_PROOF = {"logIndex": "0", "treeSize": "1", "rootHash": "", "hashes": []}  # the library's model wants one
# What the libraries raise for a stranger's malformed parts, too.
_REFUSALS = (
    SigstoreError, ValueError, TypeError, LookupError, AttributeError, InvalidSignature, UnsupportedAlgorithm,
    x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType,
)  # fmt: skip


class KeylessChecker:
    """Checks signatures against one KeylessRule."""

    forms: ClassVar[tuple[Form, ...]] = ("cosign", "bundle")

    def __init__(self, rule: KeylessRule) -> None:
        """Raises ValueError for a trust root that cannot be used."""
        self._rule = rule
        try:
            roots = Roots.from_json(rule.trust_root or _own_roots())
            self._verifier = Verifier(trusted_root=TrustedRoot(roots))
        except _REFUSALS as error:
            first = str(error).splitlines()[0]
            raise ValueError(f"is no trust root of Sigstore (trusted_root.json): {first}") from error

    def check(self, evidence: Evidence, digest: str) -> Signer:
        """Verify a signature of the image with this digest. Raises Unfit."""
        try:
            match evidence:
                case SimpleSigning():
                    return self._check_simple(evidence, digest)
                case SigstoreBundle():
                    return self._check_bundle(evidence, digest)
        except _REFUSALS as error:
            raise Unfit(f"it is no valid keyless signature: {str(error).splitlines()[0]}") from error
        raise Unfit("it is none of cosign's")

    def _check_bundle(self, evidence: SigstoreBundle, digest: str) -> Signer:
        identity = _Identity(self._rule)
        bundle = Bundle.from_json(evidence.body)
        payload_type, payload = self._verifier.verify_dsse(bundle, identity)
        check_statement(payload_type, payload, digest, self._rule.identity)
        return identity.signer("bundle", bundle.log_entry)

    def _check_simple(self, evidence: SimpleSigning, digest: str) -> Signer:
        if evidence.certificate is None or evidence.log_entry is None:
            raise Unfit("it has no certificate and no entry in Rekor's log: it was made with a key")
        certificate = x509.load_pem_x509_certificate(evidence.certificate.encode())
        signature, entry = decode_base64(evidence.signature), _promised(evidence.log_entry)
        identity = _Identity(self._rule)
        # The library's steps 0 to 6, all but those that depend on the signature's form; it wants a Bundle for them.
        parts = SimpleNamespace(
            signing_certificate=certificate,
            log_entry=entry,
            verification_material=SimpleNamespace(timestamp_verification_data=None),
        )
        self._verifier._verify_common_signing_cert(cast("Any", parts), identity)  # noqa: SLF001 - see above
        public = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        PublicKey(public.decode()).verify(signature, evidence.payload)
        _check_log_body(entry, evidence.payload, signature, certificate)
        check_payload(evidence.payload, digest, self._rule.identity)
        return identity.signer("cosign", entry)


class _Promised(TransparencyLogEntry):
    """An entry of Rekor's log with the log's promise to include it, instead of a proof that it does."""

    def _validate(self) -> None:
        pass

    def _verify(self, keyring: Any) -> None:
        self._verify_set(keyring)


class _Identity:
    """A policy of the library: compares the certificate with the rule, and remembers whose it is."""

    def __init__(self, rule: KeylessRule) -> None:
        self._rule = rule
        self._name = ""

    def verify(self, cert: x509.Certificate) -> None:
        """Raises VerificationError."""
        names, issuer = _names_in(cert), _issuer_in(cert)
        if issuer != self._rule.issuer:
            _refuse(f"its issuer is {issuer}")
        fitting = [name for name in names if self._rule.subject.fullmatch(name)]
        if not fitting:
            _refuse(f"it was signed by {', '.join(names) or 'nobody'}")
        self._name = fitting[0]

    def signer(self, form: Any, entry: TransparencyLogEntry) -> Signer:
        moment = entry._inner.integrated_time  # noqa: SLF001 - no other way to it
        signed_at = datetime.fromtimestamp(moment, UTC) if moment else None
        return Signer(self._name, self._rule.issuer, form, signed_at)


def _refuse(why: str) -> Never:
    raise VerificationError(why)


def _own_roots() -> str:
    """The roots that come with the library: of the day of its release, and nothing is asked of the network."""
    return resources.files("sigstore._store").joinpath(*_OWN_ROOTS).read_text()


def _promised(annotation: str) -> _Promised:
    """The entry in cosign's annotation."""
    document = parse_json(annotation.encode(), "the entry of Rekor's log")
    entry, body = at(document, "Payload"), at(document, "Payload", "body")
    kind = parse_json(decode_base64(body), "the body of Rekor's entry")
    return _Promised(
        LogEntry.from_dict(
            {
                "logIndex": str(entry["logIndex"]),
                "logId": {"keyId": base64.b64encode(bytes.fromhex(entry["logID"])).decode()},
                "kindVersion": {"kind": kind.get("kind"), "version": kind.get("apiVersion")},
                "integratedTime": str(entry["integratedTime"]),
                "inclusionPromise": {"signedEntryTimestamp": at(document, "SignedEntryTimestamp")},
                "inclusionProof": _NO_PROOF,
                "canonicalizedBody": body,
            }
        )
    )


def _check_log_body(
    entry: TransparencyLogEntry, payload: bytes, signature: bytes, certificate: x509.Certificate
) -> None:
    """Check that the log's entry is about this very signature: any other could have been put beside it."""
    body = parse_json(entry._inner.canonicalized_body, "the body of Rekor's entry")  # noqa: SLF001 - no other way to it
    spec = at(body, "spec")
    pem = decode_base64(at(spec, "signature", "publicKey", "content"))
    logged = x509.load_pem_x509_certificate(pem)
    if (
        (body.get("kind"), body.get("apiVersion")) != ("hashedrekord", "0.0.1")
        or at(spec, "data", "hash", "algorithm") != "sha256"
        or at(spec, "data", "hash", "value") != hashlib.sha256(payload).hexdigest()
        or decode_base64(at(spec, "signature", "content")) != signature
        or logged != certificate
    ):
        raise Unfit("the entry of Rekor's log is about another signature")


def _issuer_in(certificate: x509.Certificate) -> str:
    for oid, is_encoded in ((_ISSUER, True), (_ISSUER_V1, False)):
        try:
            value = certificate.extensions.get_extension_for_oid(oid).value
        except x509.ExtensionNotFound:
            continue
        content = cast("x509.UnrecognizedExtension", value).value
        return asn1.decode_der(str, content) if is_encoded else content.decode()
    return "unknown"


def _names_in(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    others = [each.value for each in names.get_values_for_type(x509.OtherName) if each.type_id == _USER]
    return [
        *names.get_values_for_type(x509.RFC822Name),
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *(asn1.decode_der(str, each) for each in others),
    ]
