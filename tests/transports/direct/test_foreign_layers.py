"""Foreign layers: not copied, unless the target requires them."""

import json
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from ferryman.errors import NotFound
from ferryman.reference import Repository
from tests.support.faulty import Faulty, Handler, says
from tests.support.images import DOCKER_MANIFEST, Image, digest_of, image, layer, push
from tests.support.proxy import FaultyProxy
from tests.support.transports import manifest_at
from tests.transports.conftest import StartProxy
from tests.transports.line import Line

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
PATH = "/layers/base"


def made(base: bytes, *urls: str) -> Image:
    """An image with a foreign base layer and a layer of its own."""
    own = image([layer({"own": os.urandom(3000)})], docker=True)
    described = {"mediaType": FOREIGN, "size": len(base), "digest": digest_of(base), "urls": list(urls)}
    document = json.loads(own.manifest)
    return Image(
        json.dumps(document | {"layers": [described, *document["layers"]]}).encode(), DOCKER_MANIFEST, own.blobs
    )


class Wanting:
    """A Line to a target that requires all layers, and a web server that has foreign layers."""

    def __init__(self, line: Line, proxy: FaultyProxy, web_server: Faulty) -> None:
        self.line = line
        self.proxy = proxy
        self.web = web_server
        proxy.fail("PUT .*/manifests/", self._judge)

    def url(self, path: str = PATH) -> str:
        return f"http://{self.web.host}{path}"

    async def copy(self, what: Image) -> None:
        push(self.line.source.url, "a/image", "1", what)
        assert (await self.line.copy_digest(what.digest, "all", target=self.proxy.host)).identical
        assert manifest_at(self.line.target.url, "m/a/image", "1").digest == what.digest

    def times(self, beginning: str) -> int:
        return sum(each.startswith(beginning) for each in self.proxy.requests)

    async def _judge(self, request: web.Request) -> web.StreamResponse:
        document = json.loads(await request.read())
        for each in document["layers"]:
            if not await self.line.client.has_blob(self.line_target, each["digest"]):
                error = {"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown", "detail": each["digest"]}
                return web.json_response({"errors": [error]}, status=404)
        return await self.proxy.pass_on(request)

    @property
    def line_target(self) -> Repository:
        return Repository(self.line.target.host, "m/a/image")


@pytest.fixture
async def wanting(line: Line, start_proxy: StartProxy, stack: AsyncExitStack) -> Wanting:
    web_server = await stack.enter_async_context(Faulty())
    return Wanting(line, await start_proxy(line.target), web_server)


def serving(base: bytes) -> Handler:
    return says(200, base, Content_Length=f"{len(base)}")


async def test_a_target_that_does_without_gets_none(line: Line) -> None:
    base = os.urandom(2000)
    what = made(base, "https://layers.example.com/base")
    assert (await line.copy(what, "all")).identical
    assert line.asked(line.target.host).count("HEAD blob") <= 2


@pytest.mark.parametrize("size", [2000, 3_000_000], ids=["small", "large"])
async def test_one_that_the_source_has(wanting: Wanting, size: int) -> None:
    base = os.urandom(size)
    what = made(base, wanting.url())
    whole = Image(what.manifest, DOCKER_MANIFEST, {**what.blobs, digest_of(base): base})
    push(wanting.line.source.url, "a/image", "whole", whole)

    await wanting.copy(what)

    assert not wanting.web.asked


@pytest.mark.parametrize("size", [2000, 3_000_000], ids=["small", "large"])
async def test_one_that_the_web_has(wanting: Wanting, size: int) -> None:
    base = os.urandom(size)
    wanting.web.on(f"GET {PATH}", serving(base))

    await wanting.copy(made(base, wanting.url("/gone"), wanting.url()))

    assert [asked.path for asked in wanting.web.asked] == ["/gone", PATH]
    assert {asked.authorization for asked in wanting.web.asked} == {None}


ELSEWHERE: Mapping[str, Handler] = {
    "gone": says(404),
    "another": serving(b"y" * 2000),
    "a page": says(200, b"<html>", Content_Type="text/html"),
}


@pytest.mark.parametrize("answer", ELSEWHERE)
async def test_one_that_nobody_has_is_one_clear_failure(wanting: Wanting, answer: str) -> None:
    wanting.web.on(f"GET {PATH}", ELSEWHERE[answer])
    what = made(os.urandom(2000), wanting.url())

    with pytest.raises(NotFound, match="requires a foreign layer that neither the source nor its URLs have"):
        await wanting.copy(what)

    assert wanting.times("PUT /v2/m/a/image/manifests") == 1
    assert wanting.times("PUT /v2/m/a/image/blobs") <= 3


async def test_a_url_that_leads_inward_is_not_followed(wanting: Wanting) -> None:
    what = made(os.urandom(2000), "http://169.254.169.254/latest/meta-data/")

    with pytest.raises(NotFound, match="link-local address"):
        await wanting.copy(what)
