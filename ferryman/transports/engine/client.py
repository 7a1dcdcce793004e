"""aiodocker clients that connect to the configured engine, and really close their connections."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
from aiodocker import Docker

from ferryman.transports.engine.address import EngineAddress


def control_client(address: EngineAddress, tls: ssl.SSLContext | None, version: str) -> Docker:
    """A client for short calls. The caller has to close it."""
    # Without `url`, the current context of ~/.docker/config.json would override DOCKER_HOST.
    return Docker(url=address.endpoint, ssl_context=tls, api_version=version)


class SharedClient:
    """A client that concurrent short calls share. Once retired, it closes with the last of them."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._calls = 0
        self._retired = False

    @asynccontextmanager
    async def call(self) -> AsyncIterator[Docker]:
        """Use the client for one call."""
        self._calls += 1
        try:
            yield self._docker
        finally:
            self._calls -= 1
            await self._close_when_idle()

    async def retire(self) -> None:
        """Close once the calls in progress have ended. Idempotent."""
        self._retired = True
        await self._close_when_idle()

    async def _close_when_idle(self) -> None:
        if self._retired and not self._calls:
            await self._docker.close()


@asynccontextmanager
async def streaming_client(address: EngineAddress, tls: ssl.SSLContext | None, version: str) -> AsyncIterator[Docker]:
    """A client for one pull or push. Leaving the context stops the engine: cancelling aiodocker alone does not."""
    responses: list[aiohttp.ClientResponse] = []

    async def note(_session: aiohttp.ClientSession, _: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
        responses.append(end.response)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note)
    base, connector = _base_and_connector(address, tls)
    # aiodocker does not expose its responses and leaves a broken one open, so they are collected here and closed.
    async with aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as session:
        try:
            async with Docker(url=base, connector=connector, session=session, api_version=version) as docker:
                yield docker
        finally:
            for response in responses:
                response.close()


def _base_and_connector(address: EngineAddress, tls: ssl.SSLContext | None) -> tuple[str, aiohttp.BaseConnector]:
    if address.endpoint.startswith("unix://"):
        return "unix://localhost", aiohttp.UnixConnector(address.endpoint.removeprefix("unix://"))
    return address.endpoint, aiohttp.TCPConnector(ssl=tls or True)
