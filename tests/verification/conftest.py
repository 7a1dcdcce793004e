"""Two real registries."""

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy
from tests.support.workplace import Workplace
from tests.verification.site import Site


@pytest.fixture(scope="session")
def upstream_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    server = RegistryServer(tmp_path_factory.mktemp("upstream"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def site(workplace: Workplace, upstream_registry: RegistryServer) -> Site:
    return Site(workplace, upstream_registry, f"team-{secrets.token_hex(4)}/app")


@pytest.fixture
async def proxy(site: Site) -> AsyncIterator[FaultyProxy]:
    """In front of the target."""
    started = await FaultyProxy(site.target.url).start()
    yield started
    await started.stop()
