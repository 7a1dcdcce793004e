"""Listens for browsers and programs, and serves them while the service runs."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Sequence

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.log import server_logger

from ferryman import log
from ferryman.application import Application
from ferryman.errors import AddressUnusable
from ferryman.tasks import cancel_and_wait
from ferryman.views.running_jobs import RunningJobs
from ferryman.web.connections import Connections
from ferryman.web.context import Context, Role
from ferryman.web.pages.overview import warm_up
from ferryman.web.rendering import compile_templates
from ferryman.web.site import build
from ferryman.web_address import ListenAddress

_KEEP_ALIVE = 60.0  # seconds that a connection may be silent, or send the next headers
_CLOSING = 1.0  # seconds in which running requests may end; then they are cancelled
_BACKLOG = 128
_WARMING = 2.0  # seconds that connections wait, at most, for what the first page would have to load and compile


class Server:
    """The web server of one process. `listen` makes it."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets

    @classmethod
    def listen(cls, address: ListenAddress) -> "Server":
        """Take the address; connections wait until `serve` is called. Raises AddressUnusable."""
        with contextlib.ExitStack() as stack:
            try:
                sockets = [stack.enter_context(_bound(*target)) for target in _targets(address)]
            except OSError as error:
                in_use = error.errno == errno.EADDRINUSE
                reason = "is in use" if in_use else f"cannot be used: {error.strerror or error}"
                raise AddressUnusable(f"FERRYMAN_LISTEN: {address} {reason}: set another address, or `off`") from None
            stack.pop_all()
        return cls(sockets)

    @property
    def addresses(self) -> list[str]:
        """Where it listens: `127.0.0.1:8080`."""
        return [_name(each) for each in self._sockets]

    async def serve(self, application: Application, role: Role, running: RunningJobs) -> None:
        """Serve until cancelled; then end within two seconds, open event streams at once."""
        runner = web.AppRunner(
            build(Context(application, role, running)), access_log=None, keepalive_timeout=_KEEP_ALIVE,
            shutdown_timeout=_CLOSING,
        )  # fmt: skip
        await runner.setup()
        connections = Connections(runner)
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(runner.cleanup)
            warming = asyncio.create_task(_warm_up(runner.app, role))
            stack.push_async_callback(cancel_and_wait, [warming])
            try:
                await asyncio.wait([warming], timeout=_WARMING)
                for each in self._sockets:
                    # A copy is closed with its server: after a defect the next one needs another.
                    server = await loop.create_server(connections.accept, sock=each.dup(), backlog=_BACKLOG)
                    stack.callback(server.close)
                log.get().info("web_listening", message="the page listens", addresses=self.addresses)
                await warming
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.close()  # or browsers would wait for an answer until the process ends
                raise

    def close(self) -> None:
        """Give the address up."""
        for each in self._sockets:
            each.close()


async def _warm_up(site: web.Application, role: Role) -> None:
    if role != "worker":  # which serves no page
        await asyncio.to_thread(compile_templates)
        await warm_up(site)


def _targets(address: ListenAddress) -> list[tuple[int, str, int]]:
    """Family, host and port of each socket: a name may have several addresses."""
    if address.host is None:
        both = socket.has_dualstack_ipv6()
        return [(socket.AF_INET6, "::", address.port)] if both else [(socket.AF_INET, "0.0.0.0", address.port)]  # noqa: S104
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(target[0]), address.port) for family, _, _, _, target in found))


def _bound(family: int, host: str, port: int) -> socket.socket:
    return socket.create_server(
        (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=family == socket.AF_INET6 and host == "::"
    )


def _name(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _OnlyDefects(logging.Filter):
    """Of aiohttp's own log: it writes a traceback for every request of a stranger that is no HTTP."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | ConnectionError)


server_logger.addFilter(_OnlyDefects())
