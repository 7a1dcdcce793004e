"""Tags of an item: what is recorded of them, and what a look would do with them now."""

import asyncio

from aiohttp import web
from pydantic import Field

from ferryman.operations.plan import plan_items
from ferryman.views.documents.base import Document
from ferryman.views.documents.plan import PlannedTagDocument, plan_documents
from ferryman.views.documents.tags import TagWithAttemptsDocument
from ferryman.web.api.endpoints import get
from ferryman.web.api.names import NO_ITEM, ItemParameters, TagParameters, named_item, named_tag
from ferryman.web.context import context
from ferryman.web.refusals import Refused

_LONGEST_PLAN = 20.0  # seconds


@get("/items/{name}/tags/{tag}", problems=NO_ITEM)
async def get_tag(request: web.Request, parameters: TagParameters) -> TagWithAttemptsDocument:
    """What is recorded of a tag, with every attempt of the last 30 days."""
    record = await named_tag(request, parameters)
    return TagWithAttemptsDocument.with_attempts(record, await context(request).record.ledger.attempts(record.id))


class PlanDocument(Document):
    """What a look at an item would do now."""

    entries: list[PlannedTagDocument] = Field(description="Every tag that the source has, in the order of the queue.")
    absent_pins: list[str] = Field(description="Tags that `pin` names, and the source does not have.")
    unmatched_includes: list[str] = Field(description="Patterns of `include` that match no tag of the source.")


@get("/items/{name}/plan", problems={**NO_ITEM, 502: "The source could not be listed.", 504: "Listing took too long."})
async def get_plan(request: web.Request, parameters: ItemParameters) -> PlanDocument:
    """What a look at the item would do now with every tag, and why.

    It lists the source, and changes nothing. A source with very many tags takes longer than the 20 seconds that it
    has here: `ferryman plan` waits.
    """
    item = named_item(request, parameters.name)
    try:
        async with asyncio.timeout(_LONGEST_PLAN):
            planned = await plan_items(context(request).application, [item])
    except TimeoutError:
        raise Refused(504, f"{item.source} was not listed within {_LONGEST_PLAN:.0f} seconds") from None
    if planned.failures:
        raise Refused(502, planned.failures[0].error)
    (looked,) = planned.looked
    return PlanDocument(
        entries=list(plan_documents(planned.looked)),
        absent_pins=list(looked.absent_pins),
        unmatched_includes=list(looked.unmatched_includes),
    )


ENDPOINTS = (get_tag, get_plan)
