"""The verdict on the mirror, and how each item stands."""

from collections.abc import Sequence

from aiohttp import web
from pydantic import Field

from ferryman.item_names import named
from ferryman.items.model import Item
from ferryman.operations.overview import Overview, read_overview
from ferryman.store.queries.pages import Page, encode_cursor
from ferryman.views.documents.base import Document, Time
from ferryman.views.documents.items import ItemDocument, ItemWithRulesDocument
from ferryman.views.documents.verdict import VerdictDocument
from ferryman.views.verdict_sentences import headline, in_words
from ferryman.web.api import paging
from ferryman.web.api.endpoints import get
from ferryman.web.api.names import NO_ITEM, ItemParameters, named_item
from ferryman.web.api.paging import Paged, number_of
from ferryman.web.context import context


class OverviewDocument(Document):
    """How everything stands."""

    verdict: VerdictDocument
    looking_since: Time | None = Field(description="Since when a cycle runs; null: none does.")
    next_look_at: Time | None = Field(description="When the next cycle begins; null: one runs, or nobody schedules.")


@get("/overview")
async def get_overview(request: web.Request) -> OverviewDocument:
    """The one verdict on the mirror: is it complete, and if not, why?"""
    overview = await _overview(request, context(request).application.configuration.items, looks=False)
    return OverviewDocument(
        verdict=VerdictDocument.of(overview.verdict, headline=headline(overview.verdict), in_words=in_words),
        looking_since=overview.looks_since,
        next_look_at=overview.next_look_at,
    )


class ItemPage(paging.Page[ItemDocument]):
    """Items, in the order of items.yml."""


@get("/items")
async def list_items(request: web.Request, parameters: Paged) -> ItemPage:
    """How each item of items.yml stands."""
    items = context(request).application.configuration.items
    begin = max(0, number_of(parameters.cursor) or 0)
    end = begin + parameters.limit
    shown = (await _overview(request, items[begin:end])).items
    return ItemPage.of(request, Page(shown, encode_cursor((end,)) if end < len(items) else None), ItemDocument.of)


@get("/items/{name}", problems=NO_ITEM)
async def get_item(request: web.Request, parameters: ItemParameters) -> ItemWithRulesDocument:
    """How an item stands, and what its rules are."""
    item = named_item(request, parameters.name)
    [overview] = (await _overview(request, [item])).items
    return ItemWithRulesDocument.with_rules(overview, item)


async def _overview(request: web.Request, items: Sequence[Item], *, looks: bool = True) -> Overview:
    here = context(request)
    return await read_overview(here.record, named(items), now=here.clock.now(), looks=looks)


ENDPOINTS = (get_overview, list_items, get_item)
