"""The page of one item: how it stands, its rules, its tags; and, when somebody asks for it, what a look would do."""

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web

from ferryman.i18n.texts import _
from ferryman.item_names import Named
from ferryman.items.model import Item
from ferryman.operations.overview import read_overview
from ferryman.operations.plan import plan_items
from ferryman.store.freezes import read_lost
from ferryman.store.queries.findings import read_findings
from ferryman.store.queries.held_tags import read_held_tags
from ferryman.store.queries.item_tags import read_facets, read_item_tags
from ferryman.store.queries.pages import InvalidCursor
from ferryman.tasks import gather_or_raise
from ferryman.views.reasons import reason_in_words
from ferryman.web.context import context
from ferryman.web.item_addresses import item_at, item_before
from ferryman.web.item_rows import cells
from ferryman.web.links import addresses
from ferryman.web.named_items import all_items
from ferryman.web.refusals import Refused
from ferryman.web.rendering import render
from ferryman.web.routing import Route
from ferryman.web.rule_words import rules_in_words
from ferryman.web.tag_filters import as_fields, read_filter, read_sort
from ferryman.web.tag_words import choices, why

_ROWS = 100  # of one page of the table
_LONGEST_LOOK = 20.0  # seconds: a person waits
_SHOWN_FINDINGS = 100
_SHOWN_LOST = 100
_SHOWN_DECISIONS = 200
_SHOWN_MARKS = 100


async def _show(request: web.Request) -> web.StreamResponse:
    return await show_item(request, item_at(request, request.match_info["item"]))


async def show_item(request: web.Request, item: Item) -> web.StreamResponse:
    """The page of this item. Raises Refused."""
    target = str(item.target)
    # At the same time: each passes over all of the item's tags in an index, and SQLite does that in a thread.
    overview, shown = await gather_or_raise(_overview(request, item), _tags(request, target))
    return render(
        request,
        "item.html",
        address=addresses(all_items(request))[target],
        rules=rules_in_words(item, transport=context(request).settings.transport),
        cells=cells,
        why=why,
        continued="after" in request.query,
        **overview,
        **shown,
    )


async def _overview(request: web.Request, item: Item) -> dict[str, Any]:
    """How it stands, what is damaged at its target, and what goes from there."""
    named, record = Named(item.name, str(item.source), str(item.target)), context(request).record
    overview = await read_overview(record, [named], now=context(request).clock.now())
    async with record.database.read() as connection:
        damage = await read_findings(connection, [named.target], most=_SHOWN_FINDINGS + 1)
        lost = await read_lost(connection, named.target, most=_SHOWN_LOST + 1) if overview.items[0].freeze else []
    marks = await record.prunes.marks([named.target])
    return {
        "item": overview.items[0], "overview": overview, "reason": lambda code: _(reason_in_words(code)),
        "lost": lost[:_SHOWN_LOST], "more_lost": len(lost) > _SHOWN_LOST,
        "marks": marks[:_SHOWN_MARKS], "more_marks": len(marks) > _SHOWN_MARKS,
        "damage": damage[:_SHOWN_FINDINGS], "more_damage": len(damage) > _SHOWN_FINDINGS,
    }  # fmt: skip


async def _tags(request: web.Request, target: str) -> dict[str, Any]:
    """The part of its tags that is asked for, and what they can be filtered by. Raises Refused."""
    here, wanted, (sort, downwards) = context(request), read_filter(request.query), read_sort(request.query)
    async with here.record.database.read() as connection:
        held = await read_held_tags(connection, here.clock.now(), target)
        try:
            page = await read_item_tags(
                connection, target, wanted, held, sort=sort, descending=downwards, size=_ROWS,
                cursor=request.query.get("after"),
            )  # fmt: skip
        except InvalidCursor:
            raise Refused(400, _("This part of the list does not exist: begin at its first page.")) from None
        facets = await read_facets(connection, target, held, wanted.text)
    return {
        "choices": choices(facets), "wanted": wanted, "fields": as_fields(wanted),
        "sort": ("-" if downwards else "") + sort, "page": page, "found": wanted.count(facets),
    }  # fmt: skip


async def _plan(request: web.Request) -> web.StreamResponse:
    """What a look would do now. Nothing is recorded, so whoever reads may ask."""
    item = item_before(request, "plan")
    try:
        async with asyncio.timeout(_LONGEST_LOOK):
            plan = await plan_items(context(request).application, [item])
    except TimeoutError:
        detail = _("The source did not answer in time. `ferryman plan` has more patience.")
        raise Refused(503, detail, headers={"Retry-After": "60"}) from None
    decisions = [each for looked in plan.looked for each in looked.decisions]
    changes = [each for each in decisions if each.action in {"copy", "fail", "adopt"}]
    return render(
        request,
        "plan.html",
        item=item,
        address=addresses(all_items(request))[str(item.target)],
        failures=plan.failures,
        collapses=[each.collapse for each in plan.looked if each.collapse],
        actions=Counter(each.action for each in decisions),
        shown=changes[:_SHOWN_DECISIONS],
        more=len(changes[_SHOWN_DECISIONS:]),
        rested=sum(len(looked.rested) for looked in plan.looked),
        reason=lambda code: _(reason_in_words(code)),
    )


ROUTES = (
    Route("GET", "/items/{item:.+}/plan", _plan, needs="read"),
    Route("GET", "/items/{item:.+}", _show, needs="read"),
)
