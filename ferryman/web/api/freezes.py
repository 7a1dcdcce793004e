"""Frozen items: what only their targets have any more, and accepting what upstream has now."""

from typing import Self

from aiohttp import web
from pydantic import Field

from ferryman.operations.freezes import release_item
from ferryman.store.records import LostTag
from ferryman.views.documents.base import Document, Time
from ferryman.web.api.endpoints import get, post
from ferryman.web.api.names import NO_ITEM, ItemParameters, named_item
from ferryman.web.api.paging import Page, Paged, by_id, number_of
from ferryman.web.context import context
from ferryman.web.security.gate import acting


class LostTagDocument(Document):
    """A mirrored tag of a frozen item that upstream does not have any more as it was."""

    tag: str = Field(description="The tag's name.")
    mirrored_digest: str | None = Field(
        description="Upstream's digest whose copy the target has; null: imported, and not known."
    )
    found_digest: str | None = Field(description="The digest that upstream's tag names now; null: there is none.")
    synced_at: Time | None = Field(description="When it was copied.")

    @classmethod
    def of(cls, lost: LostTag) -> Self:
        """The document of a tag."""
        return cls(
            tag=lost.tag, mirrored_digest=lost.mirrored_digest, found_digest=lost.found, synced_at=lost.synced_at
        )


class LostTagPage(Page[LostTagDocument]):
    """What only the target of a frozen item has any more."""


class LostTagsParameters(ItemParameters, Paged):
    """Of which item."""


@get("/items/{name}/lost", problems=NO_ITEM)
async def list_lost_tags(request: web.Request, parameters: LostTagsParameters) -> LostTagPage:
    """What only the target of a frozen item has any more; nothing, if the item is not frozen."""
    target = str(named_item(request, parameters.name).target)
    freezes, size = context(request).record.freezes, parameters.limit
    is_frozen = bool(await freezes.frozen([target]))
    found = await freezes.lost(target, most=size + 1, after=number_of(parameters.cursor) or 0) if is_frozen else []
    return LostTagPage.of(request, by_id(found, size), LostTagDocument.of)


class ItemReleasedDocument(Document):
    """An item that was released."""

    released: bool = Field(description="false: it is not frozen.")


@post("/items/{name}/release", problems=NO_ITEM)
async def release_frozen_item(request: web.Request, parameters: ItemParameters) -> ItemReleasedDocument:
    """Accept what upstream of a frozen item has now: the next look takes it."""
    target = str(named_item(request, parameters.name).target)
    return ItemReleasedDocument(released=await release_item(context(request).record, target, actor=acting(request)))


ENDPOINTS = (list_lost_tags, release_frozen_item)
