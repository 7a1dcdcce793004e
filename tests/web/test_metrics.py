"""`/metrics`, as every role serves it."""

import pytest

from ferryman.events import CycleEnded
from ferryman.tasks import cancel_and_wait
from tests.metrics.samples import parsed
from tests.web.conftest import StartSite
from tests.web.support import READ_TOKEN, TOKEN, Site, bearer


@pytest.mark.parametrize("role", ["run", "scheduler", "worker"])
async def test_every_role_serves_them(start_site: StartSite, role: str) -> None:
    site = await start_site(role=role)
    await site.get("/healthz")  # it is up
    site.app.events.emit(CycleEnded("done", 1, seconds=3))
    answer = await site.get("/metrics", headers={"Accept": "*/*"})
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Content-Encoding"] in {"gzip", "deflate"}
    samples = parsed(answer.text.encode())
    assert samples("ferryman_cycle_duration_seconds_sum", outcome="done") == 3
    assert samples("ferryman_tags", item="etcd", status="queued") == 0
    assert samples("ferryman_database_up") == 1


async def test_the_accept_header_is_passed_on(site: Site) -> None:
    answer = await site.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_whoever_may_read_may_scrape_and_nobody_else(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN=READ_TOKEN)
    accepted = {"Accept": "application/openmetrics-text,*/*;q=0.1"}
    assert (await site.get("/metrics", headers=accepted)).status == 401
    assert (await site.get("/metrics", headers=bearer("wrong-0123456789abcdef"))).status == 401
    assert (await site.get("/metrics", headers=bearer(READ_TOKEN))).status == 200
    assert (await site.get("/metrics", headers={"Host": "evil.example.com"})).status == 421


async def test_an_empty_token_where_none_is_needed_is_no_wrong_one(site: Site) -> None:
    """As the profile `metrics` of docker-compose.yml sends it."""
    for _ in range(10):
        assert (await site.get("/metrics", headers=bearer(""))).status == 200


async def test_a_site_that_is_closed_counts_no_more(start_site: StartSite) -> None:
    site = await start_site()
    await site.get("/healthz")
    assert "WorkMetrics" in observers(site)
    await cancel_and_wait([site.serving])
    assert "WorkMetrics" not in observers(site)


def observers(site: Site) -> set[str]:
    """The classes of those who observe what happens."""
    return {type(getattr(each, "__self__", None)).__name__ for each in site.app.events._observers}
