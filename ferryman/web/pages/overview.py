"""The first page."""

from aiohttp import web

from ferryman.web.context import context
from ferryman.web.rendering import render
from ferryman.web.routing import Route


async def _show(request: web.Request) -> web.StreamResponse:
    app = context(request).application
    items = await app.record.ledger.summary({str(item.target) for item in app.configuration.items})
    return render(request, "overview.html", items=items)


ROUTES = (Route("GET", "/", _show, needs="read"),)
