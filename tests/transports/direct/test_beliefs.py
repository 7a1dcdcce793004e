"""Wrong records of a target, and wrong answers of it: the copy is still complete."""

import os

import pytest
from aiohttp import web

from ferryman.errors import NotFound
from tests.support.images import image, layer, push
from tests.support.proxy import FaultyProxy
from tests.support.transports import manifest_at
from tests.transports.conftest import StartProxy
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.direct.test_economy import collect
from tests.transports.line import Line

MADE = image([layer({"file": os.urandom(2000)})])
LAYER = next(digest for digest in MADE.blobs if digest != MADE.config_digest)


@pytest.fixture
async def target(line: Line, start_proxy: StartProxy) -> FaultyProxy:
    return await start_proxy(line.target)


async def copy(line: Line, target: FaultyProxy, tag: str = "1") -> None:
    push(line.source.url, "a/image", tag, MADE)
    assert (await line.copy_digest(MADE.digest, tag=tag, target=target.host)).identical
    assert manifest_at(line.target.url, "m/a/image", tag).digest == MADE.digest


async def test_a_mount_that_is_said_to_be_made_and_is_not(
    line: Line, target: FaultyProxy, ledger: InMemoryBlobLedger
) -> None:
    for digest in MADE.blobs:
        ledger.held[target.host, "blob", digest] = {"another/image"}

    async def lie(request: web.Request) -> web.StreamResponse:
        return web.Response(status=201) if "mount" in request.query else await target.pass_on(request)

    target.fail("POST ", lie)

    await copy(line, target)


async def test_a_blob_that_is_said_to_be_there_and_is_not(line: Line, target: FaultyProxy) -> None:
    target.answer("HEAD .*/blobs/", 200)

    await copy(line, target)


async def test_an_upload_that_is_said_to_have_arrived_and_has_not(line: Line, target: FaultyProxy) -> None:
    lies = iter([True])

    async def lie(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=201) if next(lies, False) else await target.pass_on(request)

    target.fail("PUT .*/blobs/uploads/", lie)

    await copy(line, target)


async def test_all_that_the_target_had_is_gone(line: Line, target: FaultyProxy) -> None:
    """Several tags of one repository that the record says exist, after the repository was emptied."""
    await copy(line, target, "1")
    collect(line.target, "m/a/image", [*MADE.blobs, MADE.digest])

    for tag in "234":
        await copy(line, target, tag)


async def test_an_upload_that_a_mount_began_is_given_up_where_the_source_fails(
    line: Line, target: FaultyProxy, ledger: InMemoryBlobLedger
) -> None:
    ledger.held[target.host, "blob", MADE.config_digest] = {"m/a/image"}
    ledger.held[target.host, "blob", LAYER] = {"another/image"}  # it is not
    push(line.source.url, "a/image", "1", MADE)
    collect(line.source, "a/image", [LAYER])

    with pytest.raises(NotFound):
        await line.copy_digest(MADE.digest, "all", target=target.host)

    methods = [request.partition(" ")[0] for request in target.requests]
    assert methods == ["POST", "HEAD", "DELETE"]
