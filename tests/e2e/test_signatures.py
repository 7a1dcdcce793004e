"""Only what is signed is mirrored, by what cosign and Notation wrote."""

from collections.abc import Callable

import pytest

from tests.e2e.support import held
from tests.signatures.conftest import RECORDED, images, place, recorded
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer
from tests.support.referrers import list_tag

INDEX, AMD64, _, OTHER = images()
ITEMS = """
items:
  - source: {source}/acme/app
    target: {target}/mirror/
    verify_signatures:
      - key: {key}
      - notation: {store}
"""


@pytest.fixture
def asked_for(install: Callable[..., Ferryman], upstream: RegistryServer, target: RegistryServer) -> Ferryman:
    """An item of which tag 1 is signed, and tag 2 is not."""
    ferryman = install(FERRYMAN_TRANSPORT="direct")
    ferryman.items.write_text(
        ITEMS.format(source=upstream.host, target=target.host, key=RECORDED / "p256.pub", store=RECORDED)
    )
    return ferryman


def test_what_nobody_has_signed_is_not_copied_until_somebody_signs_it(
    asked_for: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    place(upstream.url, "acme/app", recorded("cosign-tag-p256"))

    first = asked_for.run("sync")

    assert first.code == 1
    assert "is not signed, as far as its registry shows" in first.out + first.err
    of_index, of_other = (f"{list_tag(each)}.sig" for each in (INDEX, OTHER))
    assert held(target) == {
        "mirror/app:1": INDEX.digest,
        f"mirror/app:{of_index}": recorded("cosign-tag-p256").tags[of_index],
    }
    shown = asked_for.status("app:1", "app:2")
    [verified], [refused] = (shown[name]["signatures"] for name in ("app:1", "app:2"))
    assert (verified["verdict"], verified["signers"][0]["means"]) == ("verified", str(RECORDED / "p256.pub"))
    assert (refused["verdict"], refused["digest"], refused["signers"]) == ("refused", OTHER.digest, [])
    assert (shown["app:2"]["status"], shown["app:2"]["reason"]) == ("failed", "signature-refused")
    assert shown["app:2"]["target_digest"] is None
    assert "verified" in asked_for.run("status", "app:1").out
    requests = upstream.access_log().count(f"manifests/{OTHER.digest}")
    again = asked_for.run("sync")  # it waits
    assert again.code == 1
    assert upstream.access_log().count(f"manifests/{OTHER.digest}") == requests
    assert "wait" in asked_for.run("plan", "app").out

    place(upstream.url, "acme/app", recorded("cosign-another-image"))
    signed = asked_for.run("sync")

    assert signed.code == 0, signed.err
    assert held(target).keys() == {f"mirror/app:{tag}" for tag in ("1", "2", of_index, of_other)}
    [verified] = asked_for.status("app:2")["app:2"]["signatures"]
    assert verified["verdict"] == "verified"


def test_notations_signature_goes_along_as_a_referrer(
    asked_for: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    place(upstream.url, "acme/app", recorded("notation-cose-p256"))
    assert asked_for.run("sync").code == 1  # tag 2 is not signed
    found = held(target)
    assert found["mirror/app:1"] == INDEX.digest
    assert found.keys() == {"mirror/app:1", f"mirror/app:{list_tag(INDEX)}"}
    [finding] = asked_for.status("app:1")["app:1"]["signatures"]
    assert finding["signers"][0]["name"] == "CN=Test signer p256,O=Example"


def test_an_engine_pulls_only_what_is_signed(
    install: Callable[..., Ferryman], upstream: RegistryServer, target: RegistryServer
) -> None:
    ferryman = install()
    ferryman.items.write_text(
        ITEMS.format(source=upstream.host, target=target.host, key=RECORDED / "p256.pub", store=RECORDED)
    )
    place(upstream.url, "acme/app", recorded("cosign-one-image-p256"))
    assert ferryman.run("sync").code == 1
    assert held(target) == {}
    assert {each["reason"] for each in ferryman.status().values()} == {"signature-refused"}
    ferryman.items.write_text(ferryman.items.read_text() + "    platforms: native\n")
    assert ferryman.run("sync").code == 1
    assert held(target).keys() == {"mirror/app:1"}


def test_a_key_that_cannot_be_used_is_told_before_anything_is_done(asked_for: Ferryman) -> None:
    key = asked_for.items.parent / "wrong.pub"
    key.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    asked_for.items.write_text(asked_for.items.read_text().replace(str(RECORDED / "p256.pub"), "wrong.pub"))
    for command in ("sync", "check"):
        told = asked_for.run(command)
        assert told.code != 0
        assert "verify_signatures: wrong.pub is no public key in PEM" in told.out + told.err
