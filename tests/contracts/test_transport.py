"""The contract of Transport, tested for every transport with real registries."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ferryman.errors import LoginRefused, NoSuchPlatform, NotFound, TransferError, Unreachable, WrongContent
from ferryman.platforms import Platforms
from ferryman.transports.base import Copied, Transport
from tests.contracts.conftest import OpenTransport
from tests.support.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_MANIFEST,
    Image,
    Index,
    attestation,
    digest_of,
    image,
    index,
    layer,
    push,
)
from tests.support.processes import RegistryServer, free_port
from tests.support.proxy import FaultyProxy
from tests.support.referrers import refer, referrer, signature
from tests.support.transports import Progress, blob_at, manifest_at, pinned, tagged, tags_at
from tests.support.zuul_registry import Registry, login_of

StartRegistry = Callable[..., RegistryServer]
LINUX = ("linux/amd64", "linux/arm64")


def fresh(*platforms: str, docker: bool = False) -> list[Image]:
    """Images with random content, which no engine has: one per platform."""
    return [image([layer({"file": os.urandom(2000)})], platform=platform, docker=docker) for platform in platforms]


def several(*platforms: str, docker: bool = False) -> tuple[Index, dict[str, Image]]:
    images = fresh(*platforms, docker=docker)
    return index(images, docker=docker), dict(zip(platforms, images, strict=True))


class Pair:
    """A source, a target, and a transport between them."""

    def __init__(self, transport: Transport, source: Registry, target: Registry) -> None:
        self.transport = transport
        self.source = source
        self.target = target
        self.progress = Progress()

    async def copy(self, what: Image | Index, *platforms: str, tag: str = "1", name: str = "a/image") -> Copied:
        digest = push(self.source.url, name, tag, what)
        wanted = Platforms.parse(platforms) if platforms else None
        return await self.copy_digest(digest, wanted, tag=tag, name=name)

    async def copy_digest(
        self, digest: str, wanted: Platforms | None = None, *, tag: str = "1", name: str = "a/image"
    ) -> Copied:
        return await self.transport.copy(
            pinned(self.source.host, name, digest), tagged(self.target.host, f"m/{name}", tag), wanted, self.progress
        )

    def platforms(self, selector: str = "1") -> dict[str, str]:
        """The images in the target's index: platform and config digest of each, read from the configs."""
        found = manifest_at(self.target.url, "m/a/image", selector)
        if "manifests" not in found.document:
            config = blob_at(self.target.url, "m/a/image", found.config)
            return {f"{config['os']}/{config['architecture']}": found.config}
        several: dict[str, str] = {}
        for child in found.document["manifests"]:
            several = self.platforms(child["digest"]) | several  # the first one of a platform is taken
        several.pop("unknown/unknown", None)
        return several


@pytest.fixture(params=["distribution", pytest.param("zuul", marks=pytest.mark.slow)])
def pair(request: pytest.FixtureRequest, open_transport: OpenTransport, start_registry: StartRegistry) -> Pair:
    """A transport to a target that has nothing yet."""
    target: Registry = start_registry() if request.param == "distribution" else request.getfixturevalue("empty_zuul")
    return Pair(open_transport(logins=login_of(target)), start_registry(), target)


@pytest.mark.parametrize("docker", [True, False], ids=["docker", "oci"])
async def test_copies_an_image(pair: Pair, docker: bool) -> None:
    [made] = fresh("linux/amd64", docker=docker)

    copied = await pair.copy(made)

    found = manifest_at(pair.target.url, "m/a/image", "1")
    assert (found.digest, found.config) == (copied.digest, made.config_digest)
    assert copied.identical == (copied.digest == made.digest)
    assert copied.bytes_moved > 0


async def test_copies_the_digest_that_was_seen_although_the_tag_moved_on(pair: Pair) -> None:
    first, second = fresh("linux/amd64", "linux/amd64")
    push(pair.source.url, "a/image", "1", first)
    push(pair.source.url, "a/image", "1", second)

    await pair.copy_digest(first.digest)

    assert manifest_at(pair.target.url, "m/a/image", "1").config == first.config_digest


@pytest.mark.parametrize("platforms", [("linux/amd64",), LINUX], ids=["image", "index"])
async def test_tells_before_it_overwrites_a_tag(pair: Pair, platforms: tuple[str, ...]) -> None:
    """Then the tag still names what it did."""
    old = await pair.copy(fresh("linux/amd64")[0])
    made, _ = several(*LINUX)
    push(pair.source.url, "a/image", "1", made)
    told: list[str | None] = []

    async def overwriting(digest: str | None) -> None:
        assert manifest_at(pair.target.url, "m/a/image", "1").digest == old.digest
        told.append(digest)

    source, target = pinned(pair.source.host, "a/image", made.digest), tagged(pair.target.host, "m/a/image", "1")
    wanted = Platforms.parse(platforms)
    new = await pair.transport.copy(source, target, wanted, pair.progress, overwriting=overwriting)

    assert told in ([new.digest], [None])
    assert manifest_at(pair.target.url, "m/a/image", "1").digest == new.digest != old.digest


async def test_does_not_overwrite_what_it_may_not(pair: Pair) -> None:
    old = await pair.copy(fresh("linux/amd64")[0])
    [made] = fresh("linux/amd64")
    push(pair.source.url, "a/image", "1", made)

    async def overwriting(digest: str | None) -> None:
        raise Unreachable("not now")

    source, target = pinned(pair.source.host, "a/image", made.digest), tagged(pair.target.host, "m/a/image", "1")
    with pytest.raises(Unreachable, match="not now"):
        await pair.transport.copy(source, target, None, pair.progress, overwriting=overwriting)

    assert manifest_at(pair.target.url, "m/a/image", "1").digest == old.digest


async def test_moves_a_tag_that_the_target_has(pair: Pair) -> None:
    first, second = fresh("linux/amd64", "linux/amd64")
    await pair.copy(first)

    copied = await pair.copy(second)

    found = manifest_at(pair.target.url, "m/a/image", "1")
    assert (found.digest, found.config) == (copied.digest, second.config_digest)


async def test_takes_the_one_wanted_platform_as_a_plain_manifest(pair: Pair) -> None:
    made, by_platform = several("linux/amd64", "linux/arm64")

    await pair.copy(made, "linux/arm64")

    assert manifest_at(pair.target.url, "m/a/image", "1").config == by_platform["linux/arm64"].config_digest


@pytest.mark.parametrize("docker", [True, False], ids=["docker", "oci"])
async def test_makes_an_index_of_the_wanted_platforms(pair: Pair, docker: bool) -> None:
    made, by_platform = several("linux/amd64", "linux/arm64", "linux/s390x", docker=docker)

    copied = await pair.copy(made, *LINUX)

    found = manifest_at(pair.target.url, "m/a/image", "1")
    assert found.digest == copied.digest
    assert pair.platforms() == {platform: by_platform[platform].config_digest for platform in LINUX}


async def test_takes_every_linux_platform_and_not_windows(pair: Pair) -> None:
    amd64, arm64, windows = fresh("linux/amd64", "linux/arm64", "windows/amd64")
    provenance, annotations = attestation(amd64)
    digest = push(
        pair.source.url, "a/image", "1", index([amd64, provenance, windows, arm64], annotations={1: annotations})
    )

    await pair.copy_digest(digest, Platforms.parse("linux"))

    assert pair.platforms() == {"linux/amd64": amd64.config_digest, "linux/arm64": arm64.config_digest}


async def test_reads_nested_indexes(pair: Pair) -> None:
    amd64, arm64 = fresh("linux/amd64", "linux/arm64")

    await pair.copy(index([index([amd64]), index([index([arm64])])]), *LINUX)

    assert pair.platforms() == {"linux/amd64": amd64.config_digest, "linux/arm64": arm64.config_digest}


async def test_takes_the_first_of_two_images_for_one_platform(pair: Pair) -> None:
    first, second, other = fresh("linux/amd64", "linux/amd64", "linux/arm64")

    await pair.copy(index([first, second, other]), *LINUX)

    assert pair.platforms() == {"linux/amd64": first.config_digest, "linux/arm64": other.config_digest}


async def test_makes_a_plain_manifest_when_only_one_of_the_wanted_platforms_exists(pair: Pair) -> None:
    made, by_platform = several("linux/amd64", "linux/s390x")

    await pair.copy(made, *LINUX)

    assert manifest_at(pair.target.url, "m/a/image", "1").config == by_platform["linux/amd64"].config_digest


async def test_finds_the_platforms_that_an_index_leaves_out(pair: Pair) -> None:
    silent = [Image(made.manifest, made.media_type, made.blobs) for made in fresh(*LINUX)]

    await pair.copy(index(silent), *LINUX)

    assert pair.platforms() == dict(zip(LINUX, (made.config_digest for made in silent), strict=True))


@pytest.mark.parametrize("platforms", [("linux/amd64",), ("linux/amd64", "linux/s390x")])
async def test_refuses_an_index_without_a_wanted_platform(pair: Pair, platforms: tuple[str, ...]) -> None:
    made, _ = several("linux/arm64", "linux/ppc64le")

    with pytest.raises(NoSuchPlatform, match=r"linux/arm64, linux/ppc64le"):
        await pair.copy(made, *platforms)
    assert tags_at(pair.target.url, "m/a/image") == []


async def test_refuses_a_single_image_of_another_platform(pair: Pair) -> None:
    [made] = fresh("linux/arm64")

    with pytest.raises(NoSuchPlatform, match="linux/arm64"):
        await pair.copy(made, "linux/amd64")
    assert tags_at(pair.target.url, "m/a/image") == []


async def test_reuses_what_the_target_has(pair: Pair) -> None:
    base = layer({"base": os.urandom(200_000)})
    await pair.copy(image([base, layer({"a": b"a"})]), tag="a")

    copied = await pair.copy(image([base, layer({"b": b"b"})]), tag="b")

    assert copied.bytes_reused >= 200_000
    assert copied.bytes_moved < 200_000


async def test_copies_again_to_the_same_digest(pair: Pair) -> None:
    made, _ = several(*LINUX)
    first = await pair.copy(made, *LINUX)

    again = await pair.copy(made, *LINUX)

    assert again.digest == first.digest
    assert again.bytes_moved == 0


async def test_copies_many_tags_at_once(pair: Pair) -> None:
    shared = layer({"base": os.urandom(50_000)})
    made = {f"{n}": image([shared, layer({"n": b"%d" % n})]) for n in range(8)}
    made["latest"] = made["7"]

    async with asyncio.TaskGroup() as group:
        for tag, each in made.items():
            group.create_task(pair.copy(each, tag=tag))

    found = {tag: manifest_at(pair.target.url, "m/a/image", tag).config for tag in made}
    assert found == {tag: each.config_digest for tag, each in made.items()}


async def test_copies_many_indexes_of_one_repository_at_once(pair: Pair) -> None:
    made = {f"{n}": several(*LINUX) for n in range(4)}

    async with asyncio.TaskGroup() as group:
        for tag, (each, _) in made.items():
            group.create_task(pair.copy(each, *LINUX, tag=tag))

    for tag, (_, by_platform) in made.items():
        assert pair.platforms(tag) == {platform: by_platform[platform].config_digest for platform in LINUX}


async def test_brings_nothing_of_what_refers_to_an_image_unless_asked(pair: Pair) -> None:
    [made] = fresh("linux/amd64")
    push(pair.source.url, "a/image", "1", made)
    refer(pair.source.url, "a/image", made, referrer(made))
    push(pair.source.url, "a/image", *signature(made))

    await pair.copy(made)

    assert tags_at(pair.target.url, "m/a/image") == ["1"]


async def test_reports_its_progress(pair: Pair) -> None:
    await pair.copy(image([layer({"file": os.urandom(300_000)})]))

    assert pair.progress.reports
    for _, done, total in pair.progress.reports:
        assert total is None or 0 <= done <= total
    assert max(done for _, done, _ in pair.progress.reports) >= 300_000


async def test_a_missing_source(pair: Pair) -> None:
    push(pair.source.url, "a/image", "1", fresh("linux/amd64")[0])

    with pytest.raises(NotFound) as raised:
        await pair.copy_digest(digest_of(b"never pushed"))
    assert raised.value.registry == pair.source.host


async def test_a_corrupt_layer(pair: Pair) -> None:
    [made] = fresh("linux/amd64")
    digest = push(pair.source.url, "a/image", "1", made)
    damage(pair.source.folder, next(blob for blob in made.blobs if blob != made.config_digest))

    with pytest.raises(WrongContent) as raised:
        await pair.copy_digest(digest)
    assert raised.value.registry == pair.source.host
    assert tags_at(pair.target.url, "m/a/image") == []


def damage(folder: Path, digest: str) -> None:
    """Change the last byte of a blob in the registry's storage."""
    hexadecimal = digest.removeprefix("sha256:")
    [blob] = folder.glob(f"data/**/sha256/{hexadecimal[:2]}/{hexadecimal}/data")
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


async def test_a_wrong_password_at_the_target(open_transport: OpenTransport, start_registry: StartRegistry) -> None:
    source, target = start_registry(), start_registry(login=("me", "right"))
    pair = Pair(open_transport(logins={target.host: ("me", "wrong")}), source, target)

    with pytest.raises(LoginRefused) as raised:
        await pair.copy(fresh("linux/amd64")[0])
    assert raised.value.registry == target.host
    assert "wrong" not in str(raised.value)


async def test_logs_in_at_both_ends(open_transport: OpenTransport, start_registry: StartRegistry) -> None:
    source, target = start_registry(), start_registry(login=("me", "right"))
    pair = Pair(open_transport(logins={target.host: ("me", "right")}), source, target)
    made, _ = several(*LINUX)

    copied = await pair.copy(made, *LINUX)
    back = Pair(open_transport(logins={target.host: ("me", "right")}), target, source)
    copied_back = await back.transport.copy(
        pinned(target.host, "m/a/image", copied.digest), tagged(source.host, "back", "1"), None, Progress()
    )

    assert manifest_at(source.url, "back", "1").digest == copied_back.digest


async def test_an_unreachable_target(open_transport: OpenTransport, start_registry: StartRegistry) -> None:
    source, nowhere = start_registry(), f"127.0.0.1:{free_port()}"
    digest = push(source.url, "a/image", "1", fresh("linux/amd64")[0])

    with pytest.raises(Unreachable) as raised:
        await open_transport().copy(
            pinned(source.host, "a/image", digest), tagged(nowhere, "m/a", "1"), None, Progress()
        )
    assert raised.value.registry == nowhere


async def test_cancelling_stops_at_once_and_leaves_the_target_alone(
    open_transport: OpenTransport, start_registry: StartRegistry
) -> None:
    source, target = start_registry(), start_registry()
    [made] = fresh("linux/amd64")
    digest = push(source.url, "a/image", "1", made)
    proxy = await FaultyProxy(source.url).start()
    try:
        proxy.drip("GET .*/blobs/")
        copying = asyncio.ensure_future(
            open_transport().copy(
                pinned(proxy.host, "a/image", digest), tagged(target.host, "m/a/image", "1"), None, Progress()
            )
        )
        await proxy.stalls(copying)
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        async with asyncio.timeout(30):
            await proxy.abandoned.wait()
    finally:
        await proxy.stop()
    assert tags_at(target.url, "m/a/image") == []


async def test_a_failed_platform_fails_the_tag_and_not_half_of_it(pair: Pair) -> None:
    made, by_platform = several(*LINUX)
    before = await pair.copy(several(*LINUX)[0], *LINUX)
    digest = push(pair.source.url, "a/image", "1", made)
    arm64 = by_platform["linux/arm64"]
    damage(pair.source.folder, next(blob for blob in arm64.blobs if blob != arm64.config_digest))

    with pytest.raises(TransferError):
        await pair.copy_digest(digest, Platforms.parse(LINUX))
    assert manifest_at(pair.target.url, "m/a/image", "1").digest == before.digest


async def test_keeps_the_kind_of_index_that_its_children_have(pair: Pair) -> None:
    made, _ = several(*LINUX, docker=True)

    await pair.copy(made, *LINUX)

    found = manifest_at(pair.target.url, "m/a/image", "1")
    assert found.media_type == DOCKER_LIST
    assert {child["mediaType"] for child in found.document["manifests"]} <= {DOCKER_MANIFEST, OCI_MANIFEST}
