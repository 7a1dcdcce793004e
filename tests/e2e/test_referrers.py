"""Signatures and their like go along, and follow when they appear later."""

from collections.abc import Callable

from tests.e2e.support import held, several, tiny
from tests.support.ferryman import Ferryman
from tests.support.images import push
from tests.support.processes import RegistryServer
from tests.support.referrers import list_tag, refer, referrer, signature


def test_what_belongs_to_images_is_mirrored_also_when_it_appears_later(
    install: Callable[..., Ferryman], upstream: RegistryServer, target: RegistryServer
) -> None:
    ferryman = install(FERRYMAN_TRANSPORT="direct", FERRYMAN_COMPLETE_WALK="1ms")
    ferryman.items.write_text(
        f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/mirror/, limit: 1, referrers: true}}]"
    )
    whole, old = several("1.1", "linux/amd64", "linux/arm64"), tiny("1.0", created="2020-01-01T00:00:00Z")
    push(upstream.url, "acme/app", "1.1", whole)
    push(upstream.url, "acme/app", "1.0", old)
    child = whole.images[1]
    signatures = dict(signature(each) for each in (old, child))
    for tag, made in signatures.items():
        push(upstream.url, "acme/app", tag, made)
    refer(upstream.url, "acme/app", whole, sbom := referrer(whole, b"what is in it"))

    first = ferryman.run("sync")

    assert first.code == 0, first.err
    of_child, _ = signature(child)
    expected = {"1.1": whole.digest, of_child: signatures[of_child].digest}
    found = {name.removeprefix("mirror/app:"): digest for name, digest in held(target).items()}
    assert found.keys() == expected.keys() | {list_tag(whole)}
    assert found.items() >= expected.items()
    assert found[list_tag(whole)] == held(upstream)[f"acme/app:{list_tag(whole)}"]

    later, made = signature(whole)
    push(upstream.url, "acme/app", later, made)
    push(upstream.url, "acme/app", of_child, signature(child, b"signed by two")[1])
    refer(upstream.url, "acme/app", whole, sbom, referrer(whole, b"and what was tested"))
    second = ferryman.run("sync")

    assert second.code == 0, second.err
    after = {name.removeprefix("mirror/app:"): digest for name, digest in held(target).items()}
    assert after == found | {
        later: made.digest,
        of_child: signature(child, b"signed by two")[1].digest,
        list_tag(whole): held(upstream)[f"acme/app:{list_tag(whole)}"],
    }
    attempts = {name: record["attempts"] for name, record in ferryman.status().items() if record["status"] == "synced"}
    assert attempts == dict.fromkeys((f"app:{tag}" for tag in after), 1)

    pushes = target.access_log().count("http.request.method=PUT")
    third = ferryman.run("sync")
    assert third.code == 0, third.err
    assert target.access_log().count("http.request.method=PUT") == pushes
