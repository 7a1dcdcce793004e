"""The event stream: what happens in this process, as it happens."""

from collections.abc import AsyncIterator

from aiohttp import web

from ferryman.web.api.broadcast import Broadcast
from ferryman.web.api.endpoints import get
from ferryman.web.context import CONTEXT
from ferryman.web.streams import STREAMS

BROADCAST = web.AppKey("broadcast", Broadcast)


async def broadcast(site: web.Application) -> AsyncIterator[None]:
    """Take note of events as long as the server runs: a context of the web application."""
    context = site[CONTEXT]
    site[BROADCAST] = Broadcast(context.running, clock=context.clock.monotonic)
    unsubscribe = context.events.subscribe(site[BROADCAST].observe)
    yield
    unsubscribe()


@get("/events", problems={503: "Too many streams are open already, or the database cannot be used."})
async def follow_events(request: web.Request) -> web.StreamResponse:
    """Follow what happens in this process, as server-sent events.

    `data` of each event is a JSON object; its schema is named in `x-events`. With `Last-Event-ID`, the stream goes on
    behind that event; a `reset` says that some were missed. Events of other processes are not told: where several work
    on one database, follow each of them, or read `/running` again.
    """
    messages = request.app[BROADCAST].follow(request.headers.get("Last-Event-ID"))
    return await request.app[STREAMS].send(request, messages)


ENDPOINTS = (follow_events,)
