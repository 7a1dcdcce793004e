"""Tags of an item: what is recorded of them, and what a look would do with them now."""

import asyncio
from dataclasses import asdict

from aiohttp import web
from pydantic import Field

from ferryman.errors import TransferError
from ferryman.operations.plan import plan_items
from ferryman.store.queries.held_tags import read_held_tags
from ferryman.store.queries.item_tags import Sort, TagFilter, read_item_tags
from ferryman.store.queries.tag_life import read_tag_life
from ferryman.store.records import Outcome, TagState
from ferryman.views.documents.base import Document
from ferryman.views.documents.plan import PlannedTagDocument, plan_documents
from ferryman.views.documents.tags import TagDocument, TagLifeDocument
from ferryman.web.api.endpoints import get
from ferryman.web.api.names import NO_ITEM, ItemParameters, TagParameters, named_item, named_tag, unrecorded
from ferryman.web.api.paging import Page, Paged
from ferryman.web.api.parameters import Flag, Text
from ferryman.web.context import SIZES, context
from ferryman.web.probes import asked_again
from ferryman.web.refusals import Refused

_LONGEST_PLAN = 20.0  # seconds


class TagPage(Page[TagDocument]):
    """Tags of an item."""


class TagsParameters(ItemParameters, Paged):
    """Which tags of an item: those for which all of this holds."""

    status: list[TagState] = Field(
        [], description="With any of these; `held`: queued until a login is accepted.", examples=[["failed", "held"]]
    )
    reason: Text | None = Field(
        None, description="Skipped, or waiting, for this reason; `paused`: for the end of a pause.",
        examples=["beyond-limit"],
    )  # fmt: skip
    kind: Text | None = Field(None, description="With an error of this kind.", examples=["denied"])
    outcome: Outcome | None = Field(None, description="Whose last attempt ended so.")
    text: Text = Field("", description="With this somewhere in the name.", examples=["v3"])
    sort: Sort = Field("version", description="By what they are sorted.")
    ascending: Flag = Field(default=False, description="Sorted upwards.")

    @property
    def shown(self) -> TagFilter:
        """As the store takes it."""
        return TagFilter(statuses=self.status, reason=self.reason, kind=self.kind, outcome=self.outcome, text=self.text)


@get("/items/{name}/tags", problems=NO_ITEM)
async def list_tags(request: web.Request, parameters: TagsParameters) -> TagPage:
    """The tags of an item: filtered, sorted, page by page."""
    target = str(named_item(request, parameters.name).target)
    here = context(request)
    async with here.record.database.read() as connection:
        held = await read_held_tags(connection, here.clock.now(), target)
        page = await read_item_tags(
            connection, target, parameters.shown, held,
            sort=parameters.sort, descending=not parameters.ascending, size=parameters.limit, cursor=parameters.cursor,
        )  # fmt: skip
    return TagPage.of(request, page, TagDocument.of)


@get("/items/{name}/tags/{tag}", problems=NO_ITEM)
async def get_tag(request: web.Request, parameters: TagParameters) -> TagLifeDocument:
    """All that is recorded of a tag: every digest that it had, and every attempt of the last 30 days."""
    item, here = named_item(request, parameters.name), context(request)
    target = str(item.target)
    async with here.record.database.read() as connection:
        life = await read_tag_life(connection, target, parameters.tag, here.clock.now())
    if life is None:
        raise unrecorded(target, parameters.tag)
    return TagLifeDocument.of_life(life, asked_again(here, item, life.record))


class ImageDocument(Document):
    """One image of a tag."""

    platform: str | None = Field(description="os/arch/variant; null: unknown, or not an image.")
    digest: str = Field(description="Of its manifest.")
    size: int | None = Field(description="Bytes of its layers and its config; null: unknown.")
    layers: int | None = Field(description="How many; null: unknown.")


class ImageList(Document):
    """The images of a tag."""

    entries: list[ImageDocument] = Field(description="In the order of its index.")


@get("/items/{name}/tags/{tag}/images", problems={**NO_ITEM, 502: "The target could not be asked."})
async def list_images(request: web.Request, parameters: TagParameters) -> ImageList:
    """The images that the target has of a tag, with their platforms and sizes: read from the target."""
    record = await named_tag(request, parameters)
    if record.target_digest is None:
        return ImageList(entries=[])
    try:
        images = await request.app[SIZES].read(record.target, record.target_digest)
    except TransferError as error:
        raise Refused(502, str(error)) from None
    return ImageList(entries=[ImageDocument(**asdict(each)) for each in images])


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


ENDPOINTS = (list_tags, get_tag, list_images, get_plan)
