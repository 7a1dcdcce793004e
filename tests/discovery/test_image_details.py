"""Details from manifests and configs in a real registry."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ferryman.discovery.image_details import platform_digests, read_image_details
from ferryman.errors import NotFound
from ferryman.manifests.limits import MAX_INDEX_DEPTH
from ferryman.platforms import Platform
from ferryman.reference import Reference, Repository
from tests.discovery.conftest import Connect
from tests.support import images
from tests.support.images import Image, Index
from tests.support.processes import RegistryServer

Start = Callable[..., RegistryServer]
AMD64 = images.image([], platform="linux/amd64", created="2024-01-02T03:04:05.123456789Z")
ARM64 = images.image([], platform="linux/arm64", created="2025-01-01T00:00:00Z")


def push(server: RegistryServer, what: Image | Index) -> Reference:
    return Repository.parse(f"{server.host}/a/b").pinned(images.push(server.url, "a/b", "1", what))


async def test_an_image_is_as_old_as_its_config_says(start_registry: Start, connect: Connect) -> None:
    server, client = start_registry(), await connect({})
    moment = datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert (await read_image_details(client, push(server, AMD64))).created_at == moment
    assert (await read_image_details(client, push(server, images.index([AMD64, ARM64])))).created_at == moment
    assert (await read_image_details(client, push(server, images.index([images.index([AMD64])])))).created_at == moment
    assert (
        await read_image_details(client, push(server, images.image([], created="1970-01-01T00:00:00Z")))
    ).created_at is None
    assert (await read_image_details(client, push(server, images.image([], created="yesterday")))).created_at is None


async def test_an_image_is_as_old_as_its_config_says_in_as_many_indexes_as_a_copy_reads(
    start_registry: Start, connect: Connect
) -> None:
    nested: Image | Index = AMD64
    for _ in range(MAX_INDEX_DEPTH):
        nested = images.index([nested])
    server, client = start_registry(), await connect({})
    moment = datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert (await read_image_details(client, push(server, nested))).created_at == moment
    assert (await read_image_details(client, push(server, images.index([nested])))).created_at is None


async def test_an_attestation_that_comes_first_gives_no_age(start_registry: Start, connect: Connect) -> None:
    attestation, annotations = images.attestation(ARM64)
    reference = push(start_registry(), images.index([attestation, ARM64], annotations={0: annotations}))
    assert (await read_image_details(await connect({}), reference)).created_at == datetime(2025, 1, 1, tzinfo=UTC)


async def test_what_is_read_for_the_age_gives_the_platforms_too(start_registry: Start, connect: Connect) -> None:
    server, client = start_registry(), await connect({})
    attestation, annotations = images.attestation(AMD64)
    amd64, arm64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
    index = push(server, images.index([AMD64, ARM64, attestation], annotations={2: annotations}))
    assert (await read_image_details(client, index)).platforms == {amd64: AMD64.digest, arm64: ARM64.digest}
    assert (await read_image_details(client, push(server, ARM64))).platforms == {arm64: ARM64.digest}
    nested = push(server, images.index([images.index([AMD64]), ARM64]))  # an index in an index tells none
    assert (await read_image_details(client, nested)).platforms is None
    only_attested = push(server, images.index([attestation], annotations={0: annotations}))
    assert (await read_image_details(client, only_attested)).platforms is None


async def test_platforms_have_their_digests(start_registry: Start, connect: Connect) -> None:
    server, client = start_registry(), await connect({})
    attestation, annotations = images.attestation(AMD64)
    index = push(server, images.index([AMD64, ARM64, attestation], annotations={2: annotations}, docker=True))
    assert await platform_digests(client, index) == {
        Platform.parse("linux/amd64"): AMD64.digest,
        Platform.parse("linux/arm64"): ARM64.digest,
    }
    assert await platform_digests(client, push(server, ARM64)) == {Platform.parse("linux/arm64"): ARM64.digest}


async def test_what_is_not_there_is_an_error(start_registry: Start, connect: Connect) -> None:
    repository = Repository.parse(f"{start_registry().host}/a/b")
    with pytest.raises(NotFound):
        await platform_digests(await connect({}), repository.tagged("1"))
