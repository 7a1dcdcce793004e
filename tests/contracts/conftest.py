"""Every transport, one after the other."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from ferryman.transports.base import Transport
from tests.support.processes import Engine
from tests.support.transports import DockerTransports

OpenTransport = Callable[..., Transport]


@pytest.fixture(params=["docker"])
async def open_transport(request: pytest.FixtureRequest, engine: Engine) -> AsyncIterator[OpenTransport]:
    """Open the transport under test. `open_transport(logins={"host": ("user", "password")})`."""
    openers = {"docker": DockerTransports}
    async with AsyncExitStack() as stack:
        yield openers[request.param](engine, stack).open
