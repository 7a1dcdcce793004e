"""Notation's signatures, in both envelopes; none that was tampered with, or whose certificates do not suit, fits."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from ferryman.signature_rules import NotationRule
from ferryman.signatures.evidence import NotationEnvelope, SimpleSigning
from ferryman.signatures.notation import NotationChecker
from ferryman.signatures.unfit import Unfit
from tests.signatures.made import (
    NOW,
    Certified,
    NotationSigner,
    authority,
    b64,
    certify,
    private_key,
    signer,
)
from tests.support.upstreams import made_up_digest

DIGEST, OTHER = made_up_digest("image"), made_up_digest("other image")
_ROOT, _MIDDLE, _LEAF = (private_key("p256", number) for number in (1, 2, 3))


@cache
def root() -> Certified:
    return certify("root", _ROOT, authority())


def chain(**leaf: Any) -> list[Certified]:
    middle = certify("middle", _MIDDLE, authority(length=0), by=root())
    extensions = leaf.pop("extensions", signer())
    return [certify("leaf", leaf.pop("key", _LEAF), extensions, by=middle, **leaf), middle, root()]


def check(
    evidence: NotationEnvelope,
    *,
    digest: str = DIGEST,
    trusted: Sequence[Certified] | None = None,
    now: datetime = NOW,
    subject: str | None = None,
) -> Any:
    certificates = tuple(each.pem for each in ([root()] if trusted is None else trusted))
    rule = NotationRule("truststore", certificates, re.compile(subject) if subject else None)
    return NotationChecker(rule, lambda: now).check(evidence, digest)


def both(made: NotationSigner, digest: str = DIGEST) -> list[NotationEnvelope]:
    return [made.jws(digest), made.cose(digest)]


def test_both_envelopes() -> None:
    for evidence in both(NotationSigner(chain())):
        found = check(evidence)
        assert (found.name, found.means, found.form, found.signed_at) == (
            "CN=leaf,O=Example", "truststore", "notation", NOW,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512"), ("rsa", "PS256")]
)
def test_every_kind_of_key(kind: str, algorithm: str) -> None:
    made = NotationSigner(chain(key=private_key(kind)), algorithm)
    for evidence in both(made):
        assert check(evidence)
    weaker = replace(made, algorithm="PS384" if algorithm == "PS256" else "ES256" if kind != "p256" else "ES384")
    for evidence in both(weaker):
        with pytest.raises(Unfit, match=f"expected {algorithm} for such a key"):
            check(evidence)


@pytest.mark.parametrize("kind", ["ed25519", "rsa1024", "secp256k1"])
def test_a_key_of_another_kind(kind: str) -> None:
    signed = NotationSigner(chain()).jws(DIGEST)
    document = json.loads(signed.body)
    document["header"]["x5c"][0] = b64(chain(key=private_key(kind))[0].der)
    with pytest.raises(Unfit, match="a key of another kind"):
        check(NotationEnvelope(signed.media_type, json.dumps(document).encode()))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_any_certificate_of_the_chain_may_be_the_trusted_one(position: int) -> None:
    made = chain()
    for evidence in both(NotationSigner(made)):
        assert check(evidence, trusted=[made[position]])


def test_a_signer_that_is_trusted_without_an_authority() -> None:
    own = certify("me", _LEAF, signer())
    for evidence in both(NotationSigner([own])):
        assert check(evidence, trusted=[own]).name == "CN=me,O=Example"


def test_a_signer_that_is_not_in_the_trust_store() -> None:
    stranger = certify("leaf", _LEAF, signer())
    for evidence in both(NotationSigner([stranger])):
        with pytest.raises(Unfit, match="not in the trust store"):
            check(evidence)
    for evidence in both(NotationSigner([stranger, root()])):  # beside it, the certificate of the trusted authority
        with pytest.raises(Unfit, match="not issued by CN=root"):
            check(evidence)
    with pytest.raises(Unfit, match="not in the trust store"):
        check(NotationSigner(chain()).jws(DIGEST), trusted=[])


def test_the_name_of_the_signer() -> None:
    for evidence in both(NotationSigner(chain())):
        assert check(evidence, subject="CN=leaf,.*")
        with pytest.raises(Unfit, match="it was signed by CN=leaf,O=Example"):
            check(evidence, subject="CN=leaf")


def test_another_image() -> None:
    for evidence in both(NotationSigner(chain()), OTHER):
        with pytest.raises(Unfit, match="of another image"):
            check(evidence)


@pytest.mark.parametrize("days", [-2, 2])
def test_certificates_that_are_not_valid_now(days: int) -> None:
    for evidence in both(NotationSigner(chain())):
        with pytest.raises(Unfit, match="is not valid now"):
            check(evidence, now=NOW + timedelta(days=days))


def test_one_expired_certificate_is_enough() -> None:
    past = {"start": NOW - timedelta(days=9), "end": NOW - timedelta(seconds=1)}
    for evidence in both(NotationSigner(chain(**past))):
        with pytest.raises(Unfit, match="CN=leaf,O=Example is not valid now"):
            check(evidence)


def test_a_signature_that_has_expired() -> None:
    made = NotationSigner(chain(), expires_at=NOW, critical=("io.cncf.notary.signingScheme", "io.cncf.notary.expiry"))
    for evidence in both(made):
        with pytest.raises(Unfit, match="it was valid until 2026-05-01 12:00"):
            check(evidence)
        assert check(evidence, now=NOW - timedelta(seconds=1))


_SCHEME = "io.cncf.notary.signingScheme"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"scheme": "notary.x509.signingAuthority"}, "notary.x509.signingAuthority"),
        ({"critical": (_SCHEME, "io.cncf.notary.verificationPlugin")}, "verificationPlugin"),
        ({"critical": ()}, "no scheme"),
        ({"content_type": "text/plain"}, "of another type: 'text/plain'"),
    ],
)
def test_what_is_not_supported_is_refused(change: dict[str, Any], why: str) -> None:
    for evidence in both(replace(NotationSigner(chain()), **change)):
        with pytest.raises(Unfit, match=why):
            check(evidence)


@pytest.mark.parametrize(
    ("leaf", "why"),
    [
        ({"extensions": signer(digital=False)}, "is not for signatures"),
        ({"extensions": signer(purpose=ExtendedKeyUsageOID.SERVER_AUTH)}, "is not for signing code"),
        ({"extensions": []}, "is not for signatures"),
        (
            {"extensions": [*signer(), (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)]},
            "critical extensions that are not known: 1.2.3",
        ),
    ],
)
def test_certificates_that_do_not_suit(leaf: dict[str, Any], why: str) -> None:
    for evidence in both(NotationSigner(chain(**leaf))):
        with pytest.raises(Unfit, match=why):
            check(evidence)


def _no_authority() -> list[Certified]:
    """The holder of a signer's certificate issues another one."""
    made = chain()
    return [certify("forged", private_key("p256", 4), signer(), by=made[0]), *made]


def _authority_for_one() -> list[Certified]:
    """An authority that may issue no authorities has issued one."""
    made = chain()
    further = certify("further", private_key("p256", 4), authority(), by=made[1])
    return [certify("forged", private_key("p256", 5), signer(), by=further), further, *made[1:]]


def _not_for_certificates() -> list[Certified]:
    middle = certify("middle", _MIDDLE, authority(is_ca=False), by=root())
    return [certify("leaf", _LEAF, signer(), by=middle), middle, root()]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_no_authority, "CN=leaf,O=Example is not one of an authority"),
        (_authority_for_one, "allows no such long chain"),
        (_not_for_certificates, "CN=middle,O=Example is not one of an authority"),
    ],
)
def test_issuers_that_may_not_issue(make: Callable[[], list[Certified]], why: str) -> None:
    made = make()
    for evidence in both(NotationSigner(made)):
        with pytest.raises(Unfit, match=why):
            check(evidence)


def test_a_chain_that_is_too_long_or_none() -> None:
    for certificates in ([], chain() * 4):
        document = json.loads(NotationSigner(chain()).jws(DIGEST).body)
        document["header"]["x5c"] = [document["header"]["x5c"][0]] * len(certificates)
        with pytest.raises(Unfit, match=f"it has {len(certificates)} certificates"):
            check(NotationEnvelope("application/jose+json", json.dumps(document).encode()))


def test_an_outdated_hash_is_not_trusted() -> None:
    made = chain(algorithm=hashes.SHA224())
    for evidence in both(NotationSigner(made)):
        with pytest.raises(Unfit, match="outdated algorithm"):
            check(evidence)


# Envelopes


def _swap(name: str, other: str) -> Callable[[dict[str, Any]], None]:
    def tamper(document: dict[str, Any]) -> None:
        document[name] = json.loads(NotationSigner(chain()).jws(other).body)[name]

    return tamper


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    def tamper(document: dict[str, Any]) -> None:
        del document[name]

    return tamper


def _another_time(document: dict[str, Any]) -> None:
    """Another header beside the same payload and signature."""
    later = replace(NotationSigner(chain()), signed_at=NOW + timedelta(hours=1))
    document["protected"] = json.loads(later.jws(DIGEST).body)["protected"]


def _no_certificate(document: dict[str, Any]) -> None:
    document["header"]["x5c"] = ["AAAA"]


@pytest.mark.parametrize(
    "tamper",
    [
        _swap("payload", OTHER),
        _swap("signature", OTHER),
        *map(_drop, ("payload", "signature", "protected", "header")),
        _another_time,
        _no_certificate,
    ],
)
def test_a_jws_that_was_tampered_with(tamper: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(NotationSigner(chain()).jws(DIGEST).body)
    tamper(document)
    for digest in (DIGEST, OTHER):
        with pytest.raises(Unfit):
            check(NotationEnvelope("application/jose+json", json.dumps(document).encode()), digest=digest)


@pytest.mark.parametrize("part", [0, 1, 2, 3])
def test_a_cose_that_was_tampered_with(part: int) -> None:
    later = replace(NotationSigner(chain(key=private_key("p256", 6))), signed_at=NOW + timedelta(hours=1))
    mine, other = (cbor2.loads(made.body).value for made in (NotationSigner(chain()).cose(DIGEST), later.cose(OTHER)))
    message = [other[number] if number == part else mine[number] for number in range(4)]
    body = cbor2.dumps(cbor2.CBORTag(18, [dict(each) if number == 1 else each for number, each in enumerate(message)]))
    for digest in (DIGEST, OTHER):
        with pytest.raises(Unfit):
            check(NotationEnvelope("application/cose", body), digest=digest)


@pytest.mark.parametrize("media_type", ["application/jose+json", "application/cose", "text/plain"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xd2\x84\x40\xa0\x40\x40",  # a COSE_Sign1 of nothing
        cbor2.dumps(cbor2.CBORTag(18, [b"", {}, b"", b""])),
        cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps({1: [7], 2: [[7]]}), {33: b"x"}, b"{}", b"x"])),
        cbor2.dumps(cbor2.CBORTag(18, [1, 2, 3, 4])),
        cbor2.dumps([b"", {}, b"", b""]),
        b"\x81" * 100_000,
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_malformed_envelopes(media_type: str, body: bytes) -> None:
    with pytest.raises(Unfit):
        check(NotationEnvelope(media_type, body))


@pytest.mark.parametrize("moment", ["yesterday", "2026-05-01T12:00:00", 7, True, "9999-12-31T23:59:59-23:00"])
def test_a_malformed_end_of_validity_is_no_missing_one(moment: Any) -> None:
    made = NotationSigner(chain())
    more = {"io.cncf.notary.expiry": moment}
    for evidence in (made.jws(DIGEST, **more), made.cose(DIGEST, **more)):
        with pytest.raises(Unfit, match="a time in its header is malformed"):
            check(evidence)


def test_cosigns_signatures_are_not_read() -> None:
    with pytest.raises(Unfit, match="none of Notation's"):
        NotationChecker(NotationRule("x", (root().pem,)), lambda: NOW).check(SimpleSigning(b"", ""), DIGEST)


def test_a_trust_store_without_a_certificate() -> None:
    with pytest.raises(ValueError, match="has no certificate in PEM"):
        NotationChecker(NotationRule("x", ("nothing",)), lambda: NOW)
