"""What is damaged at a real registry is found, and repaired: from upstream, or from what the registry still has."""

import json

import pytest

from ferryman.kinds import Depth
from ferryman.store.records import PendingRollback
from ferryman.store.rollbacks import Rollbacks
from tests.support.images import Image, Index, image, index, layer, push
from tests.support.proxy import FaultyProxy
from tests.support.workplace import tiny
from tests.support.zuul_registry import on_both_registries, overwritten
from tests.verification.faults import fail_at
from tests.verification.site import Site


def layers_of(made: Image) -> list[str]:
    return [each["digest"] for each in json.loads(made.manifest)["layers"]]


def asked(site: Site, what: str) -> int:
    return site.target.access_log().count(what)


@pytest.fixture
def shared() -> tuple[Image, Image]:
    """Two images with a layer in common."""
    base = layer({"base": b"of both"})
    return image([base, layer({"a": b"a"})]), image([base, layer({"b": b"b"})])


@pytest.fixture
def platforms() -> Index:
    return index([tiny("amd64"), image([layer({"arm": b"64"})], platform="linux/arm64")])


async def test_one_request_a_tag_finds_what_is_missing_or_changed(site: Site) -> None:
    await site.mirror({name: tiny(name) for name in "abcd"})
    site.lose_tag("b")
    push(site.target.url, site.name, "c", tiny("a stranger's"))
    before = asked(site, f" /v2/{site.name}/")

    found = await site.verify()

    assert asked(site, f" /v2/{site.name}/") - before == 4
    assert found == {"b": "missing", "c": "changed"}


@pytest.mark.parametrize("depth", ["contents", "bytes"])
async def test_every_digest_is_asked_for_once_however_many_tags_share_it(
    site: Site, shared: tuple[Image, Image], depth: Depth
) -> None:
    one, other = shared
    await site.mirror({"1": one, "1.0": one, "2": other})
    [base] = set(layers_of(one)) & set(layers_of(other))
    verb = "HEAD" if depth == "contents" else "GET"
    before = {each: asked(site, f"{verb} /v2/{site.name}/blobs/{each} ") for each in (base, *layers_of(other))}

    assert await site.verify(depth) == {}

    assert {asked(site, f"{verb} /v2/{site.name}/blobs/{each} ") - number for each, number in before.items()} == {1}


@on_both_registries
async def test_a_lost_blob_is_found_in_every_tag_that_names_it_and_uploaded_again(
    site: Site, shared: tuple[Image, Image]
) -> None:
    one, other = shared
    await site.mirror({"1": one, "2": other, "3": tiny("another")})
    [base] = set(layers_of(one)) & set(layers_of(other))
    site.lose_blob(base)
    assert await site.verify() == {}

    assert await site.verify("contents", "missing") == {"1": "incomplete queued", "2": "incomplete queued"}

    assert {each.detail for each in await site.findings()} == {
        f"missing: the blob {base} of {len(one.blobs[base])} bytes"
    }
    assert not await site.blobs.holders(site.target.host, [base], kind="blob")
    assert await site.copy() == 2
    assert await site.verify("contents") == {}
    assert not await site.findings()


@on_both_registries
async def test_a_lost_platform_of_an_index_is_found(site: Site, platforms: Index) -> None:
    await site.mirror({"1": platforms})
    child = platforms.images[1].digest
    site.lose_manifest(child)

    assert await site.verify("contents", "missing") == {"1": "incomplete queued"}

    assert (await site.findings())[0].detail == f"missing: the manifest {child}"
    await site.copy()
    assert await site.verify("contents") == {}


@on_both_registries
async def test_other_bytes_are_found_by_reading_them(site: Site) -> None:
    made = tiny("whole")
    await site.mirror({"1": made})
    [digest] = layers_of(made)

    with overwritten(site.target, digest, lambda content: bytes(len(content))):
        assert await site.verify("contents") == {}
        assert await site.verify("bytes") == {"1": "incomplete"}

    assert (await site.findings())[0].detail == f"damaged: the blob {digest} of {len(made.blobs[digest])} bytes"


@on_both_registries
async def test_a_blob_that_was_cut_is_found_without_reading_it(site: Site) -> None:
    made = tiny("long enough")
    await site.mirror({"1": made})
    [digest] = layers_of(made)

    with overwritten(site.target, digest, lambda content: content[:-1]):
        assert await site.verify("contents") == {"1": "incomplete"}


@on_both_registries
async def test_what_upstream_lost_as_well_comes_from_this_repository(site: Site) -> None:
    made = tiny("old")
    await site.mirror({"1": made})
    await site.is_gone_upstream("1")
    site.lose_tag("1")  # its manifest is still there

    assert await site.verify(repair="missing") == {"1": "missing restored"}

    assert site.names("1") == made.digest
    assert not await site.findings()
    assert await site.verify("contents") == {}


@on_both_registries
async def test_what_upstream_lost_as_well_comes_from_another_repository_of_the_target(
    site: Site, platforms: Index
) -> None:
    other = f"{site.name}-other"
    await site.mirror({"1": platforms})
    await site.mirror({"1": platforms}, name=other)
    await site.is_gone_upstream("1")
    site.target.lose_repository(site.name)

    assert await site.verify(repair="missing") == {"1": "missing restored"}

    assert site.names("1") == platforms.digest
    assert await site.verify("contents") == {}


async def test_a_blob_that_upstream_lost_is_mounted_from_another_repository(
    site: Site, shared: tuple[Image, Image]
) -> None:
    one, other = shared
    [base] = set(layers_of(one)) & set(layers_of(other))
    await site.mirror({"2": other}, name=f"{site.name}-other")
    await site.mirror({"1": one})
    await site.is_gone_upstream("1")
    site.lose_blob(base)

    assert await site.verify("contents", "missing") == {"1": "incomplete restored"}
    assert await site.verify("contents") == {}


@on_both_registries
async def test_what_nobody_has_any_more_is_told_as_lost(site: Site) -> None:
    made = tiny("unique")
    await site.mirror({"1": made})
    await site.is_gone_upstream("1")
    site.lose_tag("1")
    site.lose_manifest(made.digest)

    assert await site.verify(repair="missing") == {"1": "missing lost"}

    [finding] = await site.findings()
    assert (finding.lost, finding.status, finding.expected) == (True, "synced", made.digest)


@on_both_registries
async def test_what_a_stranger_overwrote_is_repaired_only_if_that_is_asked_for(site: Site) -> None:
    await site.mirror({"1": tiny("ours")})
    push(site.target.url, site.name, "1", tiny("a stranger's"))

    assert await site.verify(repair="missing") == {"1": "changed"}
    assert await site.verify(repair="all") == {"1": "changed queued"}
    await site.copy()
    assert site.names("1") == tiny("ours").digest


async def test_what_moved_upstream_meanwhile_is_asked_for_at_the_next_look(site: Site) -> None:
    await site.mirror({"1": tiny("ours"), "2": tiny("unmoved")})
    push(site.upstream.url, site.name, "1", tiny("newer"))
    for tag in "12":
        site.lose_tag(tag)

    await site.verify(repair="missing")

    assert {each.held.tag: each.moved for each in site.results} == {"1": True, "2": False}


@pytest.mark.slow
@pytest.mark.parametrize("status", [403, 500])
async def test_a_fault_at_any_request_of_a_repair_loses_nothing(site: Site, proxy: FaultyProxy, status: int) -> None:
    """The tag is gone upstream and at the target, and another repository has it: it is restored sooner or later."""
    site.host = proxy.host
    made = index([tiny(f"one {status}"), image([layer({"two": b"2"})], platform="linux/arm64")])
    await site.mirror({"1": made})
    await site.mirror({"1": made}, name=f"{site.name}-other")
    await site.is_gone_upstream("1")
    outcomes = set[str]()
    for number in range(60):
        site.target.lose_repository(site.name)
        came = fail_at(proxy, number, status)
        found = await site.verify("contents", "missing")
        proxy.mend()
        outcomes |= set(found.values())
        if not came:
            break
        assert await site.verify("contents", "missing") in ({}, {"1": "missing restored"})
        assert site.names("1") == made.digest
    assert not came
    assert outcomes == {"missing", "missing restored"}
    assert not await site.findings()


@on_both_registries
async def test_what_a_person_has_put_back_is_never_repaired_from_upstream(site: Site) -> None:
    old, new = tiny("old"), tiny("new")
    await site.mirror({"1": old})
    await site.mirror({"1": new})
    push(site.target.url, site.name, "1", old)
    rollbacks = Rollbacks(site.database, clock=site.workplace.clock, queued=site.workplace.queue.filled)
    begun = await rollbacks.begin(str(site.repository()), "1", old.digest, actor="cli:me@here", owner="me")
    assert isinstance(begun, PendingRollback)
    assert await rollbacks.end(begun)
    site.lose_tag("1")

    assert await site.verify(repair="missing") == {"1": "missing restored"}

    assert site.names("1") == old.digest
    assert await site.workplace.queue.claim() is None


async def test_what_is_held_for_a_change_is_repaired_by_its_digest_and_never_by_upstreams_tag(site: Site) -> None:
    old, new = tiny("old"), tiny("new")
    await site.mirror({"1.2.3": old})
    push(site.upstream.url, site.name, "1.2.3", new)
    await site.enqueue({"1.2.3": new.digest}, held=True)
    site.lose_tag("1.2.3")
    site.lose_manifest(old.digest)

    assert await site.verify(repair="missing") == {"1.2.3": "missing restored"}

    assert site.names("1.2.3") == old.digest
    assert await site.copy() == 0


async def test_what_is_held_and_nobody_has_any_more_is_told_as_lost(site: Site) -> None:
    old, new = tiny("old"), tiny("new")
    await site.mirror({"1.2.3": old})
    await site.enqueue({"1.2.3": new.digest}, held=True)
    site.lose_tag("1.2.3")
    site.lose_manifest(old.digest)
    site.upstream.remove(f"repositories/{site.name}/_manifests/revisions")

    assert await site.verify(repair="missing") == {"1.2.3": "missing lost"}

    assert await site.copy() == 0
