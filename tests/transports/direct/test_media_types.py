"""A target that refuses OCI types gets the same images in Docker's types, and the copy is reported as degraded."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from ferryman.errors import Unsupported
from tests.support.images import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    Index,
    attestation,
    image,
    index,
    layer,
    push,
)
from tests.support.proxy import FaultyProxy
from tests.support.transports import manifest_at, tags_at
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.line import Line

AMD64, ARM64 = image([layer({"a": b"a"})]), image([layer({"b": b"b"})], platform="linux/arm64")
DEGRADED = "refuses OCI types: converted to Docker's"


class Old:
    """A Line to a registry that accepts only Docker's types."""

    def __init__(self, line: Line, proxy: FaultyProxy) -> None:
        self.line = line
        self.host = proxy.host
        self._proxy = proxy
        self._refused = [OCI_INDEX, OCI_MANIFEST]
        proxy.fail("PUT .*/manifests/", self._answer)

    def refuse(self, *kinds: str) -> None:
        """From now on, refuse only these types."""
        self._refused = list(kinds)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        kind = request.headers["Content-Type"]
        if kind not in self._refused:
            return await self._proxy.pass_on(request)
        error = {"code": "MANIFEST_INVALID", "message": f"unrecognized manifest content type {kind}"}
        return web.json_response({"errors": [error]}, status=400)

    async def copy(
        self, what: Image | Index, platforms: str | None = None, *, tag: str = "1"
    ) -> tuple[str, str | None]:
        """Copy. Returns the digest at the target, and the reason for a degraded copy."""
        push(self.line.source.url, "a/image", tag, what)
        copied = await self.line.copy_digest(what.digest, platforms, tag=tag, target=self.host)
        assert copied.identical is (copied.digest == what.digest)
        return copied.digest, copied.degraded

    def puts(self) -> list[str]:
        """The PUT requests for manifests since the last call."""
        found = [each for each in self._proxy.requests if each.startswith("PUT") and "/manifests/" in each]
        self._proxy.requests.clear()
        return found


@pytest.fixture
async def old(line: Line) -> AsyncIterator[Old]:
    proxy = await FaultyProxy(line.target.url).start()
    yield Old(line, proxy)
    await proxy.stop()


async def test_an_image(old: Old, ledger: InMemoryBlobLedger) -> None:
    digest, degraded = await old.copy(AMD64)

    found, source = manifest_at(old.line.target.url, "m/a/image", "1"), json.loads(AMD64.manifest)
    assert (found.digest, found.media_type) == (digest, DOCKER_MANIFEST)
    assert found.document == {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": source["config"] | {"mediaType": DOCKER_CONFIG},
        "layers": [each | {"mediaType": DOCKER_LAYER} for each in source["layers"]],
    }
    assert degraded == f"{old.host} {DEGRADED}"
    assert set(ledger.cannot[old.host]) == {"takes_oci"}


async def test_an_index_without_its_attestations(old: Old) -> None:
    provenance, annotations = attestation(AMD64)
    digest, degraded = await old.copy(index([AMD64, ARM64, provenance], annotations={2: annotations}))

    found = manifest_at(old.line.target.url, "m/a/image", digest)
    assert found.media_type == DOCKER_LIST
    assert [each["platform"]["architecture"] for each in found.document["manifests"]] == ["amd64", "arm64"]
    for entry in found.document["manifests"]:
        assert entry["mediaType"] == DOCKER_MANIFEST
        assert manifest_at(old.line.target.url, "m/a/image", entry["digest"]).media_type == DOCKER_MANIFEST
    assert degraded == f"{old.host} {DEGRADED} and without attestations"


async def test_it_is_remembered_and_gives_the_same_bytes(old: Old) -> None:
    first, _ = await old.copy(index([AMD64, ARM64]))
    old.puts()

    again, degraded = await old.copy(index([AMD64, ARM64]), tag="2")

    assert (again, degraded) == (first, f"{old.host} {DEGRADED}")
    assert len(old.puts()) == 3  # none in OCI's types


async def test_what_is_dockers_stays_as_it_is(old: Old) -> None:
    await old.copy(AMD64)
    listed = index([image([layer({"d": b"d"})], docker=True)], docker=True)

    assert await old.copy(listed, tag="2") == (listed.digest, None)


def packed(kind: str) -> Image:
    """An image with a layer of another media type."""
    manifest = json.loads(AMD64.manifest)
    manifest["layers"][0]["mediaType"] = kind
    return Image(json.dumps(manifest).encode(), OCI_MANIFEST, AMD64.blobs)


@pytest.mark.parametrize(
    "what",
    [packed("application/vnd.oci.image.layer.v1.tar+zstd"), index([index([AMD64]), ARM64])],
    ids=["zstd", "an index in an index"],
)
async def test_what_dockers_types_cannot_express_is_a_clear_error(old: Old, what: Image | Index) -> None:
    with pytest.raises(Unsupported, match="unrecognized manifest content type"):
        await old.copy(what)  # whatever else it takes: nothing is known of that yet
    assert tags_at(old.line.target.url, "m/a/image") == []

    await old.copy(AMD64, tag="2")
    with pytest.raises(Unsupported, match=r"refuses OCI types, and .* needs them: Docker's") as raised:
        await old.copy(what)
    assert raised.value.registry == old.host


async def test_what_only_oci_types_can_express_is_still_tried(old: Old) -> None:
    """A target that refuses indexes may accept charts."""
    old.refuse(OCI_INDEX)
    both = index([AMD64, ARM64])
    assert (await old.copy(both))[1] == f"{old.host} {DEGRADED}"
    zstd = packed("application/vnd.oci.image.layer.v1.tar+zstd")

    assert await old.copy(zstd, tag="2") == (zstd.digest, None)
