"""Event streams: what they send, how many there are, and how they end."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from ferryman.web import live, streams
from ferryman.web.live import LiveParts, Part
from ferryman.web.pages import overview
from ferryman.web.streams import Message
from tests.conftest import ReadLog
from tests.support.clock import PatientClock
from tests.web.conftest import StartSite
from tests.web.support import Site
from tests.web.test_pages import enqueue


async def event(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The next event, by its fields; lines of one field are joined."""
    fields: dict[str, str] = {}
    while line := (await response.content.readline()).decode().removesuffix("\n"):
        name, _, value = line.partition(": ")
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


async def test_a_part_comes_at_once_and_after_every_change(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TICK", 0.01)
    monkeypatch.setattr(overview, "_INTERVAL", 0.0)
    async with site.http.get("/live/overview", headers={"Accept-Language": "zh"}) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        assert await event(response) == {"retry": "3000"}
        first = [await event(response) for _ in range(6)]
        await enqueue(site, "1")
        while "verdict" not in (changed := (await event(response))["data"]):
            pass

    assert {each["event"] for each in first} == {"fragment"}
    assert first[1]["data"].startswith('<section id="verdict" class="verdict idle"')
    assert "尚无记录" in first[1]["data"]
    assert changed.startswith('<section id="verdict" class="verdict busy"')


async def test_a_stop_ends_streams_at_once(site: Site) -> None:
    async with site.http.get("/live/overview") as response:
        await event(response)
        assert (await event(response))["event"] == "fragment"
        site.serving.cancel()
        await asyncio.wait([site.serving])
        rest = await response.content.read()  # raises if it was cut off
        assert rest.count(b"event: ") == rest.count(b"\n\n")


async def test_streams_end_in_time_and_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_LONGEST", 1.0)
    async with site.http.get("/live/overview") as response:
        assert b"fragment" in await response.content.read()
    monkeypatch.setattr(streams, "_MOST", 0)
    assert (await site.get("/live/overview")).status == 503


async def test_a_silent_stream_is_kept_alive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_KEEP_ALIVE", 0.01)
    async with site.http.get("/live/overview") as response:
        while not (await response.content.readline()).startswith(b": "):
            pass


async def test_a_stream_needs_a_reader(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN="acting-0123456789abcdef")

    answer = await site.get("/live/overview", headers={"Accept": "text/event-stream"})

    assert answer.status == 401


async def test_a_defect_ends_a_stream_and_is_logged(
    site: Site, monkeypatch: pytest.MonkeyPatch, read_log: ReadLog
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(overview, "read_overview", broken)
    async with site.http.get("/live/overview") as response:
        assert await response.content.read() == b"retry: 3000\n\n"

    assert "web_defect" in [line["event"] for line in read_log()]


async def test_a_part_is_made_once_a_second_for_all(site: Site) -> None:
    clock, made = PatientClock(), 0

    async def make(_: object) -> list[str]:
        nonlocal made
        made += 1
        return [f"<p id=n>{made}</p>", "<p id=same></p>"]

    parts = LiveParts(clock=clock)
    followers: list[AsyncIterator[Message]] = [parts.follow(None, [Part(make)]) for _ in range(3)]  # type: ignore[arg-type]
    assert {(await anext(each)).data for each in followers} == {"<p id=n>1</p>"}
    assert {(await anext(each)).data for each in followers} == {"<p id=same></p>"}
    waiting = [asyncio.ensure_future(anext(each)) for each in followers]
    await clock.run(*waiting)

    assert {each.result().data for each in waiting} == {"<p id=n>2</p>"}


@pytest.mark.parametrize("data", ["a\nevent: forged", "a\r\nid: 1", "a\rretry: 1"])
def test_a_line_break_begins_no_other_field(data: str) -> None:
    lines = Message("fragment", data, id="7").encoded.decode().splitlines()

    assert [line.partition(":")[0] for line in lines if line] == ["event", "data", "data", "id"]
