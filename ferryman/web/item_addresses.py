"""Which item an address means; if none, which ones it may have meant."""

import difflib
from collections.abc import Sequence

from aiohttp import web

from ferryman.i18n.texts import _
from ferryman.items.model import Item
from ferryman.page_links import item_path
from ferryman.web.context import context
from ferryman.web.refusals import Refused

_SUGGESTED = 5


class Unknown(Refused):
    """Nothing is at this address; `suggestions`: what is near it, as names and paths."""

    def __init__(self, detail: str, suggestions: Sequence[tuple[str, str]]) -> None:
        super().__init__(404, detail)
        self.suggestions = suggestions


def item_at(request: web.Request, text: str) -> Item:
    """The item with this target, or the only one with this name or source. Raises Unknown."""
    items = context(request).application.configuration.items
    found = [item for item in items if str(item.target) == text]
    found = found or [item for item in items if text in _spellings(item)]
    if len(found) == 1:
        return found[0]
    if found:
        near = [(str(item.target), item_path(str(item.target))) for item in found]
        raise Unknown(_("Several items have this name; their targets tell them apart."), near)
    by_spelling = {spelling: item for item in items for spelling in _spellings(item)}
    close = difflib.get_close_matches(text, by_spelling, n=_SUGGESTED, cutoff=0.5)
    detail = _("items.yml has no item of this name. It may have been removed, or the address is mistyped.")
    raise Unknown(detail, [(spelling, item_path(str(by_spelling[spelling].target))) for spelling in close])


def item_before(request: web.Request, part: str) -> Item:
    """The item of an address that ends with this part, which may belong to the item's own name. Raises Unknown."""
    name = request.match_info["item"]
    try:
        return item_at(request, name)
    except Unknown:
        return item_at(request, f"{name}/{part}")


def _spellings(item: Item) -> tuple[str, ...]:
    return (item.name, str(item.source), str(item.target))
