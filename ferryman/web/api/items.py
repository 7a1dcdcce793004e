"""The verdict on the mirror, and how each item stands."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from ferryman.item_names import Named
from ferryman.items.model import Item
from ferryman.operations.overview import Overview, read_overview
from ferryman.views.documents.base import Document, Time
from ferryman.views.documents.items import ItemDocument, ItemWithRulesDocument
from ferryman.views.documents.verdict import VerdictDocument
from ferryman.views.verdict_sentences import headline, in_words
from ferryman.web.api.cursors import Cursor
from ferryman.web.api.endpoints import get
from ferryman.web.api.names import NO_ITEM, ItemParameters, named_item
from ferryman.web.api.paging import Page, Paged
from ferryman.web.context import context


class OverviewDocument(Document):
    """How everything stands."""

    verdict: VerdictDocument
    looking_since: Time | None = Field(description="Since when a cycle runs; null: none does.")
    next_look_at: Time | None = Field(description="When the next cycle begins; null: one runs, or nobody schedules.")


@get("/overview")
async def get_overview(request: web.Request) -> OverviewDocument:
    """The one verdict on the mirror: is it complete, and if not, why?"""
    overview = await _overview(request, context(request).application.configuration.items)
    return OverviewDocument(
        verdict=VerdictDocument.of(overview.verdict, headline=headline(overview.verdict), in_words=in_words),
        looking_since=overview.looks_since,
        next_look_at=overview.next_look_at,
    )


class ItemPage(Page[ItemDocument]):
    """Items, in the order of items.yml."""


class ItemsParameters(Paged):
    """Which items."""

    cursor: Annotated[tuple[int], Cursor()] | None = Field(None, description="From `next` of the page before.")


@get("/items")
async def list_items(request: web.Request, parameters: ItemsParameters) -> ItemPage:
    """How each item of items.yml stands."""
    items = context(request).application.configuration.items
    begin = max(parameters.cursor[0], 0) if parameters.cursor else 0
    end = begin + parameters.limit
    shown = (await _overview(request, items[begin:end])).items
    return ItemPage.listing(
        request, [ItemDocument.of(each) for each in shown], following=(end,) if end < len(items) else None
    )


@get("/items/{name}", problems=NO_ITEM)
async def get_item(request: web.Request, parameters: ItemParameters) -> ItemWithRulesDocument:
    """How an item stands, and what its rules are."""
    item = named_item(request, parameters.name)
    [overview] = (await _overview(request, [item])).items
    return ItemWithRulesDocument.with_rules(overview, item)


async def _overview(request: web.Request, items: "tuple[Item, ...] | list[Item]") -> Overview:
    named = [Named(item.name, str(item.source), str(item.target)) for item in items]
    return await read_overview(context(request).record, named, now=context(request).clock.now())


ENDPOINTS = (get_overview, list_items, get_item)
