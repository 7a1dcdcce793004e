"""Puts the web application together: the routes of this process's role, and what every request passes."""

from aiohttp import web

from ferryman.operations.image_sizes import ImageSizes
from ferryman.web.api.stream import broadcast
from ferryman.web.connections import note_request
from ferryman.web.context import CONTEXT, SIZES, Context
from ferryman.web.errors import tell_errors
from ferryman.web.language import speak
from ferryman.web.live import LIVE, LiveParts
from ferryman.web.pages.health import CHECK, ReadinessCheck
from ferryman.web.pages.metrics import METRICS, counting, metrics_of
from ferryman.web.pages.overview import LATEST, LatestOverview
from ferryman.web.routes import ROUTES as ALL_ROUTES
from ferryman.web.routing import BASE_PATH, PATHS, ROUTES, Handler, Route
from ferryman.web.security.gate import GATE, Gate
from ferryman.web.security.headers import NONCE, new_nonce, protect
from ferryman.web.streams import STREAMS, Streams

_LARGEST_BODY = 64 * 1024  # bytes: forms and small documents are all that anybody sends


def build(context: Context) -> web.Application:
    """The web application for this process."""
    site = web.Application(middlewares=[_begin, speak, tell_errors, _enter], client_max_size=_LARGEST_BODY)
    site[CONTEXT] = context
    site[BASE_PATH] = context.settings.base_path
    site[GATE] = Gate(context.settings, clock=context.clock)
    site[CHECK] = ReadinessCheck()
    site[STREAMS] = Streams()
    site[LIVE] = LiveParts(clock=context.clock)
    site[LATEST] = LatestOverview()
    site[SIZES] = ImageSizes(context.application.registry)
    site[METRICS] = metrics_of(context)
    site.cleanup_ctx.append(counting)
    routes: list[Route] = [route for route in ALL_ROUTES if route.in_worker or context.role != "worker"]
    by_handler: dict[object, Route] = {route.handler: route for route in routes}
    site[ROUTES] = by_handler
    site[PATHS] = frozenset(route.path for route in routes)
    for route in routes:
        _add(site, route)
    site.cleanup_ctx.append(broadcast)
    site.on_response_prepare.append(_protect)
    site.on_shutdown.append(_close_streams)
    return site


def _add(site: web.Application, route: Route) -> None:
    """Below FERRYMAN_BASE_PATH, and without it: some proxies take it off, and probes do not know it."""
    for prefix in {site[BASE_PATH], ""}:
        if route.method == "GET":
            site.router.add_get(f"{prefix}{route.path}", route.handler)
        else:
            site.router.add_route(route.method, f"{prefix}{route.path}", route.handler)


@web.middleware
async def _begin(request: web.Request, handler: Handler) -> web.StreamResponse:
    note_request(request)
    request[NONCE] = new_nonce()
    return await handler(request)


@web.middleware
async def _enter(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await request.app[GATE].admit(request, handler)


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    protect(response, request[NONCE])


async def _close_streams(site: web.Application) -> None:
    site[STREAMS].close()
