"""Images that the real programs have signed, at a real registry; and what was tampered with there."""

import asyncio
import base64
import json
import re
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ferryman.errors import ConfigurationError, NotFound, Unreachable
from ferryman.reference import Repository
from ferryman.signature_findings import Finding
from ferryman.signature_rules import KeylessRule, KeyRule, NotationRule, SignatureRule, SignatureRules
from tests.signatures.conftest import Case, Verifying, images, key_rule, notation_rule, recorded
from tests.signatures.made import authority, certify, private_key
from tests.support.images import OCI_INDEX, Image, Index, attestation, image, index, layer, push
from tests.support.proxy import FaultyProxy
from tests.support.referrers import ReferrersApi, list_tag

INDEX, AMD64, ARM64, OTHER = images()
SIG = f"{list_tag(INDEX)}.sig"


@asynccontextmanager
async def running(proxy: FaultyProxy) -> AsyncIterator[None]:
    await proxy.start()
    yield
    await proxy.stop()


def form_of(finding: Finding) -> str:
    [signer] = finding.signers
    return signer.form


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa", "ed25519"])
async def test_cosigns_tags_and_bundles(verifying: Verifying, kind: str) -> None:
    for form, expected in (("tag", "cosign"), ("bundle", "bundle")):
        finding = await verifying.verify(recorded(f"cosign-{form}-{kind}"), key_rule(kind))
        assert (finding.verdict, form_of(finding), finding.detail) == ("verified", expected, None)
        assert finding.signers[0].means == f"{kind}.pub"


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa"])
@pytest.mark.parametrize("form", ["jws", "cose"])
async def test_notations_envelopes(verifying: Verifying, kind: str, form: str) -> None:
    finding = await verifying.verify(recorded(f"notation-{form}-{kind}"), notation_rule())
    assert (finding.verdict, finding.names) == ("verified", f"CN=Test signer {kind},O=Example")
    assert abs(verifying.clock.now() - (finding.signers[0].signed_at or verifying.clock.now())).seconds < 7200


_AS_REFERRERS = ("cosign-referrer-p256", "cosign-bundle-p256", "notation-jws-p256", "notation-cose-rsa")


@pytest.mark.parametrize("name", _AS_REFERRERS)
async def test_referrers_come_from_the_api_where_there_is_one(verifying: Verifying, name: str) -> None:
    case = recorded(name)
    proxy = ReferrersApi(verifying.server.url)
    async with running(proxy):
        repository = await verifying.place(case, url=proxy.url, with_tags=False)
        finding = await verifying.verify(repository, key_rule(), notation_rule())
    assert finding.verdict == "verified"
    assert not [each for each in proxy.requests if each.endswith(list_tag(INDEX))]


async def test_cosigns_referrer_under_the_tag(verifying: Verifying) -> None:
    finding = await verifying.verify(recorded("cosign-referrer-p256"), key_rule())
    assert (finding.verdict, form_of(finding)) == ("verified", "cosign")


async def test_one_of_several_rules_is_enough(verifying: Verifying) -> None:
    rules: list[SignatureRule] = [key_rule("p256"), notation_rule(), key_rule("rsa"), key_rule("ed25519")]
    for case in ("cosign-tag-rsa", "notation-cose-p256", "cosign-bundle-ed25519"):
        assert (await verifying.verify(recorded(case), *rules)).verdict == "verified"


async def test_one_of_several_signatures_is_enough(verifying: Verifying) -> None:
    for kind in ("p256", "rsa"):
        finding = await verifying.verify(recorded("cosign-two-signers"), key_rule(kind))
        assert (finding.verdict, finding.signers[0].means) == ("verified", f"{kind}.pub")


# Indexes and images


async def test_all_images_of_an_index_are_as_good_as_the_index(verifying: Verifying) -> None:
    assert (await verifying.verify(recorded("cosign-images-p256"), key_rule())).verdict == "verified"
    assert (await verifying.verify(recorded("cosign-recursive-p256"), key_rule())).verdict == "verified"


async def test_one_signed_image_is_enough_if_only_that_one_goes(verifying: Verifying) -> None:
    case = recorded("cosign-one-image-p256")
    repository = await verifying.place(case)
    for enough in ("linux/amd64", "native"):
        assert (await verifying.verify(repository, key_rule(), platforms=enough)).verdict == "verified"
    wanted: list[str | None] = [None, "all", "linux", "linux/arm64", "linux/amd64,linux/arm64"]
    for platforms in wanted:
        finding = await verifying.verify(repository, key_rule(), platforms=platforms)
        assert (finding.verdict, finding.signers) == ("refused", ())


async def test_the_signature_of_an_image_is_none_of_its_index(verifying: Verifying) -> None:
    finding = await verifying.verify(recorded("cosign-tag-p256"), key_rule(), digest=AMD64.digest)
    assert (finding.verdict, finding.digest) == ("refused", AMD64.digest)
    assert str(finding.detail).endswith("is not signed, as far as its registry shows")


async def test_what_no_platform_runs_needs_no_signature_and_an_annotation_makes_nothing_of_that_kind(
    verifying: Verifying,
) -> None:
    """BuildKit's attestations go along with their image; what only says that it is one is an image like others."""
    said, annotations = attestation(AMD64)
    disguised = image([layer({"evil": b"1"})], platform="linux/amd64")
    for extra, verdict in ((said, "verified"), (disguised, "refused")):
        case = recorded("cosign-images-p256")
        repository = await verifying.place(case)
        whole = index([AMD64, ARM64, extra], annotations={2: annotations})
        await asyncio.to_thread(push, verifying.server.url, repository.name, "3", whole)
        finding = await verifying.verify(repository, key_rule(), digest=whole.digest)
        assert finding.verdict == verdict


async def test_an_entry_without_a_platform_has_to_be_signed(verifying: Verifying) -> None:
    bare = image([layer({"bare": b"1"})])
    whole = index([AMD64, Image(bare.manifest, bare.media_type, bare.blobs)])
    repository = await verifying.place(recorded("cosign-images-p256"))
    await asyncio.to_thread(push, verifying.server.url, repository.name, "3", whole)
    finding = await verifying.verify(repository, key_rule(), digest=whole.digest, platforms="linux/amd64")
    assert finding.verdict == "refused"


async def test_an_index_with_nothing_for_these_platforms_is_not_verified(verifying: Verifying) -> None:
    """Nothing would be copied; all the same, no one has vouched for it."""
    finding = await verifying.verify(recorded("cosign-images-p256"), key_rule(), platforms="linux/s390x")
    assert finding.verdict == "refused"


# What is refused


@pytest.mark.parametrize("name", ["cosign-tag-p256", "cosign-referrer-p256", "cosign-bundle-p256"])
async def test_another_key(verifying: Verifying, name: str) -> None:
    finding = await verifying.verify(recorded(name), key_rule("p384"))
    assert (finding.verdict, finding.signers) == ("refused", ())
    assert "no signature fits: it was not made with this key" in str(finding.detail)


@pytest.mark.parametrize("name", ["notation-jws-p256", "notation-cose-p256"])
async def test_another_trust_store_or_name(verifying: Verifying, name: str) -> None:
    repository = await verifying.place(recorded(name))
    assert (await verifying.verify(repository, notation_rule("CN=Test signer p256,.*"))).verdict == "verified"
    finding = await verifying.verify(repository, notation_rule("CN=Test signer rsa,.*"))
    assert "signed by CN=Test signer p256,O=Example" in str(finding.detail)
    stranger = certify("Test root", private_key("p256", 20), authority())
    finding = await verifying.verify(repository, NotationRule("x", (stranger.pem,)))
    assert "is not in the trust store" in str(finding.detail)


@pytest.mark.parametrize("form", ["jws", "cose"])
async def test_an_expired_signature_and_expired_certificates(verifying: Verifying, form: str) -> None:
    repository = await verifying.place(recorded(f"notation-{form}-expiring"))
    assert (await verifying.verify(repository, notation_rule())).verdict == "verified"
    verifying.clock.advance(24 * 3600)
    assert "it was valid until" in str((await verifying.verify(repository, notation_rule())).detail)
    repository = await verifying.place(recorded(f"notation-{form}-p256"))
    assert (await verifying.verify(repository, notation_rule())).verdict == "verified"
    verifying.clock.advance(101 * 366 * 24 * 3600)
    assert "is not valid now" in str((await verifying.verify(repository, notation_rule())).detail)


async def test_no_signature_at_all(verifying: Verifying) -> None:
    nothing = Case(INDEX.digest, {}, {}, {})
    repository = await verifying.place(nothing)
    finding = await verifying.verify(repository, key_rule(), notation_rule())
    assert (finding.verdict, finding.signers) == ("refused", ())
    assert finding.detail == f"{repository}@{INDEX.digest} is not signed, as far as its registry shows"
    assert (await verifying.verify(repository, key_rule(), missing="warn")).verdict == "missing"


async def test_a_signature_that_does_not_fit_is_none_that_is_missing(verifying: Verifying) -> None:
    finding = await verifying.verify(recorded("cosign-tag-p256"), key_rule("rsa"), missing="warn")
    assert finding.verdict == "refused"
    one = recorded("cosign-one-image-p256")
    assert (await verifying.verify(one, key_rule("rsa"), missing="warn")).verdict == "refused"
    assert (await verifying.verify(one, key_rule(), missing="warn")).verdict == "missing"


async def test_forms_that_no_rule_asks_for_are_not_read(verifying: Verifying) -> None:
    for case, rule in (("notation-jws-p256", key_rule()), ("cosign-tag-p256", notation_rule())):
        finding = await verifying.verify(recorded(case), rule, missing="warn")
        assert finding.verdict == "missing"


async def test_attestations_are_no_signatures(verifying: Verifying) -> None:
    assert (await verifying.verify(recorded("cosign-attestation"), key_rule(), missing="warn")).verdict == "missing"


def _of_another_image(case: Case) -> None:
    """The other image's signature, under this image's tag."""
    other = recorded("cosign-another-image")
    case.manifests, case.blobs = other.manifests, other.blobs
    case.tags = {SIG: next(iter(other.tags.values()))}


def _another_annotation(case: Case) -> None:
    """The other image's signature beside this image's payload."""
    [(digest, body)] = case.manifests.items()
    [other] = recorded("cosign-another-image").manifests.values()
    document = json.loads(body)
    document["layers"][0]["annotations"] = json.loads(other)["layers"][0]["annotations"]
    case.replace_manifest(digest, document)


def _another_payload(case: Case) -> None:
    """The payload changed, so that it names another image."""
    [(digest, body)] = case.manifests.items()
    document = json.loads(body)
    payload = base64.b64decode(case.blobs[document["layers"][0]["digest"]])
    payload = payload.replace(INDEX.digest.encode(), OTHER.digest.encode())
    document["layers"][0] |= {"digest": case.add_blob(payload), "size": len(payload)}
    case.tags = {f"{list_tag(OTHER)}.sig": case.replace_manifest(digest, document)}
    case.signed = OTHER.digest


def _no_annotation(case: Case) -> None:
    [(digest, body)] = case.manifests.items()
    document = json.loads(body)
    del document["layers"][0]["annotations"]
    case.replace_manifest(digest, document)


def _another_type(case: Case) -> None:
    [(digest, body)] = case.manifests.items()
    document = json.loads(body)
    document["layers"][0]["mediaType"] = "text/plain"
    case.replace_manifest(digest, document)


def _huge_payload(case: Case) -> None:
    [(digest, body)] = case.manifests.items()
    document = json.loads(body)
    content = bytes(1024 * 1024 + 1)
    document["layers"][0] |= {"digest": case.add_blob(content), "size": len(content)}
    case.replace_manifest(digest, document)


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (_of_another_image, "it is a signature of another image"),
        (_another_annotation, "not made with this key"),
        (_another_payload, "not made with this key"),
        (_no_annotation, "a payload without a signature"),
        (_another_type, "of an unknown type: 'text/plain'"),
        (_huge_payload, "too large"),
    ],
)
async def test_a_tag_of_cosigns_that_was_tampered_with(
    verifying: Verifying, tamper: Callable[[Case], None], why: str
) -> None:
    case = recorded("cosign-tag-p256")
    tamper(case)
    finding = await verifying.verify(case, key_rule())
    assert (finding.verdict, finding.signers) == ("refused", ())
    assert why in str(finding.detail)


@pytest.mark.parametrize("name", ["cosign-tag-p256", "cosign-bundle-p256", "notation-jws-p256"])
async def test_a_payload_that_was_removed(verifying: Verifying, name: str) -> None:
    case = recorded(name)
    repository = await verifying.place(case)
    digests = {each["digest"] for body in case.manifests.values() for each in json.loads(body).get("layers", ())}
    for digest in digests:
        url = f"{verifying.server.url}/v2/{repository.name}/blobs/{digest}"
        await asyncio.to_thread(urllib.request.urlopen, urllib.request.Request(url, method="DELETE"))
    finding = await verifying.verify(repository, key_rule(), notation_rule())
    assert finding.verdict == "refused"
    assert "the registry does not have the content of a signature" in str(finding.detail)


async def test_a_bundle_or_an_envelope_of_another_image(verifying: Verifying) -> None:
    """Listed as this image's: what a list says counts for nothing."""
    for name in ("cosign-bundle-p256", "notation-jws-p256", "notation-cose-p256"):
        case = recorded(name)
        case.tags = {list_tag(OTHER): next(iter(case.tags.values()))}
        finding = await verifying.verify(case, key_rule(), notation_rule(), digest=OTHER.digest)
        assert finding.verdict == "refused"
        assert "it is a signature of another image" in str(finding.detail)


# Strangers, and registries that fail


async def test_a_listed_manifest_that_is_not_there(verifying: Verifying) -> None:
    proxy = ReferrersApi(verifying.server.url)
    async with running(proxy):
        case = recorded("cosign-bundle-p256")
        repository = await verifying.place(case, url=proxy.url, with_tags=False)
        [bundle] = [digest for digest, body in case.manifests.items() if '"subject"' in body]
        proxy.answer(f"GET .*/manifests/{bundle}", 404)
        finding = await verifying.verify(repository, key_rule())
    assert "and does not have it" in str(finding.detail)


@pytest.mark.slow
async def test_how_much_is_read_is_limited(verifying: Verifying) -> None:
    case = recorded("cosign-tag-p256")
    [(digest, body)] = case.manifests.items()
    document = json.loads(body)
    [described] = document["layers"]
    payloads = [f"{number}".encode() for number in range(501)]
    document["layers"] = [{**described, "digest": case.add_blob(each), "size": len(each)} for each in payloads]
    case.replace_manifest(digest, document)
    finding = await verifying.verify(case, key_rule(), missing="warn")
    assert finding.verdict == "refused"
    assert "no signature fits: 500 manifests and blobs of them were read" in str(finding.detail)


async def test_a_registry_that_fails_has_refused_nothing(verifying: Verifying) -> None:
    proxy = FaultyProxy(verifying.server.url)
    async with running(proxy):
        repository = await verifying.place(recorded("cosign-tag-p256"), url=proxy.url)
        for pattern in (r"GET .*\.sig", r"GET .*/blobs/"):
            proxy.answer(pattern, 503)
            with pytest.raises(Unreachable):
                await verifying.verify(repository, key_rule())
            proxy.mend()
        assert (await verifying.verify(repository, key_rule())).verdict == "verified"


async def test_an_image_that_is_gone(verifying: Verifying) -> None:
    repository = Repository(verifying.server.host, "no/such")
    with pytest.raises(NotFound):
        await verifying.verify(repository, key_rule())


async def test_what_strangers_write_is_cut_in_messages(verifying: Verifying) -> None:
    case = recorded("cosign-tag-p256")
    [(digest, body)] = case.manifests.items()
    document = json.loads(body)
    document["layers"] = [{**document["layers"][0], "mediaType": f"{number}" * 1000} for number in range(9)]
    case.replace_manifest(digest, document)
    detail = str((await verifying.verify(case, key_rule())).detail)
    assert detail.endswith("(and 6 more)")
    assert len(detail) < 1000


async def test_names_of_signers_are_printable(verifying: Verifying, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate may name anything, and names end up on terminals."""
    repository = await verifying.place(recorded("notation-jws-p256"))
    monkeypatch.setattr(
        "ferryman.signatures.notation.name_of", lambda certificate: "CN=\x1b[31m\0\u202eme" + "x" * 1000
    )
    [signer] = (await verifying.verify(repository, notation_rule())).signers
    assert signer.name.startswith("CN=?[31m??me")
    assert len(signer.name) == 300


async def test_an_index_that_no_platform_runs_has_to_be_signed(verifying: Verifying) -> None:
    """What it lists may run all the same."""
    inner = index([image([layer({"evil": b"1"})])])
    document = json.loads(index([AMD64, inner]).manifest)
    document["manifests"][1]["platform"] = {"os": "unknown", "architecture": "unknown"}
    whole = Index(json.dumps(document).encode(), OCI_INDEX, (AMD64, inner))
    repository = await verifying.place(recorded("cosign-images-p256"))
    await asyncio.to_thread(push, verifying.server.url, repository.name, "3", whole)
    assert (await verifying.verify(repository, key_rule(), digest=whole.digest)).verdict == "refused"


async def test_few_requests(verifying: Verifying) -> None:
    """Two for what is signed with cosign's tag; the image itself is not asked for."""
    proxy = FaultyProxy(verifying.server.url)
    async with running(proxy):
        repository = await verifying.place(recorded("cosign-tag-p256"), url=proxy.url)
        proxy.requests.clear()
        await verifying.verify(repository, key_rule())
    assert [each.split("/")[-2] for each in proxy.requests] == ["manifests", "blobs"]


# Rules


async def test_items_without_rules_are_not_verified(verifying: Verifying) -> None:
    verifier = verifying.verifier(SignatureRules((key_rule(),)))
    other = Repository("registry.example.com", "mirror/other")
    assert await verifier.verify(other.pinned(INDEX.digest), other, None) is None


def test_rules_that_cannot_be_used_are_told(verifying: Verifying) -> None:
    wrong: dict[SignatureRule, str] = {
        KeyRule("cosign.pub", "x"): "cosign.pub is no public key",
        NotationRule("store", ("x",)): "store has no certificate",
        KeylessRule("https://issuer.example.com", re.compile("x"), "{}"): "https://issuer.example.com is no trust root",
    }
    for rule, why in wrong.items():
        with pytest.raises(ConfigurationError, match=f"verify_signatures: {why}"):
            verifying.verifier(SignatureRules((key_rule(), rule)))


def test_a_library_that_is_not_installed(verifying: Verifying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.signatures.checkers.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=re.escape("pip install 'ferryman[signatures]'")):
        verifying.verifier(SignatureRules((key_rule(),)))
