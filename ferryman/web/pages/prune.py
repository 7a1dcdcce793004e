"""What the rules no longer want at an item's target. Read when somebody asks: the target may have to be asked, too."""

from collections import Counter

from aiohttp import web

from ferryman.i18n.texts import _
from ferryman.operations.prune import block_or_doubt_of, tags_of, unwanted_of
from ferryman.views.prune_table import STAYS, block_in_words
from ferryman.views.reasons import reason_in_words
from ferryman.web.context import context
from ferryman.web.item_addresses import item_before
from ferryman.web.links import addresses
from ferryman.web.named_items import all_items
from ferryman.web.rendering import render
from ferryman.web.routing import Route

_SHOWN = 200


async def _show(request: web.Request) -> web.StreamResponse:
    item = item_before(request, "prune")
    [outlook] = await unwanted_of(context(request).application, [item])
    tags = tags_of(outlook)
    going = [each for each in tags if each.stays is None]
    block = block_or_doubt_of(outlook)
    return render(
        request,
        "prune.html",
        item=item,
        address=addresses(all_items(request))[str(item.target)],
        block=block_in_words(block) if block else None,
        removable=sum(each.now for each in going),
        shown=going[:_SHOWN],
        more=len(going[_SHOWN:]),
        stays=Counter(STAYS[each.stays] for each in tags if each.stays is not None).most_common(),
        reason=lambda code: _(reason_in_words(code)),
    )


ROUTES = (Route("GET", "/items/{item:.+}/prune", _show, needs="read"),)
