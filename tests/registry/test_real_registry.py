"""The client against a real docker-registry, with and without a login."""

import asyncio
from collections.abc import Callable

import pytest

from ferryman.errors import Denied, LoginRefused, NotFound, Unreachable
from ferryman.manifests.manifest import Manifest
from ferryman.reference import Repository
from ferryman.registry.client import Stored
from tests.registry.conftest import Connect
from tests.support.images import OCI_INDEX, image, index, layer, push
from tests.support.processes import RegistryServer

StartRegistry = Callable[..., RegistryServer]


async def test_without_a_login(start_registry: StartRegistry, connect: Connect) -> None:
    server = start_registry()
    children = [image([layer({"a": b"1"})], platform=platform) for platform in ("linux/amd64", "linux/arm64")]
    whole = index(children)
    await asyncio.to_thread(push, server.url, "team/app", "1", whole)
    client, repository = connect(), Repository(server.host, "team/app")

    described = await client.head_manifest(repository.tagged("1"))
    assert (described.digest, described.media_type, described.size) == (whole.digest, OCI_INDEX, len(whole.manifest))
    manifest = await client.get_manifest(repository.pinned(whole.digest))
    assert manifest == Manifest(whole.manifest, OCI_INDEX, whole.digest)
    config = children[0].config_digest
    assert await client.get_blob(repository, config) == children[0].blobs[config]
    stored = await client.put_manifest(repository.tagged("2"), manifest)
    assert stored == Stored(whole.digest, confirmed=True)
    assert (await client.head_manifest(repository.tagged("2"))).digest == whole.digest
    assert [set(names) async for names in client.list_tags(repository)] == [{"1", "2"}]
    with pytest.raises(NotFound):
        await client.head_manifest(repository.tagged("3"))
    with pytest.raises(NotFound, match="NAME_UNKNOWN"):
        await client.get_tags_document(Repository(server.host, "no/such"))
    assert await client.log_in(server.host) == f"{server.host} answers, without a login"


async def test_with_a_login(start_registry: StartRegistry, connect: Connect) -> None:
    server = start_registry(login=("robot$me", "pass:word"))
    made = image([layer({"a": b"1"})])
    repository = Repository(server.host, "team/app")
    client = connect(logins={server.host: ("robot$me", "pass:word")})
    assert await client.log_in(server.host) == f"logged in to {server.host} as robot$me"
    with pytest.raises(NotFound):
        await client.get_manifest(repository.tagged("1"))

    stranger = connect()
    with pytest.raises(Denied, match=f"docker login {server.host}"):
        await stranger.get_manifest(repository.tagged("1"))
    with pytest.raises(LoginRefused, match="there is none"):
        await stranger.put_manifest(repository.tagged("1"), Manifest(made.manifest, made.media_type, made.digest))

    wrong = connect(logins={server.host: ("robot$me", "wr0ng")})
    with pytest.raises(LoginRefused) as raised:
        await wrong.head_manifest(repository.tagged("1"))
    assert "wr0ng" not in str(raised.value)


async def test_a_registry_that_was_stopped(start_registry: StartRegistry, connect: Connect) -> None:
    server = start_registry()
    server.stop()
    with pytest.raises(Unreachable, match="cannot connect"):
        await connect().log_in(server.host)
