"""Runs each contract test with every transport."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from ferryman.transports.base import Transport
from tests.support.processes import Engine
from tests.support.transports import DirectTransports, DockerTransports
from tests.support.zuul_registry import ZuulRegistry

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


@pytest.fixture(scope="module")
def zuul_of_the_contract(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZuulRegistry]:
    server = ZuulRegistry(tmp_path_factory.mktemp("zuul"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def empty_zuul(zuul_of_the_contract: ZuulRegistry) -> ZuulRegistry:
    """A zuul-registry that has nothing yet. One for all tests: each start of it takes as long as a test."""
    zuul_of_the_contract.lose_everything()
    return zuul_of_the_contract
