"""What the rules no longer want at an item's target, and its removal."""

from aiohttp import web
from pydantic import Field

from ferryman.errors import TransferError
from ferryman.kinds import PruneBlock
from ferryman.operations.prune import PruneResult, block_of, prune, tags_of, unwanted_of
from ferryman.pruning.removal import Removed
from ferryman.store.records import PruneMark
from ferryman.views.documents.base import Document
from ferryman.views.documents.prune import UnwantedTagDocument
from ferryman.views.prune_table import block_in_words
from ferryman.web.api.endpoints import get, post
from ferryman.web.api.names import NO_ITEM, ItemParameters, named_item
from ferryman.web.api.problems import NotNow
from ferryman.web.context import context
from ferryman.web.refusals import Refused
from ferryman.web.security.gate import acting


class UnwantedTagList(Document):
    """The tags of an item's target that its rules do not want."""

    blocked: PruneBlock | None = Field(description="Why none of them goes now: one word to match; null: some may.")
    entries: list[UnwantedTagDocument] = Field(description="Those that may go are the first.")


@get("/items/{name}/prune", problems=NO_ITEM)
async def get_unwanted(request: web.Request, parameters: ItemParameters) -> UnwantedTagList:
    """What the rules no longer want at the item's target, by the last look, when it goes, and why the rest stays."""
    item = named_item(request, parameters.name)
    [outlook] = await unwanted_of(context(request).application, [item])
    entries = [UnwantedTagDocument.of(tag) for tag in tags_of(outlook)]
    return UnwantedTagList(blocked=block_of(outlook), entries=entries)


class PrunedDocument(Document):
    """What was removed."""

    removed: list[str] = Field(description="The tags that are gone from the target.")
    stayed: int = Field(description="How many others were to go, and stay: see the log.")


_NOT_NOW = {
    404: "There is no such item.",
    409: "Nothing of it may be removed now, as `detail` says, or several items have this name.",
    502: "The target failed; `detail` says at what. What is not removed is as before.",
}


@post("/items/{name}/prune", problems=_NOT_NOW)
async def prune_item(request: web.Request, parameters: ItemParameters) -> PrunedDocument:
    """Remove what may go now, without waiting for its time, but no more in a day than `prune.most` allows."""
    item, removed = named_item(request, parameters.name), list[str]()

    def tell(mark: PruneMark, result: Removed) -> None:
        if result == "removed":
            removed.append(mark.tag)

    [result] = await prune(context(request).application, [item], actor=acting(request), tell=tell)
    if (block := block_of(result.outlook)) is not None:
        raise NotNow(f"{item.target}: nothing is removed: {block_in_words(block, result.outlook.unlisted)}")
    if result.done.error is not None:
        raise Refused(502, _failure(result, result.done.error))
    return PrunedDocument(removed=removed, stayed=result.done.stayed)


def _failure(result: PruneResult, error: TransferError) -> str:
    return f"{result.done.removed} removed, then: {error}"


ENDPOINTS = (get_unwanted, prune_item)
