"""Stops the tests' web servers cleanly."""

import asyncio

from aiohttp import web


async def clean_up(runner: web.BaseRunner) -> None:
    """Stop accepting, wait for connections that are being accepted, then close everything.

    asyncio loses a connection that it is accepting while its server closes (Python 3.11): the socket stays open, and
    causes a ResourceWarning in the test in which garbage is collected next.
    """
    loop = asyncio.get_running_loop()
    for site in runner.sites:
        server = getattr(site, "_server", None)  # there is no public way to it
        for listening in server.sockets if isinstance(server, asyncio.Server) else ():
            loop.remove_reader(listening.fileno())
    for _ in range(5):  # rounds of the loop: accept, make the transport, tell the protocol, and one or two more
        await asyncio.sleep(0)
    await runner.cleanup()
