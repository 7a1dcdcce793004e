"""What fails, by its cause: what that means, what mends it, and trying again."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from ferryman.item_names import named
from ferryman.operations.subjects import registries_of
from ferryman.web.context import CONTEXT
from ferryman.web.failure_groups import read_groups
from ferryman.web.links import addresses
from ferryman.web.live import Part, follow, record_stamp
from ferryman.web.rendering import fragment, render
from ferryman.web.requeue_forms import all_failed, count
from ferryman.web.routing import Route
from ferryman.web.security.gate import may_act

_INTERVAL = 5.0  # seconds
_PATH = "/failures"


async def _show(request: web.Request) -> web.StreamResponse:
    return render(request, "failures.html", may_act=may_act(request), **await _values(request.app))


async def _follow(request: web.Request) -> web.StreamResponse:
    return await follow(request, [Part(_parts, (may_act(request),), _INTERVAL, record_stamp)])


async def _parts(site: web.Application, acting: bool) -> Sequence[str]:
    values = await _values(site)
    return [
        fragment(site, f"parts/{name}.html", address=_PATH, may_act=acting, **values)
        for name in ("all_failed", "failures")
    ]


async def _values(site: web.Application) -> dict[str, Any]:
    """What the page and its parts show. Raises StoreError."""
    here = site[CONTEXT]
    items = named(here.application.configuration.items)
    targets = {each.target for each in items}
    everything = all_failed(targets)
    number = await count(here.record, everything)
    return {
        "groups": await read_groups(here.record, targets, registries_of(items), now=here.clock.now()),
        "all_failed_question": everything.question(number) if number else "",
        "recipients": await here.record.notices.failing(),
        "address_of": addresses(items),
    }


ROUTES = (
    Route("GET", _PATH, _show, needs="read"),
    Route("GET", "/live/failures", _follow, needs="read", endless=True),
)
