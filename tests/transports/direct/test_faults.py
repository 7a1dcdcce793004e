"""Faults at the source and at the target of a direct copy, injected by a proxy in front of a real registry."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from ferryman.errors import TransferError, Unsupported
from ferryman.transports.base import Copied
from tests.support.images import Image, Index, attestation, image, index, layer, push
from tests.support.proxy import Fault, FaultyProxy
from tests.support.transports import manifest_at, tags_at
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.line import Line

LARGE = image([layer({"file": os.urandom(5_000_000)})])
LAYER = next(digest for digest in LARGE.blobs if digest != LARGE.config_digest)
SIZE = len(LARGE.blobs[LAYER])
REFUSED = "denied: unknown manifest class for application/vnd.oci.empty.v1+json"  # Aliyun's


class ProxiedLine:
    """A Line with a proxy in front of each registry."""

    def __init__(self, line: Line, source: FaultyProxy, target: FaultyProxy) -> None:
        self.line = line
        self.source = source
        self.target = target

    async def copy(self, what: Image | Index, platforms: str | None = None, *, tag: str = "1") -> Copied:
        push(self.line.source.url, "a/image", tag, what)
        return await self.line.copy_digest(
            what.digest, platforms, tag=tag, source=self.source.host, target=self.target.host
        )

    def digest(self, tag: str = "1") -> str:
        return manifest_at(self.line.target.url, "m/a/image", tag).digest


@pytest.fixture
async def between(line: Line) -> AsyncIterator[ProxiedLine]:
    async with AsyncExitStack() as stack:
        proxies = [await FaultyProxy(server.url).start() for server in (line.source, line.target)]
        for proxy in proxies:
            stack.push_async_callback(proxy.stop)
        yield ProxiedLine(line, *proxies)


def first(proxy: FaultyProxy, fault: Fault, *, times: int = 1, size: int | None = None) -> Fault:
    """The fault for the first requests (with a body of this size); the others pass."""
    left = times

    async def respond(request: web.Request) -> web.StreamResponse:
        nonlocal left
        if size is not None and request.content_length != size:
            return await proxy.pass_on(request)
        left -= 1
        return await (fault(request) if left >= 0 else proxy.pass_on(request))

    return respond


async def half_an_answer(request: web.Request) -> web.StreamResponse:
    """Answer with the first half of the large layer."""
    response = web.StreamResponse(headers={"Content-Length": str(SIZE)})
    await response.prepare(request)
    await response.write(LARGE.blobs[LAYER][: SIZE // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def half_a_request(request: web.Request) -> web.StreamResponse:
    """Closes the connection while the body arrives."""
    taken = 0
    while taken < SIZE // 2:
        taken += len(await request.content.readany())
    return cut(request)


def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_a_cut_download_goes_on_in_the_middle_of_the_upload(between: ProxiedLine) -> None:
    between.source.fail(f"GET .*/blobs/{LAYER}", first(between.source, half_an_answer))

    copied = await between.copy(LARGE)

    assert copied.identical
    assert copied.bytes_moved == sum(map(len, LARGE.blobs.values()))
    assert between.source.requests.count(f"GET /v2/a/image/blobs/{LAYER}") == 2
    assert len([each for each in between.target.requests if each.startswith("PUT") and "uploads" in each]) == 2


async def test_a_cut_upload_is_begun_again(between: ProxiedLine) -> None:
    between.target.fail("PUT .*/uploads/", first(between.target, half_a_request, times=2, size=SIZE))

    assert (await between.copy(LARGE)).identical
    assert between.digest() == LARGE.digest


async def test_a_layer_that_is_not_what_it_should_be_is_never_committed(between: ProxiedLine) -> None:
    async def damaged(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(100) + LARGE.blobs[LAYER][100:])

    between.source.fail(f"GET .*/blobs/{LAYER}", damaged)

    with pytest.raises(TransferError, match="what arrived is") as raised:
        await between.copy(LARGE)

    assert raised.value.registry == between.source.host
    assert raised.value.temporary
    assert tags_at(between.line.target.url, "m/a/image") == []
    assert any(each.startswith("DELETE") for each in between.target.requests)
    kept = between.line.target.folder.glob("data/docker/registry/v2/repositories/*/*/*/_layers/sha256/*")
    assert LAYER.removeprefix("sha256:") not in {path.name for path in kept}


def attested() -> tuple[Index, Image, Image]:
    one, two = image([layer({"a": b"a"})]), image([layer({"b": b"b"})], platform="linux/arm64")
    provenance, annotations = attestation(one)
    return index([one, two, provenance], annotations={2: annotations}), one, two


@pytest.mark.parametrize("where", ["attestation", "index"])
async def test_attestations_that_are_refused_are_left_out_loudly(
    between: ProxiedLine, ledger: InMemoryBlobLedger, where: str
) -> None:
    whole, one, two = attested()

    async def refuse(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        refused = b"in-toto" if where == "attestation" else b"attestation-manifest"
        if refused not in body:
            return await between.target.pass_on(request)
        return web.json_response({"errors": [{"code": "DENIED", "message": REFUSED}]}, status=403)

    between.target.fail("PUT .*/manifests/", refuse)

    copied = await between.copy(whole)

    assert (copied.digest, copied.identical) == (between.digest(), False)
    children = [
        child["digest"] for child in manifest_at(between.line.target.url, "m/a/image", "1").document["manifests"]
    ]
    assert children == [one.digest, two.digest]
    assert copied.degraded == f"{between.target.host} refuses attestations: the index was rebuilt without them"
    assert set(ledger.cannot[between.target.host]) == {"takes_attestations"}

    between.target.requests.clear()
    again = await between.copy(whole, tag="2")
    assert again.degraded == copied.degraded
    assert [each for each in between.target.requests if each.startswith("PUT")] == ["PUT /v2/m/a/image/manifests/2"]


async def test_another_refusal_of_an_index_is_no_matter_of_attestations(between: ProxiedLine) -> None:
    whole, _, _ = attested()
    between.target.answer(
        "PUT .*/manifests/1$", 400, json.dumps({"errors": [{"code": "MANIFEST_INVALID", "message": "no such types"}]})
    )

    with pytest.raises(Unsupported, match="no such types"):
        await between.copy(whole)
