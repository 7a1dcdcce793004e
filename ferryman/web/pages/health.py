"""What probes ask: does the process live, and does Ferryman work?"""

import asyncio

from aiohttp import web

from ferryman.errors import StoreError
from ferryman.i18n.texts import current
from ferryman.item_names import named
from ferryman.operations.verdict import Verdict, read_verdict, unreadable
from ferryman.views.documents.verdict import VerdictDocument
from ferryman.views.verdict_sentences import headline, in_words
from ferryman.web.context import Context, context
from ferryman.web.routing import Route
from ferryman.web.security.gate import GATE

_REUSED = 2.0  # seconds for which one answer serves all who ask
_LONGEST_CHECK = 10.0  # seconds


class ReadinessCheck:
    """Looks at the database at most once in two seconds, however many ask: anybody may ask."""

    def __init__(self) -> None:
        self._last: tuple[float, Verdict] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def verdict(self, context: Context) -> Verdict:
        """The verdict now, or a moment ago."""
        async with self._one_at_a_time:
            if self._last is None or context.clock.monotonic() - self._last[0] > _REUSED:
                self._last = (context.clock.monotonic(), await _look(context))
            return self._last[1]


CHECK = web.AppKey("readiness_check", ReadinessCheck)


async def _healthz(_: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "alive"})


async def _readyz(request: web.Request) -> web.StreamResponse:
    """200 or 503 with the verdict; who may not read is told no more than whether it is ready."""
    verdict = await request.app[CHECK].verdict(context(request))
    document: dict[str, object] = {"ready": verdict.ready}
    if request.app[GATE].may_read(request):
        texts = current().texts
        document = VerdictDocument.of(
            verdict, headline=headline(verdict, texts), in_words=lambda signal: in_words(signal, texts)
        ).model_dump(mode="json")
    return web.json_response(document, status=200 if verdict.ready else 503)


async def _look(context: Context) -> Verdict:
    items = named(context.application.configuration.items)
    try:
        async with asyncio.timeout(_LONGEST_CHECK):
            async with context.record.database.write():
                pass  # a transaction that may write: nothing else holds the database for long
            return await read_verdict(context.record, items, now=context.clock.now())
    except StoreError as error:
        return unreadable(str(error))
    except TimeoutError:
        return unreadable("it does not answer")


ROUTES = (
    Route("GET", "/healthz", _healthz, needs="nothing", in_worker=True, any_host=True),
    Route("GET", "/readyz", _readyz, needs="nothing", in_worker=True, any_host=True),
)
