"""Chunked uploads: layers through a proxy with a request size limit, and the limit that is remembered."""

import os
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from tests.support.clock import ManualClock
from tests.support.images import image, layer, push
from tests.support.transports import DirectTransports, Progress, manifest_at, pinned, tagged
from tests.transports.conftest import StartProxy, StartRegistry
from tests.transports.direct.blob_store import InMemoryBlobLedger

MIB = 1024 * 1024
LIMIT = 3 * MIB // 2


@pytest.mark.parametrize("status", [413, 416])
async def test_the_size_that_a_target_takes_outlives_a_restart(
    start_registry: StartRegistry,
    start_proxy: StartProxy,
    stack: AsyncExitStack,
    ledger: InMemoryBlobLedger,
    status: int,
) -> None:
    source, target = start_registry(), start_registry()
    proxy = await start_proxy(target)
    ledger, sent = InMemoryBlobLedger(), list[int]()

    async def refuse_large(request: web.Request) -> web.StreamResponse:
        sent.append(int(request.headers.get("Content-Length", 0)))
        if sent[-1] > LIMIT:
            await request.read()
            return web.Response(status=status if request.method == "PATCH" else 413)
        return await proxy.pass_on(request)

    proxy.fail("^(PUT|PATCH) .*/blobs/uploads/", refuse_large)
    for tag in "12":
        made = image([layer({"large": os.urandom(5 * MIB)})])
        push(source.url, "a/image", tag, made)
        transport = DirectTransports(stack).open(ledger=ledger, clock=ManualClock())
        sent.clear()

        await transport.copy(
            pinned(source.host, "a/image", made.digest), tagged(proxy.host, "m", tag), None, Progress()
        )

        assert manifest_at(target.url, "m", tag).digest == made.digest
        assert (max(sent) > LIMIT) == (tag == "1")  # what the first process was refused, the second does not try
    assert ledger.cannot[proxy.host] == {"takes_large_bodies": None, "largest_chunk": str(MIB)}
