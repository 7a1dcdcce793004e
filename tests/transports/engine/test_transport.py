"""Behaviour of the docker transport alone: the engine itself, and the errors that it reports."""

import asyncio
import json
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ferryman.errors import (
    Denied,
    EngineUnavailable,
    NotFound,
    RateLimited,
    TransferError,
    Unreachable,
    Unsupported,
)
from ferryman.kinds import ImageRole
from ferryman.platforms import Platforms
from ferryman.transports.base import Copied
from ferryman.transports.engine.progress_stream import SilenceLimits
from ferryman.transports.engine.transport import DockerTransport
from tests.support.images import OCI_LAYER, OCI_MANIFEST, Image, digest_of, image, index, layer, push
from tests.support.processes import Engine, RegistryServer, free_port
from tests.support.transports import DockerTransports, Progress, fresh_image, manifest_at, pinned, tagged, tags_at
from tests.transports.conftest import Shell, StartProxy
from tests.transports.engine.ledger import InMemoryLedger


async def copy(
    transport: DockerTransport,
    source: str,
    target: str,
    digest: str,
    wanted: Platforms | None = None,
    *,
    tag: str = "1",
) -> Copied:
    return await transport.copy(pinned(source, "a/b", digest), tagged(target, "m/b", tag), wanted, Progress())


async def test_says_which_engine_it_found(transports: DockerTransports, engine: Engine) -> None:
    description = await transports.open().connect()

    assert description.startswith("Docker Engine ")
    assert f"at {engine.host}, linux/amd64, " in description


async def test_no_socket(transports: DockerTransports, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=rf"unix://{tmp_path}/none: No such file.*set DOCKER_HOST"):
        await transports.open(engine=f"unix://{tmp_path}/none").connect()


async def test_nobody_behind_the_socket(transports: DockerTransports, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(tmp_path / "s"))
    with pytest.raises(EngineUnavailable, match=r"Connection refused; nothing listens there"):
        await transports.open(engine=f"unix://{tmp_path}/s").connect()


async def test_a_directory_in_the_sockets_place(transports: DockerTransports, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=rf"at unix://{tmp_path}: that is a directory: .*set DOCKER_SOCKET"):
        await transports.open(engine=f"unix://{tmp_path}").connect()


async def test_a_file_in_the_sockets_place(transports: DockerTransports, tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    with pytest.raises(EngineUnavailable, match="that is a file, not a socket"):
        await transports.open(engine=f"unix://{tmp_path}/s").connect()


async def test_nobody_behind_the_port(transports: DockerTransports) -> None:
    with pytest.raises(EngineUnavailable, match=r"at tcp://127.0.0.1:\d+: "):
        await transports.open(engine=f"tcp://127.0.0.1:{free_port()}").connect()


async def test_something_else_behind_the_port(transports: DockerTransports, source: RegistryServer) -> None:
    with pytest.raises(EngineUnavailable):
        await transports.open(engine=f"tcp://{source.host}").connect()


async def test_finds_an_engine_over_tcp(
    transports: DockerTransports, engine_over_tcp: str, source: RegistryServer, target: RegistryServer
) -> None:
    made = fresh_image()
    transport = transports.open(engine=f"tcp://{engine_over_tcp}")
    await copy(transport, source.host, target.host, push(source.url, "a/b", "1", made))
    await transport.aclose()  # while the engine can still be reached

    assert manifest_at(target.url, "m/b", "1").config == made.config_digest


async def test_all_platforms_are_more_than_an_engine_can_carry(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer
) -> None:
    digest = push(source.url, "a/b", "1", fresh_image())

    with pytest.raises(Unsupported, match="direct transport"):
        await copy(transports.open(), source.host, target.host, digest, Platforms.parse("all"))


@pytest.mark.parametrize("wanted", [None, Platforms.parse("native")])
async def test_takes_a_single_image_as_it_is(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, wanted: Platforms | None
) -> None:
    made = fresh_image(platform="linux/arm64")

    await copy(transports.open(), source.host, target.host, push(source.url, "a/b", "1", made), wanted)

    assert manifest_at(target.url, "m/b", "1").config == made.config_digest


async def test_takes_the_engines_own_platform_of_an_index(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer
) -> None:
    amd64 = fresh_image()
    digest = push(source.url, "a/b", "1", index([fresh_image(platform="linux/arm64"), amd64]))

    await copy(transports.open(), source.host, target.host, digest)

    assert manifest_at(target.url, "m/b", "1").config == amd64.config_digest


async def test_leaves_out_a_platform_that_the_index_lies_about(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer
) -> None:
    honest, lying = fresh_image(), replace(fresh_image(), platform={"os": "linux", "architecture": "arm64"})
    digest = push(source.url, "a/b", "1", index([lying, honest]))

    await copy(transports.open(), source.host, target.host, digest, Platforms.parse("linux"))

    assert manifest_at(target.url, "m/b", "1").config == honest.config_digest


async def test_takes_the_variant_from_the_index_where_the_config_has_none(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer
) -> None:
    v6 = replace(fresh_image(platform="linux/arm"), platform={"os": "linux", "architecture": "arm", "variant": "v6"})
    digest = push(source.url, "a/b", "1", index([v6, fresh_image(platform="linux/arm/v7")]))

    await copy(transports.open(), source.host, target.host, digest, Platforms.parse("linux"))

    children = manifest_at(target.url, "m/b", "1").document["manifests"]
    assert [child["platform"]["variant"] for child in children] == ["v6", "v7"]


async def test_lets_the_engine_try_where_only_it_may_know_a_way(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    made = fresh_image()
    digest = push(source.url, "a/b", "1", made)
    proxy = await start_proxy(source)
    proxy.answer("HEAD ", 502)

    await copy(transports.open(), proxy.host, target.host, digest)

    assert manifest_at(target.url, "m/b", "1").config == made.config_digest


async def test_goes_to_the_endpoint_and_blames_the_registry(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer
) -> None:
    made = fresh_image()
    digest = push(source.url, "a/b", "1", made)
    transport = transports.open(endpoints={"registry.example": source.url})

    await copy(transport, "registry.example", target.host, digest)
    with pytest.raises(NotFound) as raised:
        await copy(transport, "registry.example", target.host, digest_of(b"nothing"))

    assert manifest_at(target.url, "m/b", "1").config == made.config_digest
    assert raised.value.registry == "registry.example"


async def test_two_tags_of_one_image_are_pulled_once(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    digest = push(source.url, "a/b", "1", fresh_image())
    proxy, transport = await start_proxy(source), transports.open()

    await asyncio.gather(*(copy(transport, proxy.host, target.host, digest, tag=tag) for tag in ("1", "1.2", "latest")))

    assert sorted(tags_at(target.url, "m/b")) == ["1", "1.2", "latest"]
    assert len([line for line in proxy.requests if line.startswith("GET") and "/manifests/" in line]) == 1


async def test_a_helm_chart(transports: DockerTransports, source: RegistryServer, target: RegistryServer) -> None:
    chart = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described("application/vnd.cncf.helm.config.v1+json", b"{}"),
        "layers": [described("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"chart")],
    }
    blobs = {digest_of(blob): blob for blob in (b"{}", b"chart")}
    digest = push(source.url, "a/b", "1", Image(json.dumps(chart).encode(), OCI_MANIFEST, blobs))

    with pytest.raises(Unsupported, match="direct transport"):
        await copy(transports.open(), source.host, target.host, digest)


async def test_zstd_layers(transports: DockerTransports, source: RegistryServer, target: RegistryServer) -> None:
    made = fresh_image()
    packed = b"\x28\xb5\x2f\xfd" + layer({"a": b"a"})  # the magic number is enough for an engine to stumble
    document = json.loads(made.manifest) | {"layers": [described(f"{OCI_LAYER.removesuffix('gzip')}zstd", packed)]}
    repacked = Image(json.dumps(document).encode(), OCI_MANIFEST, {**made.blobs, digest_of(packed): packed})
    digest = push(source.url, "a/b", "1", repacked)

    with pytest.raises(Unsupported, match="zstd"):
        await copy(transports.open(), source.host, target.host, digest)


def described(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(blob), "size": len(blob)}


async def test_schema_1(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(source)
    digest = digest_of(b"old")
    headers = {
        "Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "Docker-Content-Digest": digest,
    }
    proxy.answer("HEAD ", 200, headers=headers)

    with pytest.raises(Unsupported, match="schema 1"):
        await copy(transports.open(), proxy.host, target.host, digest)


async def test_a_stalled_source(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(source)
    proxy.stall("GET .*/blobs/")
    transport = transports.open(silence_limits=SilenceLimits(moving=timedelta(seconds=1)))

    with pytest.raises(Unreachable, match="stalled") as raised:
        await copy(transport, proxy.host, target.host, push(source.url, "a/b", "1", fresh_image()))
    assert raised.value.registry == proxy.host


async def test_a_source_that_asks_to_be_left_alone(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(source)
    proxy.answer("GET .*/blobs/", 429, '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}')
    transport = transports.open()

    with pytest.raises(RateLimited) as raised:
        await copy(transport, proxy.host, target.host, push(source.url, "a/b", "1", fresh_image()))
    assert raised.value.registry == proxy.host
    assert transports.client is not None
    assert transports.client.held_until(proxy.host) is not None


@pytest.mark.parametrize(
    ("request_line", "status", "code", "error", "mend"),
    [
        ("POST .*/uploads/", 403, "DENIED", Denied, "namespace exists"),
        ("POST .*/uploads/", 404, "NAME_UNKNOWN", NotFound, "create the repository"),
        ("PUT .*/manifests/", 400, "TAG_INVALID", Unsupported, "may not be overwritten"),
    ],
)
async def test_a_target_that_refuses(
    *,
    transports: DockerTransports,
    source: RegistryServer,
    target: RegistryServer,
    start_proxy: StartProxy,
    request_line: str,
    status: int,
    code: str,
    error: type[TransferError],
    mend: str,
) -> None:
    proxy = await start_proxy(target)
    message = code.lower().replace("_", " ")
    proxy.answer(request_line, status, json.dumps({"errors": [{"code": code, "message": message}]}))

    with pytest.raises(error, match=mend) as raised:
        await copy(transports.open(), source.host, proxy.host, push(source.url, "a/b", "1", fresh_image()))
    assert raised.value.registry == proxy.host


async def test_pulls_again_what_somebody_pruned_before_the_push(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, docker: Shell
) -> None:
    class Pruned(InMemoryLedger):
        """Prunes the engine at the worst moment: after the pull, before the tag."""

        prunings = 1

        def after_remember(self, role: ImageRole) -> None:
            if role == "target" and self.prunings:
                self.prunings -= 1
                docker("image", "rm", f"{source.host}/a/b@{digest}")

    made = fresh_image()
    digest = push(source.url, "a/b", "1", made)
    ledger = Pruned()

    await copy(transports.open(ledger=ledger), source.host, target.host, digest)

    assert ledger.prunings == 0
    assert manifest_at(target.url, "m/b", "1").config == made.config_digest


@pytest.fixture
def own_engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "e")


async def test_an_engine_that_stops_and_comes_back(
    transports: DockerTransports,
    source: RegistryServer,
    target: RegistryServer,
    start_proxy: StartProxy,
    own_engine: Engine,
) -> None:
    made, ledger = fresh_image(), InMemoryLedger()
    digest = push(source.url, "a/b", "1", made)
    proxy = await start_proxy(target)
    gate = proxy.hold("POST .*/uploads/")
    transport = transports.open(engine=own_engine.start().host, ledger=ledger)
    try:
        copying = asyncio.ensure_future(copy(transport, source.host, proxy.host, digest))
        await proxy.stalls(copying)
        await asyncio.to_thread(own_engine.stop)
        with pytest.raises(EngineUnavailable):
            await copying
        with pytest.raises(EngineUnavailable, match="no Docker Engine at"):
            await copy(transport, source.host, proxy.host, digest)
        gate.set()
        own_engine.start()
        await copy(transport, source.host, proxy.host, digest)

        assert manifest_at(target.url, "m/b", "1").config == made.config_digest
        assert not Shell(own_engine).has(f"{proxy.host}/m/b:1")
        assert {entry.role for entry in ledger.entries.values()} == {"source"}
    finally:
        own_engine.remove()


async def test_uses_the_layers_that_the_engine_has(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    base, transport, proxy = layer({"base": b"base"}), transports.open(), await start_proxy(source)
    for name in (b"one", b"two"):
        digest = push(source.url, "a/b", "1", image([base, layer({"top": name})]))
        await copy(transport, proxy.host, target.host, digest)

    blobs = [line for line in proxy.requests if "/blobs/" in line]
    assert len(set(blobs)) == len(blobs) == 5  # two configs, two tops, one base


async def test_each_of_several_images_is_reported_as_a_step(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer
) -> None:
    made = index([fresh_image(platform=platform) for platform in ("linux/amd64", "linux/arm64")])
    push(source.url, "a/b", "1", made)
    sink = Progress()
    wanted = Platforms.parse("linux/amd64,linux/arm64")
    await transports.open().copy(pinned(source.host, "a/b", made.digest), tagged(target.host, "m/b", "1"), wanted, sink)

    steps = list(dict.fromkeys(part.partition(":")[0] for part, _, _ in sink.reports))
    assert steps == ["1/2 pull", "1/2 push", "2/2 pull", "2/2 push"]


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_an_immutable_tag_that_names_the_image_already(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy, status: int
) -> None:
    made, other = fresh_image(), fresh_image()
    proxy = await start_proxy(target)
    push(source.url, "a/b", "1", made)
    first = await copy(transports.open(), source.host, proxy.host, made.digest)
    error = {"code": "TAG_INVALID", "message": "tag invalid", "detail": "the repository is immutable"}
    proxy.answer("PUT .*/manifests/", status, json.dumps({"errors": [error]}))

    again = await copy(transports.open(), source.host, proxy.host, made.digest)
    assert again.digest == first.digest == manifest_at(target.url, "m/b", "1").digest

    push(source.url, "a/b", "1", other)
    with pytest.raises(TransferError):
        await copy(transports.open(), source.host, proxy.host, other.digest)
    assert manifest_at(target.url, "m/b", "1").digest == first.digest


async def test_an_immutable_tag_that_names_the_same_index_already(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    both = index([fresh_image(), fresh_image(platform="linux/arm64")])
    proxy = await start_proxy(target)
    push(source.url, "a/b", "1", both)
    wanted = Platforms.parse("linux/amd64,linux/arm64")
    first = await copy(transports.open(), source.host, proxy.host, both.digest, wanted)
    proxy.answer("PUT .*/manifests/1$", 409, "{}")

    assert (await copy(transports.open(), source.host, proxy.host, both.digest, wanted)).digest == first.digest
