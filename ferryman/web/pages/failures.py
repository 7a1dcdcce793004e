"""What fails, by its cause: what that means, what mends it, and trying again."""

from aiohttp import web

from ferryman.operations.subjects import registries_of
from ferryman.web.context import context
from ferryman.web.failure_groups import read_groups
from ferryman.web.links import addresses
from ferryman.web.named_items import all_items
from ferryman.web.rendering import render
from ferryman.web.requeue_forms import all_failed, count
from ferryman.web.routing import Route


async def _show(request: web.Request) -> web.StreamResponse:
    record, items = context(request).record, all_items(request)
    targets = {each.target for each in items}
    everything = all_failed(targets)
    number = await count(record, everything)
    return render(
        request,
        "failures.html",
        groups=await read_groups(record, targets, registries_of(items), now=context(request).clock.now()),
        all_failed_question=everything.question(number) if number else "",
        recipients=await record.notices.failing(),
        address_of=addresses(items),
    )


ROUTES = (Route("GET", "/failures", _show, needs="read"),)
