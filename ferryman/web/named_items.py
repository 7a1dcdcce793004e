"""The items of items.yml, as a form of a page names them."""

from collections.abc import Sequence

from aiohttp import web

from ferryman.i18n.texts import _
from ferryman.item_names import Named, named
from ferryman.web.context import context
from ferryman.web.refusals import Refused


def all_items(request: web.Request) -> Sequence[Named]:
    """Every item."""
    return named(context(request).application.configuration.items)


def item_named(request: web.Request, text: str) -> Named:
    """The item with this target, or the only one with this name or source. Raises Refused."""
    items = all_items(request)
    found = [each for each in items if each.target == text] or [each for each in items if text in each.spellings]
    if len(found) != 1:
        raise Refused(404, _("items.yml has no such item."))
    return found[0]


def items_found(items: Sequence[Named], text: str) -> Sequence[Named]:
    """The items that have the text in their name, source or target; all for none."""
    wanted = text.lower()
    return [each for each in items if wanted in f"{each.name}\n{each.source}\n{each.target}".lower()]
