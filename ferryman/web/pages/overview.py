"""The first page."""

from collections.abc import Sequence

from aiohttp import web

from ferryman.store.ledger import ItemSummary
from ferryman.web.context import CONTEXT
from ferryman.web.live import LIVE
from ferryman.web.rendering import fragment, render
from ferryman.web.routing import Route
from ferryman.web.streams import STREAMS


async def _show(request: web.Request) -> web.StreamResponse:
    return render(request, "overview.html", items=await _summaries(request.app))


async def _follow(request: web.Request) -> web.StreamResponse:
    return await request.app[STREAMS].send(request, request.app[LIVE].follow(request.app, [_items]))


async def _items(site: web.Application) -> str:
    return fragment(site, "parts/items.html", items=await _summaries(site))


async def _summaries(site: web.Application) -> Sequence[ItemSummary]:
    app = site[CONTEXT].application
    return await app.record.ledger.summary({str(item.target) for item in app.configuration.items})


ROUTES = (
    Route("GET", "/", _show, needs="read"),
    Route("GET", "/live/overview", _follow, needs="read", endless=True),
)
