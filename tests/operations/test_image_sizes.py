"""The platforms of a mirrored tag and their sizes, at a real registry."""

from collections.abc import AsyncIterator, Callable

import pytest

from ferryman.clock import SystemClock
from ferryman.errors import NotFound
from ferryman.operations.image_sizes import ImageSizes
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.client import RegistryClient
from tests.support import images
from tests.support.processes import RegistryServer

LINUX = images.image([b"one", b"two"], platform="linux/arm/v7")
OTHER = images.image([b"three"], platform="linux/amd64")
ATTESTATION, ANNOTATIONS = images.attestation(OTHER)


def size_of(image: images.Image) -> int:
    return sum(map(len, image.blobs.values()))


@pytest.fixture
async def sizes() -> AsyncIterator[ImageSizes]:
    clock = SystemClock()
    client = RegistryClient(
        hosts={},
        credentials=CredentialStore(explicit={}, clock=clock, environment={}, targets=frozenset()),
        clock=clock,
    )
    yield ImageSizes(client)
    await client.aclose()


async def test_each_platform_of_an_index_has_its_size(
    start_registry: Callable[..., RegistryServer], sizes: ImageSizes
) -> None:
    server = start_registry()
    index = images.index([LINUX, OTHER, ATTESTATION], annotations={2: ANNOTATIONS})
    images.push(server.url, "m/app", "1", index)
    images.push(server.url, "m/app", "2", LINUX)
    target = f"{server.host}/m/app"

    found = await sizes.read(target, index.digest)
    assert [(each.platform, each.digest, each.size, each.layers) for each in found] == [
        ("linux/arm/v7", LINUX.digest, size_of(LINUX), 2),
        ("linux/amd64", OTHER.digest, size_of(OTHER), 1),
    ]
    [single] = await sizes.read(target, LINUX.digest)
    assert (single.platform, single.size) == ("linux/arm/v7", size_of(LINUX))
    with pytest.raises(NotFound):
        await sizes.read(target, images.digest_of(b"nothing"))

    server.stop()
    assert await sizes.read(target, index.digest) == found, "a digest's content never changes: it is not read again"
    assert sizes.kept(target, LINUX.digest) == (single,)
