"""The number of requests of a direct copy, and that no byte is transferred twice."""

import asyncio
import os
from collections.abc import Collection
from pathlib import Path

import pytest
from aiohttp import web

from ferryman.errors import StoreError
from tests.support.images import Image, attestation, digest_of, image, index, layer, push
from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy
from tests.support.transports import manifest_at
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.line import Line

BASE = layer({"base": os.urandom(300_000)})
UPLOAD = ["POST upload", "PUT upload"]


def variant(text: str, *layers: bytes, platform: str = "linux/amd64") -> Image:
    """An image with its own config."""
    return image(layers or [BASE, layer({"own": b"own"})], platform=platform, created=text)


def blobs_of(what: Image) -> int:
    return sum(map(len, what.blobs.values()))


def collect(server: RegistryServer, name: str, digests: Collection[str], *, links_only: bool = False) -> None:
    """Remove blobs as a garbage collection does: from the repository and from the disk."""
    data = server.folder / "data/docker/registry/v2"
    for digest in digests:
        hexadecimal = digest.removeprefix("sha256:")
        places = [data / f"repositories/{name}/_layers/sha256/{hexadecimal}/link"]
        places += [data / f"repositories/{name}/_manifests/revisions/sha256/{hexadecimal}/link"]
        if not links_only:
            places.append(data / f"blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data")
        for place in filter(Path.exists, places):
            place.unlink()


async def test_a_first_copy(line: Line) -> None:
    made = variant("first")

    copied = await line.copy(made)

    assert (copied.bytes_moved, copied.bytes_reused) == (blobs_of(made), 0)
    assert line.asked(line.source.host) == ["GET blob"] * 3 + ["GET manifest"]
    # The config is new whatever happens: nobody asks for it.
    asking = ["POST mount from itself"] * 2
    assert line.asked(line.target.host) == sorted([*asking, "POST upload", *["PUT upload"] * 3, "PUT manifest"])


async def test_a_large_blob_is_asked_for_where_nobody_has_seen_a_mount(line: Line) -> None:
    """A registry that does not mount from a repository to itself would get it once more."""
    large = layer({"large": os.urandom(1_200_000)})
    push(line.target.url, "m/a/image", "by-hand", variant("by hand", large))
    line.asked(line.target.host)

    copied = await line.copy(variant("first", large))

    assert copied.bytes_moved < 1000
    assert line.asked(line.target.host) == sorted(["HEAD blob", *UPLOAD, "PUT manifest"])


async def test_a_new_tag_whose_layers_the_repository_has(line: Line) -> None:
    await line.copy(variant("first"))
    line.asked(line.source.host), line.asked(line.target.host)

    copied = await line.copy(variant("second"), tag="2")

    assert line.asked(line.source.host) == ["GET blob", "GET manifest"]
    assert line.asked(line.target.host) == [*UPLOAD[:1], "PUT manifest", *UPLOAD[1:]]
    assert copied.confirmed
    assert copied.bytes_moved < 1000
    assert copied.bytes_reused > 300_000


async def test_what_another_repository_has_is_mounted(line: Line) -> None:
    await line.copy(variant("first"))
    line.asked(line.target.host)

    copied = await line.copy(variant("first"), name="b/image")

    assert copied.bytes_moved == 0
    assert line.asked(line.target.host) == ["POST mount"] * 3 + ["PUT manifest"]


async def test_what_makes_mounts_is_asked_by_them(line: Line) -> None:
    """For a blob without a known holder, a mount from the target to itself checks it and opens the upload session."""
    await line.copy(variant("first"))
    await line.copy(variant("first"), name="b/image")
    known, new = layer({"known": b"by hand"}), layer({"new": b"new"})
    push(line.target.url, "m/c/image", "by-hand", variant("by hand", known))
    line.asked(line.target.host)

    copied = await line.copy(image([BASE, known, new], created="third"), name="c/image")

    assert line.asked(line.target.host) == sorted(
        ["POST mount", *["POST mount from itself"] * 3, *["PUT upload"] * 2, "PUT manifest"]
    )
    assert copied.identical
    assert line.client.capabilities(line.target.host).mounts  # a mount of what is not there says nothing of them


async def test_the_record_is_read_once_and_outlives_the_process(line: Line, ledger: InMemoryBlobLedger) -> None:
    await line.copy(variant("first"))

    assert ledger.asked == 1
    assert {(kind, digest) for _, kind, digest in ledger.held} == {
        ("manifest", variant("first").digest), *(("blob", digest) for digest in variant("first").blobs),
    }  # fmt: skip
    assert {frozenset(names) for names in ledger.held.values()} == {frozenset({"m/a/image"})}


async def test_what_others_brought_is_found_by_asking(line: Line, ledger: InMemoryBlobLedger) -> None:
    made = variant("first")
    push(line.target.url, "m/a/image", "by-hand", made)

    copied = await line.copy(made)

    assert copied.bytes_reused == blobs_of(made) - len(made.blobs[made.config_digest])
    assert (line.target.host, "blob", digest_of(next(iter(made.blobs.values())))) in ledger.held


async def test_a_child_that_has_not_changed_costs_nothing(line: Line) -> None:
    amd64, arm64, new = (variant(text, BASE, layer({"x": text.encode()})) for text in ("one", "two", "three"))
    provenance, annotations = attestation(amd64)
    await line.copy(index([amd64, arm64, provenance], annotations={2: annotations}))
    line.asked(line.source.host), line.asked(line.target.host)

    copied = await line.copy(index([amd64, new, provenance], annotations={2: annotations}), tag="2")

    assert copied.identical
    assert line.asked(line.source.host) == ["GET blob"] * 2 + ["GET manifest"] * 2
    assert line.asked(line.target.host) == sorted(
        ["POST mount from itself", "POST upload", *["PUT upload"] * 2, *["PUT manifest"] * 2]
    )


async def test_the_same_blob_is_moved_once_however_many_want_it(line: Line) -> None:
    made = [variant(str(number)) for number in range(8)]
    shared = {digest for digest in made[0].blobs if digest != made[0].config_digest}

    async with asyncio.TaskGroup() as group:
        copies = [
            group.create_task(line.copy(each, name=f"team{number % 4}/image", tag=str(number)))
            for number, each in enumerate(made)
        ]

    assert sum(copy.result().bytes_moved for copy in copies) == sum(
        map(len, {digest: blob for each in made for digest, blob in each.blobs.items()}.values())
    )
    asked = line.asked(line.target.host)
    assert asked.count("PUT upload") == len(shared) + len(made)
    assert asked.count("POST mount") == len(shared) * 3
    assert asked.count("POST upload") + asked.count("POST mount from itself") == len(shared) + len(made)
    for number, each in enumerate(made):
        assert manifest_at(line.target.url, f"m/team{number % 4}/image", str(number)).digest == each.digest


async def test_who_moves_and_is_cancelled_hands_over(line: Line) -> None:
    made = variant("first")
    push(line.source.url, "a/image", "1", made)
    proxy = await FaultyProxy(line.source.url).start()
    gate = proxy.hold("GET .*/blobs/")
    try:
        first, second = (
            asyncio.create_task(line.copy_digest(made.digest, "all", tag=tag, source=proxy.host)) for tag in "12"
        )
        await proxy.stalled.wait()
        first.cancel()
        await asyncio.wait([first])
        gate.set()
        copied = await second
    finally:
        await proxy.stop()

    assert first.cancelled()
    assert (copied.digest, copied.bytes_moved) == (made.digest, blobs_of(made))


@pytest.mark.parametrize("links_only", [True, False])
async def test_what_the_target_has_lost_is_brought_again(
    line: Line, ledger: InMemoryBlobLedger, links_only: bool
) -> None:
    """By a garbage collection or a user: the wrong record is dropped, and no tag fails."""
    amd64, arm64 = variant("one"), variant("two", platform="linux/arm64")
    await line.copy(index([amd64, arm64]))
    lost = [*amd64.blobs, amd64.digest]
    collect(line.target, "m/a/image", lost, links_only=links_only)

    copied = await line.copy(index([arm64, amd64]), tag="2")

    assert copied.identical
    assert manifest_at(line.target.url, "m/a/image", amd64.digest).digest == amd64.digest
    assert "m/a/image" in ledger.held[line.target.host, "blob", amd64.config_digest]


async def test_what_another_repository_has_lost_is_brought_again(line: Line, ledger: InMemoryBlobLedger) -> None:
    made = variant("first")
    await line.copy(made)
    collect(line.target, "m/a/image", made.blobs)

    copied = await line.copy(made, name="b/image")

    assert copied.bytes_moved == blobs_of(made)
    assert line.client.capabilities(line.target.host).mounts
    assert ledger.held[line.target.host, "blob", made.config_digest] == {"m/b/image"}


async def test_a_registry_that_mounts_nothing_is_not_asked_again(line: Line, ledger: InMemoryBlobLedger) -> None:
    proxy = await FaultyProxy(line.target.url).start()

    async def begin_instead(request: web.Request) -> web.StreamResponse:
        return await proxy.pass_on(request.clone(rel_url=request.path))

    proxy.fail("POST .*/blobs/uploads/$", begin_instead)
    made = variant("first", BASE)  # one layer, so that no two mounts go out at once
    try:
        for name in ("a/image", "b/image", "c/image"):
            push(line.source.url, name, "1", made)
            copied = await line.copy_digest(made.digest, name=name, target=proxy.host)
            assert copied.bytes_moved == blobs_of(made)
    finally:
        await proxy.stop()

    assert set(ledger.cannot[proxy.host]) == {"mounts"}
    assert line.asked(proxy.host).count("POST mount") <= 2  # of the layer, and of the config beside it


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_mount_that_fails_is_no_mount_and_no_finding(
    line: Line, ledger: InMemoryBlobLedger, status: int
) -> None:
    proxy = await FaultyProxy(line.target.url).start()

    async def fail_mounts(request: web.Request) -> web.StreamResponse:
        if "mount" in request.query:
            return web.Response(status=status)
        return await proxy.pass_on(request)

    proxy.fail("POST .*/blobs/uploads/$", fail_mounts)
    made = variant("first", BASE)
    try:
        for name in ("a/image", "b/image"):
            push(line.source.url, name, "1", made)
            copied = await line.copy_digest(made.digest, name=name, target=proxy.host)
            assert copied.identical
            assert copied.bytes_moved == blobs_of(made)
    finally:
        await proxy.stop()

    assert not ledger.cannot[proxy.host]
    assert line.asked(proxy.host).count("POST mount") > 0


async def test_a_record_that_cannot_be_used_costs_requests_and_no_tag(
    line: Line, ledger: InMemoryBlobLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    for name in (
        "holders",
        "remember",
        "forget",
        "missing_capabilities",
        "note_missing_capability",
        "forget_missing_capability",
    ):
        monkeypatch.setattr(ledger, name, fail)

    for tag in "12":
        assert (await line.copy(variant("first"), tag=tag)).identical
