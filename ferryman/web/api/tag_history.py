"""What a tag named, putting it back on that, and where an image is mirrored to."""

from datetime import datetime, timedelta
from typing import Literal

from aiohttp import web
from pydantic import Field

from ferryman.errors import ConfigurationError, TransferError
from ferryman.item_names import named
from ferryman.moments import parse_moment
from ferryman.operations.rollback import REFUSALS, put_back
from ferryman.operations.tag_history import chosen, keep_tag, release_tag, tag_history
from ferryman.operations.where import places
from ferryman.store.queries.tag_history import TagHistory
from ferryman.views.documents.base import Document
from ferryman.views.documents.tag_history import PlaceDocument, TagHistoryDocument
from ferryman.web.api.endpoints import Body, Parameters, get, post
from ferryman.web.api.names import NO_ITEM, TagParameters, named_item, named_tag, unrecorded
from ferryman.web.api.parameters import Moment, Name, Text
from ferryman.web.api.problems import Invalid, Mistake, NotNow, NotThere
from ferryman.web.context import context
from ferryman.web.refusals import Refused
from ferryman.web.security.gate import acting

_AT = "A moment, in ISO 8601 or as `3d`: so long ago. UTC, if it names no zone."
_NOT_MIRRORED = {404: "No item mirrors this image."}
_ROLLBACK = {
    404: "There is no such item, or no such tag, or the tag never named that.",
    409: "The tag is being copied or put back at this moment, or several items have this name.",
    502: "The target did not do it; the tag is unchanged, unless `detail` says otherwise.",
}


@get("/items/{name}/tags/{tag}/history", problems=NO_ITEM)
async def get_tag_history(request: web.Request, parameters: TagParameters) -> TagHistoryDocument:
    """What the target's tag named, since when, and which tag there holds each digest now."""
    history, period = await _history(request, parameters)
    return TagHistoryDocument.of(history, period)


class RollbackBody(Body):
    """What to put it back on. Nothing: what it named last."""

    to: Text | None = Field(None, description="A digest of its history, or its beginning.", examples=["5f3c2a1b0d"])
    at: Moment | None = Field(None, description=f"What it named then. {_AT}", examples=["2026-11-24T12:00Z"])


class PutBackDocument(Document):
    """A tag that was put back."""

    digest: str = Field(description="What the target's tag names now, and until the tag is released.")


@post("/items/{name}/tags/{tag}/rollback", problems=_ROLLBACK)
async def rollback(request: web.Request, parameters: TagParameters, body: RollbackBody) -> PutBackDocument:
    """Put the target's tag back on what it named before, and hold it there until it is released.

    One manifest is put, no blob is moved.
    """
    history, _ = await _history(request, parameters)
    moment = _moment(request, body.at, "body")
    try:
        digest = chosen(history, to=body.to, at=moment).digest
    except ConfigurationError as error:
        raise NotThere(str(error)) from None
    try:
        done = await put_back(context(request).application, history, digest, actor=acting(request))
    except TransferError as error:
        raise Refused(502, str(error)) from None
    if done.refusal is not None:
        raise NotNow(f"{history.record.target}:{history.record.tag}: {REFUSALS[done.refusal]}")
    return PutBackDocument(digest=done.digest)


class ReleasedDocument(Document):
    """A tag that was released."""

    released: bool = Field(description="false: nothing held it.")


@post("/items/{name}/tags/{tag}/release", problems=NO_ITEM)
async def release(request: web.Request, parameters: TagParameters) -> ReleasedDocument:
    """Let what upstream has now be copied: after a rollback, after a change of a version tag, or though it is young."""
    tag = await named_tag(request, parameters)
    released = await release_tag(context(request).record, tag.target, tag.tag, actor=acting(request))
    return ReleasedDocument(released=released)


class KeptDocument(Document):
    """A tag that is kept as it was mirrored."""

    kept: bool = Field(description="false: it is not held because upstream has changed it.")


@post("/items/{name}/tags/{tag}/keep", problems=NO_ITEM)
async def keep(request: web.Request, parameters: TagParameters) -> KeptDocument:
    """Keep what was mirrored of a version tag that upstream has changed; another change holds it again."""
    tag = await named_tag(request, parameters)
    return KeptDocument(kept=await keep_tag(context(request).record, tag.target, tag.tag, actor=acting(request)))


class WhereParameters(Parameters):
    """An image, and a moment."""

    image: Name = Field(
        description="IMAGE or IMAGE:TAG: an item's name, source or target, or as Docker writes it.",
        examples=["nginx:1.27"],
    )
    at: Moment | None = Field(None, description=f"Ask for the digest then. {_AT}", examples=["2026-11-24T12:00Z"])


class PlaceList(Document):
    """Where an image is mirrored to."""

    entries: list[PlaceDocument] = Field(description="Usually one.")


@get("/where", problems=_NOT_MIRRORED)
async def where(request: web.Request, parameters: WhereParameters) -> PlaceList:
    """Where an image is mirrored to, whether it is there, and which digest it has, or had: from the record alone."""
    here = context(request)
    known = named(here.application.configuration.items)
    moment = _moment(request, parameters.at, "query")
    try:
        found = await places(here.record, known, parameters.image, at=moment, now=here.clock.now())
    except ConfigurationError as error:
        raise NotThere(str(error)) from None
    return PlaceList(entries=[PlaceDocument.of(each) for each in found])


async def _history(request: web.Request, parameters: TagParameters) -> tuple[TagHistory, timedelta]:
    item, here = named_item(request, parameters.name), context(request)
    found = await tag_history(here.record, str(item.target), parameters.tag, here.clock.now())
    if found is None:
        raise unrecorded(str(item.target), parameters.tag)
    return found, item.history


def _moment(request: web.Request, text: str | None, place: Literal["query", "body"]) -> datetime | None:
    try:
        return parse_moment(text, now=context(request).clock.now()) if text is not None else None
    except ValueError as error:
        raise Invalid([Mistake(place, "at", str(error))]) from None


ENDPOINTS = (get_tag_history, rollback, release, keep, where)
