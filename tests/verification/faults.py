"""Faults of a registry behind a proxy."""

from aiohttp import web

from tests.support.proxy import FaultyProxy


def fail_at(proxy: FaultyProxy, number: int, status: int) -> list[str]:
    """Fail one request, and its repetitions. The list is empty as long as it has not come."""
    came: list[str] = []
    seen: list[str] = []

    async def fault(request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        if line not in seen:
            seen.append(line)
        if seen.index(line) == number:
            came.append(line)
            return web.Response(status=status)
        return await proxy.pass_on(request)

    proxy.fail("", fault)
    return came
