"""The selection of images from a source's index, within limits."""

import json
from collections.abc import AsyncIterator

import pytest

from ferryman.errors import Unsupported
from ferryman.manifests.limits import MAX_INDEX_DEPTH, MAX_MANIFESTS
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Repository
from ferryman.transports.engine.platform_selection import SelectedImage, choose
from tests.support import images
from tests.support.faulty import Faulty, says
from tests.support.images import OCI_MANIFEST, Image, Index, digest_of
from tests.support.transports import NATIVE, open_client

AMD64, ARM64 = images.image([]), images.image([], platform="linux/arm64")


class Source:
    """A repository of manifests."""

    def __init__(self, server: Faulty) -> None:
        self.server = server

    def serve(self, what: Image | Index) -> Image | Index:
        for method in ("HEAD", "GET"):
            self.server.on(
                f"{method} /v2/a/b/manifests/{what.digest}",
                says(200, what.manifest, Content_Type=what.media_type, Docker_Content_Digest=what.digest),
            )
        if isinstance(what, Image):
            for digest, blob in what.blobs.items():
                self.server.on(f"GET /v2/a/b/blobs/{digest}", says(200, blob))
        return what

    async def choose(self, what: Image | Index, wanted: str = "linux") -> list[SelectedImage]:
        client = open_client()
        source = Repository(self.server.host, "a/b").pinned(what.digest)
        try:
            return await choose(client, source, Platforms.parse(wanted), NATIVE)
        finally:
            await client.aclose()

    def nested(self, levels: int) -> Image | Index:
        """An image in this many nested indexes."""
        found: Image | Index = self.serve(AMD64)
        for _ in range(levels):
            found = self.serve(images.index([found]))
        return found


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    async with Faulty() as server:
        yield Source(server)


async def test_indexes_may_be_nested_up_to_the_limit(source: Source) -> None:
    [chosen] = await source.choose(source.nested(MAX_INDEX_DEPTH))

    assert (chosen.reference.digest, chosen.platform) == (AMD64.digest, NATIVE)


async def test_indexes_nested_deeper_are_refused(source: Source) -> None:
    with pytest.raises(Unsupported, match=f"nests more than {MAX_INDEX_DEPTH} indexes"):
        await source.choose(source.nested(MAX_INDEX_DEPTH + 1))


async def test_as_many_manifests_as_the_limit_are_read(source: Source) -> None:
    listed = source.serve(images.index([AMD64] * MAX_MANIFESTS))

    assert len(await source.choose(listed)) == 1


async def test_more_manifests_are_refused(source: Source) -> None:
    listed = source.serve(images.index([AMD64] * (MAX_MANIFESTS + 1)))

    with pytest.raises(Unsupported, match=f"lists more than {MAX_MANIFESTS} manifests"):
        await source.choose(listed)


async def test_indexes_that_all_list_one_another_do_not_multiply(source: Source) -> None:
    """If indexes did not count, there would be 40 x 40 x 40 requests without a single image."""
    level: Image | Index = source.serve(images.index([]))
    for _ in range(3):
        level = source.serve(images.index([level] * 40))

    with pytest.raises(Unsupported, match="manifests"):
        await source.choose(level)
    assert len(source.server.asked) < 2 * MAX_MANIFESTS


@pytest.mark.parametrize("config", [b"", b"[]", b"{}", b'{"os": "linux"}', b'{"os": 5, "architecture": "amd64"}'])
async def test_a_child_whose_config_names_no_platform_is_no_choice(source: Source, config: bytes) -> None:
    described = {"mediaType": "x/y", "digest": digest_of(config), "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": []}
    silent = Image(json.dumps(manifest).encode(), OCI_MANIFEST, {digest_of(config): config})
    listed = source.serve(images.index([source.serve(silent), source.serve(ARM64)]))

    chosen = await source.choose(listed)

    assert [each.platform for each in chosen] == [Platform.parse("linux/arm64")]


async def test_a_platform_that_the_index_does_not_name_is_read_from_the_config(source: Source) -> None:
    v7 = images.image([], platform="linux/arm/v7")
    source.serve(v7)
    listed = source.serve(images.index([Image(v7.manifest, v7.media_type, v7.blobs)]))

    [chosen] = await source.choose(listed)

    assert chosen.described == {"os": "linux", "architecture": "arm", "variant": "v7"}
