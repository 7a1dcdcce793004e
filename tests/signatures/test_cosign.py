"""Cosign's signatures by keys, in both forms; none that was tampered with fits."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from ferryman.signature_findings import Signer
from ferryman.signature_rules import KeyRule
from ferryman.signatures.cosign import KeyChecker
from ferryman.signatures.evidence import NotationEnvelope, SigstoreBundle, SimpleSigning
from ferryman.signatures.unfit import Unfit
from tests.signatures.made import (
    KINDS,
    NAME,
    b64,
    bundle,
    pae,
    payload,
    private_key,
    public_pem,
    sign,
    simple,
    statement,
)
from tests.support.upstreams import made_up_digest

DIGEST, OTHER = made_up_digest("image"), made_up_digest("other image")


def checker(kind: str = "p256", **more: Any) -> KeyChecker:
    return KeyChecker(KeyRule("cosign.pub", public_pem(private_key(kind)), **more))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key_in_both_forms(kind: str) -> None:
    key, check = private_key(kind), checker(kind)
    found = [check.check(simple(key, payload(DIGEST)), DIGEST), check.check(bundle(key, statement(DIGEST)), DIGEST)]
    assert [(each.means, each.form, each.signed_at) for each in found] == [
        ("cosign.pub", "cosign", None),
        ("cosign.pub", "bundle", None),
    ]
    assert found[0].name == found[1].name
    assert re.fullmatch("SHA256:[0-9a-f]{64}", found[0].name)


@pytest.mark.parametrize("kind", ["p384", "p521"])
def test_an_older_cosign_took_sha_256_for_each_curve(kind: str) -> None:
    key = private_key(kind)
    signed = SimpleSigning(payload(DIGEST), b64(sign(key, payload(DIGEST), hashes.SHA256())))
    assert isinstance(checker(kind).check(signed, DIGEST), Signer)


@pytest.mark.parametrize("kind", KINDS)
def test_another_key_does_not_fit(kind: str) -> None:
    stranger = private_key(kind, 1)
    for evidence in (simple(stranger, payload(DIGEST)), bundle(stranger, statement(DIGEST))):
        with pytest.raises(Unfit, match="not made with this key"):
            checker(kind).check(evidence, DIGEST)


@pytest.mark.parametrize("kind", KINDS)
def test_the_signature_of_another_payload_does_not_fit(kind: str) -> None:
    """The swapped annotation: the signature of one image beside the payload of another."""
    key = private_key(kind)
    swapped = SimpleSigning(payload(DIGEST), b64(sign(key, payload(OTHER))))
    with pytest.raises(Unfit, match="not made with this key"):
        checker(kind).check(swapped, DIGEST)


def test_a_signature_of_another_image_does_not_fit() -> None:
    key = private_key()
    for evidence in (simple(key, payload(OTHER)), bundle(key, statement(OTHER))):
        with pytest.raises(Unfit, match=f"of another image, '.*{OTHER.removeprefix('sha256:')[:60]}"):
            checker().check(evidence, DIGEST)


@pytest.mark.parametrize("signature", ["", "AA==", "!", "é", b64(b"0" * 70)])
def test_no_signature_is_none(signature: str) -> None:
    with pytest.raises(Unfit):
        checker().check(SimpleSigning(payload(DIGEST), signature), DIGEST)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no valid JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "no signature of an image"),
        (b'{"critical": 7}', "no signature of an image"),
        (payload(DIGEST, kind="something else"), "no signature of an image"),
        (b'{"critical": {"type": "cosign container image signature"}}', "of which it says nothing"),
        (payload(DIGEST)[:-1] + b', "critical": {}}', "no valid JSON"),
        (b'{"a":' * 100_000, "no valid JSON"),
        (b"\xff", "no valid JSON"),
    ],
)
def test_a_payload_that_the_key_has_signed_is_checked_all_the_same(content: bytes, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        checker().check(simple(private_key(), content), DIGEST)


def test_the_name_that_was_signed_along_is_compared_where_it_is_asked_for() -> None:
    wanted = checker(identity=re.compile(r"registry\.example\.com/team/.*"))
    assert wanted.check(simple(private_key(), payload(DIGEST)), DIGEST)
    with pytest.raises(Unfit, match=r"signed under the name 'registry.example.com/teams/app'"):
        wanted.check(simple(private_key(), payload(DIGEST, name="registry.example.com/teams/app")), DIGEST)
    with pytest.raises(Unfit, match="have no name of the image"):
        wanted.check(bundle(private_key(), statement(DIGEST)), DIGEST)
    assert checker(identity=re.compile(re.escape(NAME))).check(simple(private_key(), payload(DIGEST)), DIGEST)


def test_an_attestation_is_no_signature() -> None:
    said = bundle(private_key(), statement(DIGEST, predicate="https://slsa.dev/provenance/v1"))
    with pytest.raises(Unfit, match=r"an attestation \('https://slsa.dev/provenance/v1'\), not a signature"):
        checker().check(said, DIGEST)


def test_what_is_signed_is_the_envelopes_type_as_well() -> None:
    content = statement(DIGEST)
    document = json.loads(bundle(private_key(), content).body)
    document["dsseEnvelope"]["payloadType"] = "text/plain"
    with pytest.raises(Unfit, match="not made with this key"):
        checker().check(SigstoreBundle(json.dumps(document).encode()), DIGEST)
    document["dsseEnvelope"]["signatures"] = [{"sig": b64(sign(private_key(), pae(content, "text/plain")))}]
    with pytest.raises(Unfit, match="no statement about an image: 'text/plain'"):
        checker().check(SigstoreBundle(json.dumps(document).encode()), DIGEST)


def _drop_signatures(envelope: dict[str, Any]) -> None:
    envelope["signatures"] = []


def _double_signatures(envelope: dict[str, Any]) -> None:
    envelope["signatures"] *= 2


def _drop_payload(envelope: dict[str, Any]) -> None:
    del envelope["payload"]


def _drop_type(envelope: dict[str, Any]) -> None:
    del envelope["payloadType"]


def _swap_payload(envelope: dict[str, Any]) -> None:
    envelope["payload"] = b64(statement(OTHER))


@pytest.mark.parametrize("tamper", [_drop_signatures, _double_signatures, _drop_payload, _drop_type, _swap_payload])
def test_an_envelope_that_was_tampered_with_does_not_fit(tamper: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(bundle(private_key(), statement(DIGEST)).body)
    tamper(document["dsseEnvelope"])
    for digest in (DIGEST, OTHER):
        with pytest.raises(Unfit):
            checker().check(SigstoreBundle(json.dumps(document).encode()), digest)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"dsseEnvelope": []}', b'{"dsseEnvelope": {"signatures": [7]}}'])
def test_a_malformed_bundle_does_not_fit(body: bytes) -> None:
    with pytest.raises(Unfit):
        checker().check(SigstoreBundle(body), DIGEST)


def test_notations_signatures_are_not_read() -> None:
    with pytest.raises(Unfit, match="none of cosign's"):
        checker().check(NotationEnvelope("application/cose", b""), DIGEST)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        ("", "is no public key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "is no public key in PEM"),
        (public_pem(private_key("rsa1024")), "is an RSA key of 1024 bits"),
        (public_pem(private_key("secp256k1")), "is a key of another kind"),
    ],
)
def test_a_key_that_cannot_be_used(pem: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        KeyChecker(KeyRule("cosign.pub", pem))
