"""What Prometheus scrapes."""

from collections.abc import AsyncIterator

from aiohttp import web

from ferryman.metrics.exposition import Metrics
from ferryman.web.context import CONTEXT, Context
from ferryman.web.routing import Route

METRICS = web.AppKey("metrics", Metrics)


def metrics_of(context: Context) -> Metrics:
    """The metrics of this process; they count nothing before `counting`."""
    application = context.application
    return Metrics(
        database=context.record.database,
        limits=application.registry.present_limits,
        copies=lambda: application.window.limit if application.window else None,
        configuration=lambda: application.configuration,
        schedule=context.settings.interval,
        clock=context.clock,
    )


async def counting(site: web.Application) -> AsyncIterator[None]:
    """Count what happens as long as the site is up."""
    metrics = site[METRICS]
    end = site[CONTEXT].events.subscribe(metrics.observe)
    yield
    end()
    await metrics.aclose()


async def _metrics(request: web.Request) -> web.StreamResponse:
    body, content_type = await request.app[METRICS].render(request.headers.get("Accept", ""))
    response = web.Response(body=body, headers={"Content-Type": content_type})
    response.enable_compression()
    return response


ROUTES = (Route("GET", "/metrics", _metrics, needs="read", in_worker=True),)
