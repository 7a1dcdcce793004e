"""Limits on connections: aiohttp itself would wait for ever for the headers of a first request."""

import asyncio
from weakref import WeakSet

from aiohttp import web

_LONGEST_HEADERS = 10.0  # seconds from the connection to the end of the first request's headers
_MOST = 500  # at once

_ASKED: WeakSet[asyncio.BaseTransport] = WeakSet()  # connections that have sent whole headers


def note_request(request: web.Request) -> None:
    """Its headers have come: from now on the keep-alive timeout holds for the connection."""
    if request.transport is not None:
        _ASKED.add(request.transport)


class Connections:
    """Makes the protocol of each connection, and drops those that say nothing, or are too many."""

    def __init__(self, runner: web.AppRunner) -> None:
        """`runner`: set up already."""
        self._runner = runner

    def accept(self) -> web.RequestHandler:
        """The protocol for a new connection, as asyncio wants it."""
        if (server := self._runner.server) is None:
            raise ConnectionAbortedError("the server has stopped")
        connection = server()
        patience = _LONGEST_HEADERS if len(server.connections) < _MOST else 0.0
        asyncio.get_running_loop().call_later(patience, _drop_silent, connection)
        return connection


def _drop_silent(connection: web.RequestHandler) -> None:
    if connection.transport is not None and connection.transport not in _ASKED:
        connection.force_close()
