"""Temporary local tags for a push, and the user's own tags of the same name."""

import asyncio

import pytest

from ferryman.platforms import Platforms
from tests.support.images import Image, index, push
from tests.support.processes import RegistryServer
from tests.support.transports import DockerTransports, Progress, fresh_image, manifest_at, pinned, tagged
from tests.transports.conftest import Shell, StartProxy
from tests.transports.engine.ledger import InMemoryLedger

LINUX = ("linux/amd64", "linux/arm64")


@pytest.fixture
def users_image(docker: Shell, source: RegistryServer) -> str:
    """The ID of an image that the user has, and that Ferryman never copies."""
    digest = push(source.url, "users", "1", fresh_image())
    docker("pull", "--quiet", f"{source.host}/users@{digest}")
    return docker.image_id(f"{source.host}/users@{digest}")


async def copy(
    transports: DockerTransports, source: RegistryServer, target: str, made: Image, ledger: InMemoryLedger | None = None
) -> str:
    digest = push(source.url, "a/b", "1", made)
    await transports.open(ledger=ledger).copy(
        pinned(source.host, "a/b", digest), tagged(target, "m/b", "1"), None, Progress()
    )
    return f"{source.host}/a/b@{digest}"


async def test_leaves_no_name_of_the_target(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, docker: Shell
) -> None:
    ledger = InMemoryLedger()

    reference = await copy(transports, source, target.host, fresh_image(), ledger)

    assert docker.references(docker.image_id(reference)) == {reference}
    assert {entry.reference for entry in ledger.entries.values()} == {reference}


async def test_leaves_no_name_of_the_target_behind_an_index(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, docker: Shell
) -> None:
    images = [fresh_image(platform=platform) for platform in LINUX]
    digest = push(source.url, "a/b", "1", index(images))

    await transports.open().copy(
        pinned(source.host, "a/b", digest), tagged(target.host, "m/b", "1"), Platforms.parse(LINUX), Progress()
    )

    for made in images:
        assert docker.references(made.config_digest) == {f"{source.host}/a/b@{made.digest}"}


async def test_puts_the_users_tag_back(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, docker: Shell, users_image: str
) -> None:
    docker("tag", users_image, f"{target.host}/m/b:1")

    reference = await copy(transports, source, target.host, fresh_image())

    assert docker.image_id(f"{target.host}/m/b:1") == users_image
    assert docker.references(docker.image_id(reference)) == {reference}
    assert manifest_at(target.url, "m/b", "1").config == docker.image_id(reference)


async def test_leaves_the_users_tag_of_the_very_same_image(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, docker: Shell
) -> None:
    made = fresh_image()
    reference = f"{source.host}/a/b@{push(source.url, 'a/b', '1', made)}"
    docker("pull", "--quiet", reference)
    docker("tag", reference, f"{target.host}/m/b:1")

    await copy(transports, source, target.host, made)

    assert docker.image_id(f"{target.host}/m/b:1") == made.config_digest


async def test_leaves_nothing_behind_when_it_is_cancelled_in_the_push(
    *,
    transports: DockerTransports,
    source: RegistryServer,
    target: RegistryServer,
    docker: Shell,
    users_image: str,
    start_proxy: StartProxy,
) -> None:
    proxy, ledger = await start_proxy(target), InMemoryLedger()
    proxy.hold("POST .*/uploads/")
    docker("tag", users_image, f"{proxy.host}/m/b:1")
    copying = asyncio.ensure_future(copy(transports, source, proxy.host, fresh_image(), ledger))
    await proxy.stalls(copying)

    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying

    assert docker.image_id(f"{proxy.host}/m/b:1") == users_image
    assert {entry.role for entry in ledger.entries.values()} == {"source"}


@pytest.mark.parametrize("the_user_had_one", [True, False])
async def test_tidies_up_after_a_crash(
    *,
    transports: DockerTransports,
    source: RegistryServer,
    target: RegistryServer,
    docker: Shell,
    users_image: str,
    the_user_had_one: bool,
) -> None:
    ledger, name = InMemoryLedger(), f"{target.host}/m/b:1"
    ours = docker.image_id(await copy(transports, source, target.host, fresh_image()))
    await ledger.remember(
        docker("info", "--format", "{{.ID}}"), name, role="target", image_id=ours,
        previous_id=users_image if the_user_had_one else None,
    )  # fmt: skip
    docker("tag", ours, name)

    await transports.open(ledger=ledger).connect()

    assert docker.has(name) == the_user_had_one
    assert not the_user_had_one or docker.image_id(name) == users_image
    assert ledger.entries == {}


async def test_leaves_a_tag_that_the_user_made_after_the_crash(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, docker: Shell, users_image: str
) -> None:
    ledger, name = InMemoryLedger(), f"{target.host}/m/b:1"
    ours = docker.image_id(await copy(transports, source, target.host, fresh_image()))
    await ledger.remember(docker("info", "--format", "{{.ID}}"), name, role="target", image_id=ours)
    docker("tag", users_image, name)

    await transports.open(ledger=ledger).connect()

    assert docker.image_id(name) == users_image
    assert ledger.entries == {}


async def test_leaves_the_tag_of_a_push_that_is_under_way(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, docker: Shell, start_proxy: StartProxy
) -> None:
    proxy, ledger, made = await start_proxy(target), InMemoryLedger(), fresh_image()
    gate, name = proxy.hold("POST .*/uploads/"), f"{proxy.host}/m/b:1"
    copying = asyncio.ensure_future(copy(transports, source, proxy.host, made, ledger))
    await proxy.stalls(copying)

    await transports.open(ledger=ledger).connect()
    assert docker.has(name)

    gate.set()
    await copying
    assert not docker.has(name)
    assert {entry.role for entry in ledger.entries.values()} == {"source"}
