"""The server: what it answers in which role, how it stops, and what it refuses."""

import asyncio
import json
from unittest.mock import AsyncMock

import aiohttp
import pytest
from aiohttp import web

from ferryman.errors import AddressUnusable, StoreError
from ferryman.web import connections, errors
from ferryman.web.assets import assets
from ferryman.web.pages import health
from ferryman.web.pages.overview import warm_up
from ferryman.web.server import Server
from ferryman.web_address import ListenAddress
from tests.conftest import ReadLog
from tests.web.conftest import StartSite
from tests.web.support import Site


async def test_the_overview_shows_the_items(site: Site) -> None:
    answer = await site.get("/")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>Overview</h1>" in answer.text


async def test_a_worker_serves_probes_only(start_site: StartSite) -> None:
    worker = await start_site(role="worker")

    assert (await worker.get("/healthz")).status == 200
    assert (await worker.get("/readyz")).status == 503
    for path in ("/", "/login", next(iter(assets().values())).path):
        assert (await worker.get(path)).status == 404


async def test_an_address_in_use_is_told_with_its_setting(site: Site) -> None:
    host, _, port = site.host.partition(":")

    with pytest.raises(AddressUnusable, match=f"FERRYMAN_LISTEN: {site.host} is in use: set another address"):
        Server.listen(ListenAddress(host, int(port)))


async def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(AddressUnusable, match=r"192\.0\.2\.1:8080 cannot be used: "):
        Server.listen(ListenAddress("192.0.2.1", 8080))


async def test_a_name_and_all_addresses() -> None:
    for address in (ListenAddress("localhost", 0), ListenAddress(None, 0)):
        server = Server.listen(address)
        assert server.addresses
        server.close()


async def test_assets_are_kept_for_ever_under_a_name_of_their_content(site: Site) -> None:
    page = (await site.get("/")).text
    for name, kind in (("ferryman.css", "text/css"), ("live.mjs", "text/javascript"), ("icon.svg", "image/svg+xml")):
        path = assets()[name].path
        assert f'"{path}"' in page
        answer = await site.get(path)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert (await site.get("/assets/ferryman.000000000000.css")).status == 404


async def test_errors_are_pages_for_browsers_and_problem_documents_for_programs(site: Site) -> None:
    page = await site.get("/nowhere")
    program = await site.get("/nowhere", headers={"Accept": "application/json"})
    api = await site.get("/api/v1/nowhere")

    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Not found</h1>" in page.text
    for answer, path in ((program, "/nowhere"), (api, "/api/v1/nowhere")):
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert json.loads(answer.text) | {"detail": ""} == {
            "type": "about:blank", "title": "Not Found", "status": 404, "detail": "", "instance": path,
        }  # fmt: skip


async def test_a_method_that_is_not_there_names_those_that_are(start_site: StartSite) -> None:
    site = await start_site()
    async with site.http.put("/", headers={"Authorization": "Bearer x"}) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"


async def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    answer = await site.post("/login", {"token": "x" * 100_000})

    assert answer.status == 413


async def test_a_handler_that_takes_too_long_is_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(errors, "_LONGEST_HANDLER", 0.01)
    monkeypatch.setattr(type(site.app.record.samples), "since", never)
    answer = await site.get("/waiting")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")


async def test_a_database_that_fails_is_told_without_its_words(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("porter:hunter2@db")

    monkeypatch.setattr(type(site.app.record.samples), "since", fail)
    answer = await site.get("/waiting")

    assert answer.status == 503
    assert "See the log" in answer.text
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n"]
)
async def test_what_is_no_request_is_refused_without_a_traceback(site: Site, sent: bytes, read_log: ReadLog) -> None:
    host, _, port = site.host.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)

    assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
    writer.close()
    await writer.wait_closed()
    assert [line for line in read_log() if "exception" in line] == []


async def test_a_first_request_without_headers_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_LONGEST_HEADERS", 0.05)
    host, _, port = site.host.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: 127")

    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_more_connections_than_it_serves_are_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MOST", 0)
    with pytest.raises(aiohttp.ClientConnectionError):
        await site.get("/healthz")


async def test_readiness_is_the_verdict_for_those_who_read(site: Site) -> None:
    assert json.loads((await site.get("/healthz")).text) == {"status": "alive"}
    answer = await site.get("/readyz")
    verdict = json.loads(answer.text)

    assert (answer.status, verdict["ready"]) == (503, False)
    assert [each["signal"] for each in verdict["signals"]] == ["nothing-recorded", "nobody-runs"]


async def test_it_is_ready_while_all_roles_beat(site: Site) -> None:
    await site.app.record.services.heartbeat(site.app.owner.name, "run")

    answer = await site.get("/readyz")

    assert (answer.status, json.loads(answer.text)["ready"]) == (200, True)


async def test_one_look_at_the_database_serves_all_who_ask_within_seconds(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await site.get("/readyz")
    await site.app.record.services.heartbeat(site.app.owner.name, "run")
    assert (before.status, (await site.get("/readyz")).status) == (503, 503)

    monkeypatch.setattr(health, "_REUSED", 0.0)
    assert (await site.get("/readyz")).status == 200


async def test_a_database_that_cannot_be_written_is_not_ready(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.app.record.services.heartbeat(site.app.owner.name, "run")

    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(type(site.app.record.database), "write", fail)
    answer = await site.get("/readyz")
    (signal,) = json.loads(answer.text)["signals"]

    assert (answer.status, signal["signal"], signal["facts"]) == (503, "database-fails", {"error": "the disk is full"})


async def test_a_stop_closes_open_connections(site: Site) -> None:
    async with site.http.get("/healthz") as answer:
        assert answer.status == 200
    site.serving.cancel()
    await asyncio.wait([site.serving])

    with pytest.raises(aiohttp.ClientConnectionError):
        await site.get("/healthz")


@pytest.fixture
def warmed(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set once a server is warm."""
    done = asyncio.Event()

    async def and_tell(site: web.Application) -> None:
        await warm_up(site)
        done.set()

    monkeypatch.setattr("ferryman.web.server.warm_up", and_tell)
    return done


_READ_CHARTS = "ferryman.web.pages.overview.read_charts"


async def test_the_overview_is_warm_before_anybody_reads_it(
    start_site: StartSite, monkeypatch: pytest.MonkeyPatch, warmed: asyncio.Event
) -> None:
    read = AsyncMock(return_value=[])
    monkeypatch.setattr(_READ_CHARTS, read)
    site = await start_site()
    await asyncio.wait_for(warmed.wait(), 10)
    assert read.await_count == 2, "of a day and of a month"
    assert (await site.get("/")).status == 200
    assert read.await_count == 2


@pytest.mark.parametrize("failure", [(StoreError("disk"), "web_store_failed"), (KeyError(), "web_defect")])
async def test_a_page_that_cannot_be_warmed_is_served_all_the_same(
    start_site: StartSite,
    monkeypatch: pytest.MonkeyPatch,
    warmed: asyncio.Event,
    read_log: ReadLog,
    failure: tuple[Exception, str],
) -> None:
    error, event = failure
    monkeypatch.setattr(_READ_CHARTS, AsyncMock(side_effect=[error, [], []]))
    site = await start_site()
    await asyncio.wait_for(warmed.wait(), 10)
    assert event in [line["event"] for line in read_log()]
    assert (await site.get("/")).status == 200
