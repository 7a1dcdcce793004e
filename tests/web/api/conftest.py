"""The API on a record that has something to show."""

from collections.abc import Iterator

import pytest

from tests.support.upstreams import Upstream
from tests.web.api.filled import TOKENS, fill, items_yml
from tests.web.conftest import StartSite
from tests.web.support import Site


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """What the first item mirrors."""
    with Upstream() as upstream:
        upstream.fill("coreos/etcd", 3)
        yield upstream


@pytest.fixture
async def api(start_site: StartSite, upstream: Upstream) -> Site:
    """A site with tokens, and with tags in every state."""
    site = await start_site(items=items_yml(upstream), **TOKENS)
    await fill(site.app)
    return site
