"""Runs each contract test with every transport."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from ferryman.transports.base import Transport
from tests.support.processes import Engine
from tests.support.transports import DirectTransports, DockerTransports

OpenTransport = Callable[..., Transport]


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.engine), "direct"])
async def open_transport(request: pytest.FixtureRequest) -> AsyncIterator[OpenTransport]:
    """Open the transport under test. `open_transport(logins={"host": ("user", "password")})`."""
    async with AsyncExitStack() as stack:
        if request.param == "direct":
            yield DirectTransports(stack).open
        else:
            engine: Engine = request.getfixturevalue("engine")  # only where it is needed
            yield DockerTransports(engine, stack).open
