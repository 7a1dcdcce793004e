"""The result of a direct copy at the target: unchanged bytes, or an index of the wanted platforms."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from ferryman.errors import NoSuchPlatform, NotFound, Unsupported, WrongContent
from tests.support.faulty import Faulty, says
from tests.support.images import (
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
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
from tests.support.processes import RegistryServer
from tests.support.transports import DirectTransports, Progress, manifest_at, pinned, tagged, tags_at
from tests.transports.line import Line

StartRegistry = Callable[..., RegistryServer]


def fresh(platform: str = "linux/amd64", *, docker: bool = False) -> Image:
    return image([layer({"file": os.urandom(2000)})], platform=platform, docker=docker)


def artifact(
    config: bytes, layers: Mapping[bytes, str], *, config_type: str, media_type: str = OCI_MANIFEST, **more: Any
) -> Image:
    """An OCI artifact: layers by content, with their media types."""
    descriptors = [
        {"mediaType": kind, "digest": digest_of(content), "size": len(content)} for content, kind in layers.items()
    ]
    manifest = {
        "schemaVersion": 2, "mediaType": media_type,
        "config": {"mediaType": config_type, "digest": digest_of(config), "size": len(config)},
        "layers": descriptors, **more,
    }  # fmt: skip
    return Image(json.dumps(manifest).encode(), media_type, {digest_of(blob): blob for blob in (config, *layers)})


def attested(*platforms: str) -> tuple[Index, list[Image], list[Image]]:
    """An index of images with an attestation for each."""
    images = [fresh(platform) for platform in platforms]
    made = [attestation(each) for each in images]
    annotations = {len(images) + position: described for position, (_, described) in enumerate(made)}
    return index([*images, *(each for each, _ in made)], annotations=annotations), images, [each for each, _ in made]


def children(line: Line, selector: str = "1") -> list[str]:
    return [child["digest"] for child in manifest_at(line.target.url, "m/a/image", selector).document["manifests"]]


CHART = artifact(
    b'{"name":"chart","version":"1.0.0","apiVersion":"v2"}',
    {b"a packed chart": "application/vnd.cncf.helm.chart.content.v1.tar+gzip"},
    config_type="application/vnd.cncf.helm.config.v1+json",
)
WASM = artifact(
    b'{"architecture":"wasm","os":"wasip1"}',
    {b"\0asm": "application/wasm"},
    config_type="application/vnd.wasm.config.v0+json",
)
EMPTY_CONFIG = artifact(
    b"{}",
    {b"weights": "application/vnd.example.model"},
    config_type="application/vnd.oci.empty.v1+json",
    artifactType="application/vnd.example.model",
)
ZSTD = artifact(
    b'{"architecture":"amd64","os":"linux"}',
    {b"\x28\xb5\x2f\xfd layer": "application/vnd.oci.image.layer.v1.tar+zstd"},
    config_type="application/vnd.oci.image.config.v1+json",
)


@pytest.mark.parametrize(
    "what",
    [
        fresh(), fresh(docker=True), index([fresh(), fresh("linux/arm64")]),
        index([fresh(docker=True), fresh("linux/arm64", docker=True)], docker=True), attested("linux/amd64")[0],
        index([index([fresh(), index([fresh("linux/arm64")])]), fresh("linux/s390x")]),
        CHART, WASM, EMPTY_CONFIG, ZSTD,
    ],
    ids=["oci", "docker", "index", "list", "attested", "nested", "chart", "wasm", "empty config", "zstd"],
)  # fmt: skip
@pytest.mark.parametrize("platforms", [None, "all"])
async def test_copies_byte_for_byte(line: Line, what: Image | Index, platforms: str | None) -> None:
    copied = await line.copy(what, platforms)

    found = manifest_at(line.target.url, "m/a/image", "1")
    assert (copied.digest, copied.identical, copied.confirmed) == (what.digest, True, True)
    assert (found.digest, found.media_type) == (what.digest, what.media_type)
    assert copied.degraded is None


async def test_writing_that_no_serialiser_would_give_stays(line: Line) -> None:
    made = fresh()
    odd = Image(b"\n  " + made.manifest.replace(b": ", b" :  ") + b"\n\n", made.media_type, made.blobs)

    assert (await line.copy(odd)).digest == odd.digest


async def test_leaves_other_systems_out_and_what_is_attested_of_them(line: Line) -> None:
    whole, (amd64, _, arm64), (first, _, third) = attested("linux/amd64", "windows/amd64", "linux/arm64")

    copied = await line.copy(whole)

    assert not copied.identical
    assert children(line) == [amd64.digest, arm64.digest, first.digest, third.digest]
    assert copied.digest == manifest_at(line.target.url, "m/a/image", "1").digest
    rebuilt, original = manifest_at(line.target.url, "m/a/image", "1").document, json.loads(whole.manifest)
    kept = [entry for entry in original["manifests"] if entry["digest"] in children(line)]
    assert rebuilt == {**original, "manifests": kept}


async def test_everything_is_everything(line: Line) -> None:
    whole, _, _ = attested("linux/amd64", "windows/amd64")

    assert (await line.copy(whole, "all")).identical


async def test_a_list_keeps_just_those_and_what_is_attested_of_them(line: Line) -> None:
    whole, (_, arm64, s390x), (_, second, third) = attested("linux/amd64", "linux/arm64", "linux/s390x")

    await line.copy(whole, "linux/arm64,linux/s390x")

    assert children(line) == [arm64.digest, s390x.digest, second.digest, third.digest]


async def test_an_image_that_is_listed_for_two_platforms(line: Line) -> None:
    made, other = fresh("linux/arm"), fresh()
    twice = [
        replace(made, platform={"os": "linux", "architecture": "arm", "variant": variant}) for variant in ("v6", "v7")
    ]
    whole = index([*twice, other])

    assert (await line.copy(whole)).identical
    assert (await line.copy(whole, "linux/arm/v6", tag="2")).digest == made.digest
    assert (await line.copy(whole, "linux/amd64,linux/arm/v6", tag="3")).identical


async def test_native_is_this_machine(line: Line) -> None:
    amd64, arm64 = fresh(), fresh("linux/arm64")

    copied = await line.copy(index([arm64, amd64]), "native")

    assert copied.digest == amd64.digest


async def test_a_nested_index_is_rebuilt_where_it_has_what_is_not_wanted(line: Line) -> None:
    amd64, arm64, windows = fresh(), fresh("linux/arm64"), fresh("windows/amd64")
    inner = index([arm64, windows])

    await line.copy(index([amd64, inner]))

    first, second = children(line)
    assert first == amd64.digest
    assert second != inner.digest
    assert children(line, second) == [arm64.digest]


async def test_what_only_differs_in_its_windows_part_stays_the_same(line: Line) -> None:
    amd64, arm64 = fresh(), fresh("linux/arm64")

    first = await line.copy(index([amd64, arm64, fresh("windows/amd64")]), tag="1")
    second = await line.copy(index([amd64, arm64, fresh("windows/amd64")]), tag="2")

    assert first.digest == second.digest


async def test_an_artifact_in_an_index_is_for_every_platform(line: Line) -> None:
    amd64, windows = fresh(), fresh("windows/amd64")

    await line.copy(index([amd64, windows, CHART]))

    assert children(line) == [amd64.digest, CHART.digest]


@pytest.mark.parametrize("platforms", [None, "linux/arm64"])
async def test_a_single_image_for_another_platform_is_not_copied(line: Line, platforms: str | None) -> None:
    with pytest.raises(NoSuchPlatform, match="windows/amd64"):
        await line.copy(fresh("windows/amd64"), platforms)
    assert tags_at(line.target.url, "m/a/image") == []


async def test_nothing_is_uploaded_for_layers_that_live_elsewhere(line: Line) -> None:
    elsewhere = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest_of(b"somewhere else"), "size": 14, "urls": ["https://example.com/layer"],
    }  # fmt: skip
    made = fresh(docker=True)
    document = json.loads(made.manifest)
    document["layers"].append(elsewhere)
    whole = Image(json.dumps(document).encode(), DOCKER_MANIFEST, made.blobs, made.platform)

    assert (await line.copy(whole)).identical
    assert manifest_at(line.target.url, "m/a/image", "1").document["layers"][-1] == elsewhere


async def test_an_index_without_what_it_lists_is_an_error(line: Line) -> None:
    whole = index([fresh(), arm64 := fresh("linux/arm64")])
    push(line.source.url, "a/image", "1", whole)
    revisions = line.source.folder / "data/docker/registry/v2/repositories/a/image/_manifests/revisions/sha256"
    (revisions / arm64.digest.removeprefix("sha256:") / "link").unlink()

    with pytest.raises(NotFound) as raised:
        await line.copy_digest(whole.digest)
    assert raised.value.registry == line.source.host
    assert tags_at(line.target.url, "m/a/image") == []


async def test_the_same_registry_needs_nothing_but_mounts(line: Line) -> None:
    made = fresh()
    push(line.source.url, "a/image", "1", made)

    copied = await line.copy_digest(made.digest, target=line.source.host)

    assert (copied.digest, copied.bytes_moved) == (made.digest, 0)
    assert line.asked(line.source.host) == ["GET blob", "GET manifest", "POST mount", "POST mount", "PUT manifest"]


class Strange:
    """A source that serves manifests that no registry would accept."""

    def __init__(self, server: Faulty, stack: AsyncExitStack, target: RegistryServer) -> None:
        self._server = server
        self._transport = DirectTransports(stack).open()
        self._target = target

    def serve(self, body: bytes, media_type: str = OCI_INDEX, digest: str | None = None) -> str:
        digest = digest or digest_of(body)
        self._server.on(f"GET /v2/a/image/manifests/{digest}", says(body=body, Content_Type=media_type))
        return digest

    def index(self, *digests: str, media_type: str = OCI_INDEX) -> str:
        return self.serve(
            json.dumps(
                {"schemaVersion": 2, "manifests": [{"mediaType": media_type, "digest": d, "size": 1} for d in digests]}
            ).encode()
        )

    async def copy(self, digest: str, name: str = "a/image") -> None:
        await self._transport.copy(
            pinned(self._server.host, name, digest), tagged(self._target.host, "m/image", "1"), None, Progress()
        )


@pytest.fixture
async def strange(stack: AsyncExitStack, start_registry: StartRegistry) -> Strange:
    return Strange(await stack.enter_async_context(Faulty()), stack, start_registry())


async def test_too_deep_a_nest(strange: Strange) -> None:
    digest = strange.index()
    for _ in range(6):
        digest = strange.index(digest)

    with pytest.raises(Unsupported, match="nests more than 5"):
        await strange.copy(digest)


async def test_too_many_manifests(strange: Strange) -> None:
    digests = [strange.index(*[digest_of(f"{n}".encode())] * 2) for n in range(501)]

    with pytest.raises(Unsupported, match="too many"):
        await strange.copy(strange.index(*digests))


async def test_a_circle(strange: Strange) -> None:
    claimed = digest_of(b"whatever")
    body = json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": OCI_INDEX, "digest": claimed, "size": 1}]})
    strange.serve(body.encode(), digest=claimed)

    with pytest.raises(WrongContent, match="what arrived"):
        await strange.copy(claimed)


@pytest.mark.parametrize(
    "document",
    [
        {"manifests": 1}, {"manifests": [1]}, {"manifests": [{}]}, {"manifests": [{"digest": "sha256:x", "size": 1}]},
        {"manifests": [{"digest": digest_of(b""), "size": -1}]},
        {"manifests": [{"digest": digest_of(b""), "size": "1"}]},
        {"manifests": [{"digest": digest_of(b""), "size": 1, "platform": 3}]}, {"layers": {"a": 1}}, {"layers": [None]},
        {"manifests": [{"digest": digest_of(b""), "size": 1, "platform": {"os": 1, "architecture": "x"}}]},
        {"config": "x"}, {"config": {"digest": "../../etc"}}, {"config": {"digest": digest_of(b""), "size": True}},
        {"layers": [{"digest": digest_of(b""), "size": 1 << 60}]},
    ],
)  # fmt: skip
async def test_nonsense(strange: Strange, document: Mapping[str, Any]) -> None:
    media_type = OCI_INDEX if "manifests" in document else OCI_MANIFEST

    with pytest.raises(WrongContent, match="malformed"):
        await strange.copy(strange.serve(json.dumps({"schemaVersion": 2, **document}).encode(), media_type))


async def test_schema_1(strange: Strange) -> None:
    body = json.dumps({"schemaVersion": 1, "fsLayers": []}).encode()

    with pytest.raises(Unsupported, match="schema 1"):
        await strange.copy(strange.serve(body, "application/vnd.docker.distribution.manifest.v1+prettyjws"))


async def test_a_manifest_beyond_what_registries_keep(strange: Strange) -> None:
    with pytest.raises(WrongContent, match="more than 4194304 bytes"):
        await strange.copy(strange.serve(b'{"layers": [' + b" " * (4 << 20) + b"]}"))


@pytest.mark.parametrize("size", [0, 3, 5, 5 << 20])
async def test_a_layer_of_another_length(strange: Strange, size: int) -> None:
    layer_digest = digest_of(b"four")
    strange._server.on(f"GET /v2/a/image/blobs/{layer_digest}", says(body=b"four"))
    body = {"schemaVersion": 2, "layers": [{"mediaType": OCI_LAYER, "digest": layer_digest, "size": size}]}

    with pytest.raises(WrongContent):
        await strange.copy(strange.serve(json.dumps(body).encode(), OCI_MANIFEST))


@pytest.mark.parametrize("size", [0, 10**6])
async def test_a_config_of_another_length(strange: Strange, size: int) -> None:
    config = b'{"os":"linux","architecture":"amd64"}'
    strange._server.on(f"GET /v2/a/image/blobs/{digest_of(config)}", says(body=config))
    described = {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": size}
    body = {"schemaVersion": 2, "config": described, "layers": []}

    with pytest.raises(WrongContent, match=f"its manifest says {size}"):
        await strange.copy(strange.serve(json.dumps(body).encode(), OCI_MANIFEST))


async def test_all_blobs_are_announced_before_any_progress(line: Line) -> None:
    layers = [layer({"file": os.urandom(300_000 + number)}) for number in range(3)]
    await line.copy(image(layers))
    line.progress.reports.clear()
    made, other = image(layers, created="2026-02-02T00:00:00Z"), fresh("linux/arm64")
    await line.copy(index([made, other]), "all", tag="2")

    reports = line.progress.reports
    whole = made.blobs.keys() | other.blobs.keys()
    assert {part for part, _, _ in reports[: len(whole)]} == {f"copy:{digest[7:19]}" for digest in whole}
    assert {done for _, done, _ in reports[: len(whole)]} == {0}
    ended = {part.partition(":")[2]: (done, total) for part, done, total in reports}
    assert len(ended) == len(whole)
    assert all(done == total for done, total in ended.values())
