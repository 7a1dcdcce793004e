"""What probes ask: does the process live, and is the mirror at work?"""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from ferryman.errors import StoreError
from ferryman.liveness import Liveness, check_liveness
from ferryman.web.context import Context, context
from ferryman.web.routing import Route
from ferryman.web.security.gate import GATE

_SCHEDULES, _COPIES = {"run", "scheduler"}, {"run", "worker"}
_REUSED = 2.0  # seconds for which one answer serves all who ask
_LONGEST_CHECK = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the mirror is at work, and what keeps it from that."""

    problems: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class ReadinessCheck:
    """Looks at the database at most once in two seconds, however many ask: anybody may ask."""

    def __init__(self) -> None:
        self._last: tuple[float, Readiness] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def look(self, context: Context) -> Readiness:
        """The readiness now, or a moment ago."""
        async with self._one_at_a_time:
            if self._last is None or context.clock.monotonic() - self._last[0] > _REUSED:
                self._last = (context.clock.monotonic(), Readiness(tuple(await _problems(context))))
            return self._last[1]


CHECK = web.AppKey("readiness_check", ReadinessCheck)


async def _healthz(_: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "alive"})


async def _readyz(request: web.Request) -> web.StreamResponse:
    """503 with the problems; those who may not read are told no more than that."""
    readiness = await request.app[CHECK].look(context(request))
    document: dict[str, object] = {"status": "ready" if readiness.ready else "not ready"}
    if request.app[GATE].may_read(request):
        document["problems"] = list(readiness.problems)
    return web.json_response(document, status=200 if readiness.ready else 503)


async def _problems(context: Context) -> list[str]:
    try:
        async with asyncio.timeout(_LONGEST_CHECK):
            async with context.record.database.write():
                pass  # a transaction that may write: nothing else holds the database for long
            services = await _services(context)
    except StoreError as error:
        return [f"the state database cannot be written: {error}"]
    except TimeoutError:
        return ["the state database does not answer"]
    found = [f"{each.service.role}: {each.problem}" for each in services if each.problem is not None]
    well = {each.service.role for each in services if each.alive}
    if not well & _SCHEDULES:
        found.append("no scheduler has sent a heartbeat in the last minute")
    if not well & _COPIES:
        found.append("no worker has sent a heartbeat in the last minute")
    return found


async def _services(context: Context) -> list[Liveness]:
    locks = context.record.locks()
    services = await context.record.services.list()
    return check_liveness(services, now=context.clock.now(), dead=locks.free, existing=locks.held)


ROUTES = (
    Route("GET", "/healthz", _healthz, needs="nothing", in_worker=True, any_host=True),
    Route("GET", "/readyz", _readyz, needs="nothing", in_worker=True, any_host=True),
)
