"""Keyless signatures, in both forms, by a trust root of our own; none that was tampered with fits."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from ferryman.signature_rules import KeylessRule
from ferryman.signatures.evidence import NotationEnvelope, SigstoreBundle, SimpleSigning
from ferryman.signatures.keyless import KeylessChecker
from ferryman.signatures.unfit import Unfit
from tests.signatures.made import (
    ISSUER,
    NAME,
    NOW,
    SUBJECT,
    Sigstore,
    b64,
    bundle,
    certify,
    payload,
    private_key,
    sign,
    signer,
    simple,
    statement,
)
from tests.support.upstreams import made_up_digest

DIGEST, OTHER = made_up_digest("image"), made_up_digest("other image")
WORKFLOWS = re.compile("https://github.com/example/.*")


@cache
def sigstore() -> Sigstore:
    return Sigstore()


def checker(*, issuer: str = ISSUER, subject: re.Pattern[str] = WORKFLOWS, **more: Any) -> KeylessChecker:
    return KeylessChecker(KeylessRule(issuer, subject, sigstore().trust_root, **more))


def both(digest: str = DIGEST, **certificate: Any) -> list[SimpleSigning | SigstoreBundle]:
    certified = sigstore().certificate(**certificate)
    return [sigstore().simple(payload(digest), certified), sigstore().bundle(statement(digest), certified)]


def test_both_forms() -> None:
    found = [checker().check(evidence, DIGEST) for evidence in both()]
    assert [(each.name, each.means, each.form, each.signed_at) for each in found] == [
        (SUBJECT, ISSUER, "cosign", NOW),
        (SUBJECT, ISSUER, "bundle", NOW),
    ]


def test_an_address_is_an_identity_as_well() -> None:
    wanted = checker(issuer="https://accounts.example.com", subject=re.compile("release@example.com"))
    for evidence in both(subject="release@example.com", issuer="https://accounts.example.com"):
        assert wanted.check(evidence, DIGEST).name == "release@example.com"


def test_somebody_else() -> None:
    for evidence in both(subject="https://github.com/examples/app"):
        with pytest.raises(Unfit, match=r"signed by https://github.com/examples/app"):
            checker().check(evidence, DIGEST)
    for evidence in both(issuer="https://token.example.com"):
        with pytest.raises(Unfit, match=r"its issuer is https://token.example.com"):
            checker().check(evidence, DIGEST)


def test_the_whole_subject_has_to_match() -> None:
    with pytest.raises(Unfit, match="it was signed by"):
        checker(subject=re.compile("https://github.com/example/app")).check(both()[0], DIGEST)


def test_another_image() -> None:
    for evidence in both(OTHER):
        with pytest.raises(Unfit, match="of another image"):
            checker().check(evidence, DIGEST)


def test_an_attestation_is_no_signature() -> None:
    said = sigstore().bundle(statement(DIGEST, predicate="https://slsa.dev/provenance/v1"), sigstore().certificate())
    with pytest.raises(Unfit, match="an attestation"):
        checker().check(said, DIGEST)


def test_another_trust_root() -> None:
    elsewhere = Sigstore()
    for evidence in both():
        with pytest.raises(Unfit, match="no valid keyless signature"):
            KeylessChecker(KeylessRule(ISSUER, WORKFLOWS, elsewhere.trust_root)).check(evidence, DIGEST)
        with pytest.raises(Unfit, match="no valid keyless signature"):
            KeylessChecker(KeylessRule(ISSUER, WORKFLOWS)).check(evidence, DIGEST)


@pytest.mark.parametrize("part", ["root", "log_of_certificates", "rekor"])
def test_every_one_of_the_three_has_to_be_the_trusted_one(part: str) -> None:
    forged = replace(sigstore(), **{part: getattr(Sigstore(), part)})
    certified = forged.certificate()
    for evidence in (forged.simple(payload(DIGEST), certified), forged.bundle(statement(DIGEST), certified)):
        with pytest.raises(Unfit, match="no valid keyless signature"):
            checker().check(evidence, DIGEST)


def test_a_certificate_that_had_expired_when_it_was_used() -> None:
    certified, late = sigstore().certificate(), NOW + timedelta(minutes=11)
    for evidence in (
        sigstore().simple(payload(DIGEST), certified, at=late),
        sigstore().bundle(statement(DIGEST), certified, at=late),
    ):
        with pytest.raises(Unfit, match="no valid keyless signature"):
            checker().check(evidence, DIGEST)


def test_a_certificate_that_no_log_has_promised() -> None:
    for evidence in both(is_logged=False):
        with pytest.raises(Unfit, match="SCT"):
            checker().check(evidence, DIGEST)


def test_a_certificate_that_anybody_can_make() -> None:
    own = certify("me", private_key(), signer())
    with pytest.raises(Unfit, match="no valid keyless signature"):
        checker().check(sigstore().simple(payload(DIGEST), own), DIGEST)


def test_the_name_that_was_signed_along() -> None:
    assert checker(identity=re.compile(re.escape(NAME))).check(both()[0], DIGEST)
    for evidence in both():
        with pytest.raises(Unfit, match="name"):
            checker(identity=re.compile("registry.example.com/another/app")).check(evidence, DIGEST)


def test_made_with_a_key() -> None:
    with pytest.raises(Unfit, match="it was made with a key"):
        checker().check(simple(private_key(), payload(DIGEST)), DIGEST)
    with pytest.raises(Unfit, match="no valid keyless signature"):
        checker().check(bundle(private_key(), statement(DIGEST)), DIGEST)
    with pytest.raises(Unfit, match="none of cosign's"):
        checker().check(NotationEnvelope("application/cose", b""), DIGEST)


def _of_another(evidence: SimpleSigning) -> SimpleSigning:
    """Beside it, an entry of the log about another signature by the same person."""
    certified = sigstore().certificate()
    other = sigstore().simple(payload(OTHER), certified)
    mine = payload(DIGEST)
    return replace(other, payload=mine, signature=b64(sign(certified.key, mine)))


def _another_certificate(evidence: SimpleSigning) -> SimpleSigning:
    return replace(evidence, certificate=sigstore().certificate().pem)


def _another_payload(evidence: SimpleSigning) -> SimpleSigning:
    return replace(evidence, payload=payload(DIGEST, name="other.example.com/app"))


def _no_promise(evidence: SimpleSigning) -> SimpleSigning:
    document = json.loads(str(evidence.log_entry))
    return replace(evidence, log_entry=json.dumps({"Payload": document["Payload"]}))


def _another_time(evidence: SimpleSigning) -> SimpleSigning:
    document = json.loads(str(evidence.log_entry))
    document["Payload"]["integratedTime"] += 1
    return replace(evidence, log_entry=json.dumps(document))


def _no_entry(evidence: SimpleSigning) -> SimpleSigning:
    return replace(evidence, log_entry=None)


def _empty_entry(evidence: SimpleSigning) -> SimpleSigning:
    return replace(evidence, log_entry="{}")


def _malformed_certificate(evidence: SimpleSigning) -> SimpleSigning:
    return replace(evidence, certificate="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize(
    "tamper",
    [
        _of_another,
        _another_certificate,
        _another_payload,
        _no_promise,
        _another_time,
        _no_entry,
        _empty_entry,
        _malformed_certificate,
    ],
)
def test_annotations_that_were_tampered_with(tamper: Callable[[SimpleSigning], SimpleSigning]) -> None:
    evidence = both()[0]
    assert isinstance(evidence, SimpleSigning)
    with pytest.raises(Unfit):
        checker().check(tamper(evidence), DIGEST)


@pytest.mark.parametrize(
    "path",
    [
        "verificationMaterial",
        "verificationMaterial.certificate",
        "verificationMaterial.tlogEntries",
        "verificationMaterial.tlogEntries.0.inclusionProof",
        "verificationMaterial.tlogEntries.0.inclusionPromise",
        "verificationMaterial.tlogEntries.0.inclusionProof.checkpoint",
        "dsseEnvelope",
        "dsseEnvelope.signatures",
    ],
)
def test_bundles_that_lack_a_part(path: str) -> None:
    document: Any = json.loads(both()[1].body)  # type: ignore[union-attr]
    parent = document
    *before, last = path.split(".")
    for step in before:
        parent = parent[int(step)] if step.isdigit() else parent[step]
    del parent[last]
    with pytest.raises(Unfit):
        checker().check(SigstoreBundle(json.dumps(document).encode()), DIGEST)


def test_bundles_whose_payload_or_time_was_swapped() -> None:
    evidence = both()[1]
    assert isinstance(evidence, SigstoreBundle)
    document = json.loads(evidence.body)
    document["dsseEnvelope"]["payload"] = b64(statement(OTHER))
    with pytest.raises(Unfit, match="no valid keyless signature"):
        checker().check(SigstoreBundle(json.dumps(document).encode()), OTHER)
    document = json.loads(evidence.body)
    document["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = str(int(NOW.timestamp()) + 1)
    with pytest.raises(Unfit, match="no valid keyless signature"):
        checker().check(SigstoreBundle(json.dumps(document).encode()), DIGEST)


@pytest.mark.parametrize("trust_root", ["{}", "nonsense", '{"mediaType": "x"}'])
def test_a_trust_root_that_cannot_be_used(trust_root: str) -> None:
    with pytest.raises(ValueError, match="is no trust root of Sigstore"):
        KeylessChecker(KeylessRule(ISSUER, WORKFLOWS, trust_root))
