"""Signatures made by their specifications with throw-away keys, for what the real programs cannot be made to write.

Those of the real programs are in `data/`. Keyless signatures need a Fulcio, a Rekor and a log of certificates: here is
one of each, as far as a verifier sees them.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ferryman.signatures.claims import SIGNATURE_PREDICATE
from ferryman.signatures.evidence import NotationEnvelope, SigstoreBundle, SimpleSigning

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ISSUER, SUBJECT = (
    "https://token.actions.githubusercontent.com",
    "https://github.com/example/app/.github/workflows/r.yml",
)
NAME = "registry.example.com/team/app"
KINDS = ("p256", "p384", "p521", "rsa", "ed25519")
_PAYLOAD_TYPE = "application/vnd.in-toto+json"


def private_key(kind: str = "p256", number: int = 0) -> PrivateKey:
    """A key of this kind; another one for every number. Made once a run: RSA takes long."""
    return _make_key(kind, number)


@cache
def _make_key(kind: str, number: int) -> PrivateKey:
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "rsa1024":
            return rsa.generate_private_key(65537, 1024)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    curves: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    return ec.generate_private_key(curves.get(kind) or ec.SECP256K1())


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(key: PrivateKey, content: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    """As cosign signs; `algorithm`: another one than the key's own."""
    match key:
        case ed25519.Ed25519PrivateKey():
            return key.sign(content)
        case rsa.RSAPrivateKey():
            return key.sign(content, padding.PKCS1v15(), algorithm or hashes.SHA256())
    own = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    return key.sign(content, ec.ECDSA(algorithm or own[key.key_size]))


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


# cosign


def payload(digest: str, *, name: str = NAME, kind: str = "cosign container image signature") -> bytes:
    """A simple-signing payload."""
    image = {"docker-manifest-digest": digest}
    critical = {"identity": {"docker-reference": name}, "image": image, "type": kind}
    return json.dumps({"critical": critical, "optional": None}).encode()


def simple(key: PrivateKey, content: bytes) -> SimpleSigning:
    return SimpleSigning(content, b64(sign(key, content)))


def statement(digest: str, *, predicate: str = SIGNATURE_PREDICATE) -> bytes:
    """What the envelope of a bundle contains."""
    subject = [{"digest": {"sha256": digest.removeprefix("sha256:")}}]
    content = {"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": predicate}
    return json.dumps({**content, "predicate": {}}).encode()


def pae(content: bytes, kind: str = _PAYLOAD_TYPE) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(content), content)


def envelope(key: PrivateKey, content: bytes) -> dict[str, Any]:
    return {
        "payload": b64(content), "payloadType": _PAYLOAD_TYPE, "signatures": [{"sig": b64(sign(key, pae(content)))}],
    }  # fmt: skip


def bundle(key: PrivateKey, content: bytes) -> SigstoreBundle:
    """A bundle of a key, as cosign writes it without Rekor."""
    document = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []},
        "dsseEnvelope": envelope(key, content),
    }
    return SigstoreBundle(json.dumps(document).encode())


# Certificates


@dataclass(frozen=True)
class Certified:
    """A certificate with its private key."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


Extensions = Sequence[tuple[x509.ExtensionType, bool]]  # critical or not
_NO_USAGE = dict.fromkeys(
    ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
    False,
)


def authority(*, length: int | None = None, is_ca: bool = True) -> Extensions:
    usage = x509.KeyUsage(digital_signature=False, key_cert_sign=is_ca, crl_sign=is_ca, **_NO_USAGE)
    return [(x509.BasicConstraints(ca=is_ca, path_length=length), True), (usage, True)]


def signer(*, digital: bool = True, purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING) -> Extensions:
    usage = x509.KeyUsage(digital_signature=digital, key_cert_sign=False, crl_sign=False, **_NO_USAGE)
    return [(usage, True), (x509.ExtendedKeyUsage([purpose]), False)]


def certify(
    name: str,
    key: PrivateKey,
    extensions: Extensions,
    *,
    by: Certified | None = None,
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=1),
    algorithm: hashes.HashAlgorithm | None = None,
    serial: int | None = None,
) -> Certified:
    """A certificate, issued `by` this authority; None: by itself."""
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")
    subject = x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    issuer, number = by.certificate.subject if by else subject, serial or x509.random_serial_number()
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), number, start, end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    issuing = by.key if by else key
    if isinstance(issuing, ed25519.Ed25519PrivateKey):
        return Certified(key, builder.sign(issuing, None))
    return Certified(key, builder.sign(issuing, algorithm or hashes.SHA256()))  # type: ignore[arg-type]


# Notation


@dataclass(frozen=True)
class NotationSigner:
    """Signs as Notation does; every part can be replaced."""

    chain: Sequence[Certified]  # the signer's own first
    algorithm: str = "ES256"
    scheme: str = "notary.x509"
    critical: Sequence[str] = ("io.cncf.notary.signingScheme",)
    content_type: str = "application/vnd.cncf.notary.payload.v1+json"
    expires_at: datetime | None = None
    signed_at: datetime = NOW

    def payload(self, digest: str) -> bytes:
        target = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 500}
        return json.dumps({"targetArtifact": target}).encode()

    def jws(self, digest: str, **more: Any) -> NotationEnvelope:
        headers: dict[str, Any] = {
            "alg": self.algorithm, "cty": self.content_type, "crit": list(self.critical),
            "io.cncf.notary.signingScheme": self.scheme, "io.cncf.notary.signingTime": _rfc3339(self.signed_at), **more,
        }  # fmt: skip
        if self.expires_at:
            headers["io.cncf.notary.expiry"] = _rfc3339(self.expires_at)
        protected, content = (_url64(each) for each in (json.dumps(headers).encode(), self.payload(digest)))
        document = {
            "payload": content, "protected": protected, "header": {"x5c": [b64(each.der) for each in self.chain]},
            "signature": _url64(self._sign(f"{protected}.{content}".encode())),
        }  # fmt: skip
        return NotationEnvelope("application/jose+json", json.dumps(document).encode())

    def cose(self, digest: str, **more: Any) -> NotationEnvelope:
        numbers = {"PS256": -37, "PS384": -38, "PS512": -39, "ES256": -7, "ES384": -35, "ES512": -36}
        headers: dict[Any, Any] = {
            1: numbers[self.algorithm], 2: list(self.critical), 3: self.content_type,
            "io.cncf.notary.signingScheme": self.scheme,
            "io.cncf.notary.signingTime": cbor2.CBORTag(1, int(self.signed_at.timestamp())), **more,
        }  # fmt: skip
        if self.expires_at:
            headers["io.cncf.notary.expiry"] = cbor2.CBORTag(1, int(self.expires_at.timestamp()))
        protected, content = cbor2.dumps(headers), self.payload(digest)
        signature = self._sign(cbor2.dumps(["Signature1", protected, b"", content]))
        message = [protected, {33: [each.der for each in self.chain]}, content, signature]
        return NotationEnvelope("application/cose", cbor2.dumps(cbor2.CBORTag(18, message)))

    def _sign(self, content: bytes) -> bytes:
        key = self.chain[0].key
        hashed = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[self.algorithm[2:]]
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(content, padding.PSS(padding.MGF1(hashed), padding.PSS.DIGEST_LENGTH), hashed)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        half = (key.key_size + 7) // 8
        return b"".join(each.to_bytes(half) for each in decode_dss_signature(key.sign(content, ec.ECDSA(hashed))))


def _url64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


# Sigstore


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Sigstore:
    """A Fulcio, a Rekor and a log of certificates, as far as a verifier sees them. Each has keys of its own."""

    root: Certified = field(
        default_factory=lambda: certify("root", _new_key(), authority(length=1), start=NOW - timedelta(days=900))
    )
    log_of_certificates: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    rekor: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)

    @property
    def trust_root(self) -> str:
        """The document that says whom to trust."""
        since = {"start": "2020-01-01T00:00:00Z"}
        chain = {"certificates": [{"rawBytes": b64(self.root.der)}]}
        subject = {"organization": "Example", "commonName": "root"}
        authorities = [{"subject": subject, "uri": "https://fulcio.example.com", "certChain": chain, "validFor": since}]
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [_log("https://rekor.example.com", self.rekor)],
                "ctlogs": [_log("https://ctfe.example.com", self.log_of_certificates)],
                "certificateAuthorities": authorities,
                "timestampAuthorities": [],
            }
        )

    def certificate(
        self, *, subject: str = SUBJECT, issuer: str = ISSUER, at: datetime = NOW, is_logged: bool = True
    ) -> Certified:
        """One for ten minutes, with the log's promise in it."""
        key, serial = _new_key(), x509.random_serial_number()
        name = x509.UniformResourceIdentifier(subject) if "://" in subject else x509.RFC822Name(subject)
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
        identity: Extensions = [
            *signer(),
            (x509.SubjectAlternativeName([name]), True),
            (x509.UnrecognizedExtension(oid, asn1.encode_der(issuer)), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root.key.public_key()), False),
        ]

        def issue(extensions: Extensions) -> Certified:
            end = at + timedelta(minutes=10)
            return certify("", key, extensions, by=self.root, start=at, end=end, serial=serial)

        if not is_logged:
            return issue(identity)
        return issue([*identity, (self._promise(issue(identity).certificate, at), False)])

    def _promise(self, certificate: x509.Certificate, at: datetime) -> x509.UnrecognizedExtension:
        """A signed certificate timestamp (RFC 6962) of the certificate without it."""
        head, moment = struct.Struct("!BBQH"), int(at.timestamp() * 1000)
        issuer, content = hashlib.sha256(_spki(self.root.key)).digest(), certificate.tbs_certificate_bytes
        signed = head.pack(0, 0, moment, 1) + issuer + len(content).to_bytes(3) + content + bytes(2)
        signature = sign(self.log_of_certificates, signed)
        log = hashlib.sha256(_spki(self.log_of_certificates)).digest()
        promise = struct.pack("!B32sQHBBH", 0, log, moment, 0, 4, 3, len(signature)) + signature
        listed = struct.pack("!HH", len(promise) + 2, len(promise)) + promise
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
        return x509.UnrecognizedExtension(oid, asn1.encode_der(listed))

    def simple(self, content: bytes, certified: Certified, *, at: datetime = NOW) -> SimpleSigning:
        """A keyless signature in cosign's annotations."""
        signature = sign(certified.key, content)
        body = _hashedrekord(content, signature, certified)
        entry = self._promised(body, at)
        promise = {"SignedEntryTimestamp": b64(self._sign_entry(entry)), "Payload": entry}
        return SimpleSigning(content, b64(signature), certified.pem, json.dumps(promise))

    def bundle(self, content: bytes, certified: Certified, *, at: datetime = NOW) -> SigstoreBundle:
        """A keyless bundle, with a proof that the log includes it."""
        sealed = envelope(certified.key, content)
        signatures = [{"signature": sealed["signatures"][0]["sig"], "verifier": b64(certified.pem.encode())}]
        hashed = {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}
        spec = {"envelopeHash": hashed, "payloadHash": hashed, "signatures": signatures}
        body = json.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}).encode()
        entry = self._promised(body, at)
        logged = {
            "logIndex": str(entry["logIndex"]),
            "logId": {"keyId": b64(bytes.fromhex(entry["logID"]))},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(entry["integratedTime"]),
            "inclusionPromise": {"signedEntryTimestamp": b64(self._sign_entry(entry))},
            "inclusionProof": self._proof(body),
            "canonicalizedBody": b64(body),
        }
        document = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"certificate": {"rawBytes": b64(certified.der)}, "tlogEntries": [logged]},
            "dsseEnvelope": sealed,
        }
        return SigstoreBundle(json.dumps(document).encode())

    def _promised(self, body: bytes, at: datetime) -> dict[str, Any]:
        log = hashlib.sha256(_spki(self.rekor)).hexdigest()
        return {"body": b64(body), "integratedTime": int(at.timestamp()), "logIndex": 7, "logID": log}

    def _sign_entry(self, entry: Mapping[str, Any]) -> bytes:
        return sign(self.rekor, json.dumps(entry, sort_keys=True, separators=(",", ":")).encode())

    def _proof(self, body: bytes) -> dict[str, Any]:
        """Of a log with this entry alone."""
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"rekor.example.com - 1\n1\n{b64(root)}\n"
        sealed = hashlib.sha256(_spki(self.rekor)).digest()[:4] + sign(self.rekor, note.encode())
        checkpoint = f"{note}\n— rekor.example.com {b64(sealed)}\n"
        return {
            "logIndex": "0", "treeSize": "1", "rootHash": b64(root), "hashes": [],
            "checkpoint": {"envelope": checkpoint},
        }  # fmt: skip


def _hashedrekord(content: bytes, signature: bytes, certified: Certified) -> bytes:
    hashed = {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}
    made = {"content": b64(signature), "publicKey": {"content": b64(certified.pem.encode())}}
    spec = {"data": {"hash": hashed}, "signature": made}
    return json.dumps({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}).encode()


def _log(url: str, key: PrivateKey) -> dict[str, Any]:
    public = {
        "rawBytes": b64(_spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        "validFor": {"start": "2020-01-01T00:00:00Z"},
    }  # fmt: skip
    identity = {"keyId": b64(hashlib.sha256(_spki(key)).digest())}
    return {"baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": identity}


def _spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
