"""The first page: the verdict, what moves, the items, the queue over time, the registries, the processes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web
from markupsafe import Markup

from ferryman.errors import StoreError
from ferryman.item_names import Named, named
from ferryman.operations.overview import Overview, read_overview
from ferryman.store.queries.look_strips import read_look_strips
from ferryman.web.context import CONTEXT, Context, context
from ferryman.web.failure_log import log_defect, log_store_failure
from ferryman.web.item_rows import STATE_NAMES, ItemsFilter, ShownItems, cells, row_id, shown
from ferryman.web.links import addresses
from ferryman.web.live import LIVE, Part, follow
from ferryman.web.moving import moving
from ferryman.web.processes import running_processes
from ferryman.web.registry_cards import cards
from ferryman.web.rendering import fragment, render
from ferryman.web.routing import PATHS, Route
from ferryman.web.sample_charts import DAY, MONTH, read_charts
from ferryman.web.security.gate import may_act
from ferryman.web.verdict_lines import lines

_INTERVAL = 5.0  # seconds between two versions of what comes from the database


class LatestOverview:
    """The overview for the live parts: one read serves all of them, and all readers."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._last: tuple[float, Overview] | None = None

    async def read(self, context: Context) -> Overview:
        """The overview of the last seconds. Raises StoreError."""
        async with self._lock:
            now = context.clock.monotonic()
            if self._last is None or now - self._last[0] >= _INTERVAL:
                self._last = now, await _read(context)
            return self._last[1]


LATEST = web.AppKey("latest_overview", LatestOverview)


async def _show(request: web.Request) -> web.StreamResponse:
    """The page, from one moment: not from what the live parts have read before."""
    here = context(request)
    wanted, overview = ItemsFilter.of(request.query), await _read(here)
    items = await _with_looks(here, shown(overview.items, wanted))
    return render(
        request,
        "overview.html",
        wanted=wanted,
        state_names=STATE_NAMES,
        all_paused=_everything_is_paused(overview),
        charts=[Markup(each.data) for each in await request.app[LIVE].latest(request.app, _CHARTS)],  # noqa: S704 - ours
        **_verdict_values(request.app, overview),
        **_moving_values(here, overview),
        **_items_values(here),
        **_registries_values(here, overview),
        **_services_values(here, overview),
        may_act=may_act(request),
        items=items,
        overview=overview,
    )


async def _follow(request: web.Request) -> web.StreamResponse:
    return await follow(request, _parts(ItemsFilter.of(request.query), acting=may_act(request)))


async def warm_up(site: web.Application) -> None:
    """Make every part once, so that the first reader does not wait for what is loaded or compiled at its first use."""
    try:
        for part in (*_parts(ItemsFilter(), acting=False), _CHARTS):
            await site[LIVE].latest(site, part)
    except StoreError as error:
        log_store_failure(error)
    except Exception as error:  # noqa: BLE001 - a page with a defect must not end the service
        log_defect("/", error)


def _parts(wanted: ItemsFilter, *, acting: bool) -> list[Part]:
    return [
        Part(_moving),
        Part(_verdict, interval=_INTERVAL),
        Part(_items, (wanted,), _INTERVAL),
        Part(_registries, (acting,), _INTERVAL),
        Part(_services, interval=_INTERVAL),
    ]


async def _verdict(site: web.Application) -> Sequence[str]:
    overview = await site[LATEST].read(site[CONTEXT])
    return [fragment(site, "parts/verdict.html", overview=overview, **_verdict_values(site, overview))]


async def _moving(site: web.Application) -> Sequence[str]:
    here = site[CONTEXT]
    overview = await site[LATEST].read(here)
    return [
        fragment(
            site, "parts/moving.html", overview=overview, address_of=_address_of(here), **_moving_values(here, overview)
        )
    ]


async def _items(site: web.Application, wanted: ItemsFilter) -> Sequence[str]:
    here = site[CONTEXT]
    overview = await site[LATEST].read(here)
    items = await _with_looks(here, shown(overview.items, wanted))
    values = _items_values(here)
    elements = [fragment(site, "parts/items_found.html", items=items, wanted=wanted, state_names=STATE_NAMES)]
    for item in items.rows:
        elements.append(fragment(site, "parts/item.html", item=item, overview=overview, **values))
        await asyncio.sleep(0)  # a long table must not keep copies waiting
    return elements


async def _registries(site: web.Application, may_act: bool) -> Sequence[str]:
    here = site[CONTEXT]
    overview = await site[LATEST].read(here)
    return [fragment(site, "parts/registries.html", may_act=may_act, **_registries_values(here, overview))]


async def _services(site: web.Application) -> Sequence[str]:
    overview = await site[LATEST].read(site[CONTEXT])
    return [fragment(site, "parts/services.html", overview=overview, **_services_values(site[CONTEXT], overview))]


async def _charts(site: web.Application) -> Sequence[str]:
    samples, now = site[CONTEXT].record.samples, site[CONTEXT].clock.now()
    day, month = await read_charts(samples, DAY, now), await read_charts(samples, MONTH, now)
    return [fragment(site, "parts/charts.html", day=day, month=month)]


_CHARTS = Part(_charts, interval=60.0)


async def _read(context: Context) -> Overview:
    return await read_overview(context.record, _named(context), now=context.clock.now(), looks=False)


def _everything_is_paused(overview: Overview) -> bool:
    standing = overview.verdict.standing
    return standing is not None and standing.pauses.everything is not None


def _named(context: Context) -> list[Named]:
    return named(context.application.configuration.items)


async def _with_looks(context: Context, items: ShownItems) -> ShownItems:
    """With the last looks of the rows that are shown."""
    async with context.record.database.read() as connection:
        strips = await read_look_strips(connection, {item.target for item in items.rows})
    return replace(items, rows=[replace(item, looks=strips.get(item.target, ())) for item in items.rows])


def _verdict_values(site: web.Application, overview: Overview) -> dict[str, Any]:
    return {"verdict": lines(overview.verdict), "failures_page": "/failures" in site[PATHS]}


def _moving_values(context: Context, overview: Overview) -> dict[str, Any]:
    return {"moving": moving(running_processes(context, overview.services).values())}


def _items_values(context: Context) -> dict[str, Any]:
    return {"address_of": _address_of(context), "row_id": row_id, "cells": cells}


def _registries_values(context: Context, overview: Overview) -> dict[str, Any]:
    limits = [limit for each in running_processes(context, overview.services).values() for limit in each.limits]
    return {"registries": cards(overview, _named(context), limits)}


def _services_values(context: Context, overview: Overview) -> dict[str, Any]:
    return {"details_of": running_processes(context, overview.services)}


def _address_of(context: Context) -> Mapping[str, str]:
    return addresses(_named(context))


ROUTES = (
    Route("GET", "/", _show, needs="read"),
    Route("GET", "/live/overview", _follow, needs="read", endless=True),
)
