"""The last request of a copy: immutable tags, and lost answers."""

import asyncio
import json

import pytest
from aiohttp import web

from ferryman.errors import TransferError, Unreachable, Unsupported
from ferryman.reference import Repository
from ferryman.transports.tagging import remove_tag
from tests.support.images import Image, Index, image, index, layer, push
from tests.support.proxy import Fault, FaultyProxy
from tests.support.transports import manifest_at, tags_at
from tests.transports.conftest import StartProxy, StartRegistry
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.line import Line

ONE, TWO = image([layer({"a": b"a"})]), image([layer({"b": b"b"})])
BOTH = index([ONE, image([layer({"c": b"c"})], platform="linux/arm64")])
TAG = "PUT .*/manifests/1$"
WORDS = [
    (400, {"errors": [{"code": "TAG_INVALID", "message": "the image tag '1' already exists"}]}),
    (403, {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}),
    (405, {}),
    (409, {}),
    (412, {"errors": [{"code": "PRECONDITION", "message": "configured as immutable, cannot be updated"}]}),
    (500, {"errors": [{"code": "TAG_INVALID", "message": "tag invalid"}]}),
]


@pytest.fixture
async def target(line: Line, start_proxy: StartProxy) -> FaultyProxy:
    return await start_proxy(line.target)


async def copy(line: Line, target: FaultyProxy, what: Image | Index) -> str:
    push(line.source.url, "a/image", "1", what)
    return (await line.copy_digest(what.digest, "all", target=target.host)).digest


def digest(line: Line) -> str:
    return manifest_at(line.target.url, "m/a/image", "1").digest


@pytest.mark.parametrize("words", WORDS, ids=lambda words: str(words[0]))
@pytest.mark.parametrize("what", [ONE, BOTH], ids=["image", "index"])
async def test_an_immutable_tag_that_is_right_already(
    line: Line, target: FaultyProxy, ledger: InMemoryBlobLedger, what: Image, words: tuple[int, object]
) -> None:
    await copy(line, target, what)
    ledger.held.clear()  # another machine, without our record
    target.answer(TAG, words[0], json.dumps(words[1]))

    assert await copy(line, target, what) == what.digest == digest(line)


@pytest.mark.parametrize("words", WORDS, ids=lambda words: str(words[0]))
async def test_an_immutable_tag_that_names_another_image(
    line: Line, target: FaultyProxy, ledger: InMemoryBlobLedger, words: tuple[int, object]
) -> None:
    await copy(line, target, ONE)
    target.answer(TAG, words[0], json.dumps(words[1]))
    target.requests.clear()

    with pytest.raises(Unsupported, match=f"the target's tag may not be overwritten, and names {ONE.digest}"):
        await copy(line, target, BOTH)

    assert digest(line) == ONE.digest
    assert sum(each.endswith("/manifests/1") and each.startswith("PUT") for each in target.requests) == 2
    assert not ledger.cannot[target.host]


def after(target: FaultyProxy, *, times: int) -> Fault:
    """Forwards the request, then closes the connection instead of answering."""
    left = times

    async def lose(request: web.Request) -> web.StreamResponse:
        nonlocal left
        response = await target.pass_on(request)
        left -= 1
        if left >= 0:
            assert request.transport is not None
            request.transport.abort()
        return response

    return lose


async def test_an_answer_that_gets_lost_each_time(line: Line, target: FaultyProxy) -> None:
    target.fail(TAG, after(target, times=10))

    assert await copy(line, target, BOTH) == BOTH.digest == digest(line)


async def test_an_answer_that_gets_lost_at_a_tag_that_is_immutable_from_then_on(
    line: Line, target: FaultyProxy
) -> None:
    lose = after(target, times=1)

    async def once(request: web.Request) -> web.StreamResponse:
        if "1" in await asyncio.to_thread(tags_at, line.target.url, "m/a/image"):
            return web.Response(status=400)
        return await lose(request)

    target.fail(TAG, once)

    assert await copy(line, target, BOTH) == BOTH.digest == digest(line)


async def test_silence_at_a_tag_that_names_nothing_is_an_outage(line: Line, target: FaultyProxy) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    target.fail(TAG, cut)

    with pytest.raises(Unreachable):
        await copy(line, target, ONE)


async def test_a_target_that_cannot_be_asked_either_leaves_the_first_error(line: Line, target: FaultyProxy) -> None:
    await copy(line, target, ONE)
    target.answer(TAG, 405, "no")
    target.answer("HEAD .*/manifests/1$", 502)
    target.answer("GET .*/manifests/1$", 502)

    with pytest.raises(TransferError, match="405"):
        await copy(line, target, TWO)


async def test_a_tag_refused_in_passing_is_written(line: Line, target: FaultyProxy) -> None:
    await copy(line, target, ONE)
    left = iter([True])

    async def once(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403) if next(left, False) else await target.pass_on(request)

    target.fail(TAG, once)

    assert await copy(line, target, TWO) == TWO.digest == digest(line)


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
async def test_a_tag_is_removed_and_never_what_it_names(line: Line, docker: bool) -> None:
    line.client.capabilities(line.target.host).takes_oci_indexes = not docker
    for tag in ("1", "2"):
        push(line.target.url, "m/a/image", tag, BOTH)
    child = BOTH.images[0]
    push(line.target.url, "m/a/image", "child", child)
    repository = Repository(line.target.host, "m/a/image")

    for _ in range(2):  # it may be repeated
        assert await remove_tag(line.client, repository.tagged("1"))
        assert await remove_tag(line.client, repository.tagged("child"))

    assert tags_at(line.target.url, "m/a/image") == ["2"]
    assert manifest_at(line.target.url, "m/a/image", "2").digest == BOTH.digest
    manifest_at(line.target.url, "m/a/image", child.digest)


async def test_a_registry_that_deletes_nothing_keeps_its_tags(line: Line, start_registry: StartRegistry) -> None:
    target = start_registry(deletes=False)
    push(target.url, "m/a/image", "1", ONE)

    assert not await remove_tag(line.client, Repository(target.host, "m/a/image").tagged("1"))

    assert manifest_at(target.url, "m/a/image", "1").digest == ONE.digest
