"""All calls of the API: a module for each kind, and a line here."""

import functools

from aiohttp import web

from ferryman.views.documents.events import EVENTS
from ferryman.web.api import actions, freezes, items, prune, registries, stream, tag_history, tags, troubles, work
from ferryman.web.api.answers import as_json, route
from ferryman.web.api.endpoints import PREFIX
from ferryman.web.api.openapi import Json, as_file, openapi
from ferryman.web.routing import Route

ENDPOINTS = (
    *items.ENDPOINTS,
    *tags.ENDPOINTS,
    *freezes.ENDPOINTS,
    *tag_history.ENDPOINTS,
    *prune.ENDPOINTS,
    *troubles.ENDPOINTS,
    *registries.ENDPOINTS,
    *work.ENDPOINTS,
    *actions.ENDPOINTS,
    *stream.ENDPOINTS,
)


@functools.cache
def description() -> Json:
    """The OpenAPI document."""
    return openapi(ENDPOINTS, EVENTS)


async def _describe(request: web.Request) -> web.StreamResponse:
    return as_json(request, as_file(description()).encode())


ROUTES = (
    *map(route, ENDPOINTS),
    Route("GET", f"{PREFIX}/openapi.json", _describe, needs="nothing"),
)
