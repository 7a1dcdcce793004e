"""aiodocker's clients, opened so that they reach the engine that was meant and close when they are closed."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
from aiodocker import Docker

from ferryman.transports.docker_address import EngineAddress


def control_client(address: EngineAddress, tls: ssl.SSLContext | None, version: str) -> Docker:
    """A client for short calls, to be closed by its owner."""
    # Without `url`, the current context of ~/.docker/config.json would win over DOCKER_HOST.
    return Docker(url=address.endpoint, ssl_context=tls, api_version=version)


@asynccontextmanager
async def streaming_client(address: EngineAddress, tls: ssl.SSLContext | None, version: str) -> AsyncIterator[Docker]:
    """A client for one pull or push. Leaving it stops the engine: cancelling aiodocker alone does not."""
    answers: list[aiohttp.ClientResponse] = []

    async def note(_session: aiohttp.ClientSession, _: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
        answers.append(end.response)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note)
    base, connector = _way(address, tls)
    # aiodocker keeps its answers to itself and leaves a broken one open, so they are noted here and closed.
    async with aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as session:
        try:
            async with Docker(url=base, connector=connector, session=session, api_version=version) as docker:
                yield docker
        finally:
            for answer in answers:
                answer.close()


def _way(address: EngineAddress, tls: ssl.SSLContext | None) -> tuple[str, aiohttp.BaseConnector]:
    if address.endpoint.startswith("unix://"):
        return "unix://localhost", aiohttp.UnixConnector(address.endpoint.removeprefix("unix://"))
    return address.endpoint, aiohttp.TCPConnector(ssl=tls or True)
