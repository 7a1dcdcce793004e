"""The page of one tag: both sides, how to pull it, its platforms, and its whole life."""

from datetime import datetime

from aiohttp import web

from ferryman.errors import TransferError
from ferryman.i18n.texts import _
from ferryman.items.model import Item
from ferryman.operations.image_sizes import ImageSize
from ferryman.operations.tag_history import tag_history
from ferryman.page_links import tag_path
from ferryman.store.database.database import Transaction
from ferryman.store.queries.held_tags import read_held_tags
from ferryman.store.queries.item_tags import TagFilter, read_item_tags
from ferryman.store.queries.tag_life import TagLife, read_tag_life
from ferryman.views.reasons import probe_in_words
from ferryman.web.context import SIZES, context
from ferryman.web.item_addresses import Unknown, item_at
from ferryman.web.links import addresses
from ferryman.web.named_items import all_items
from ferryman.web.pages.item import show_item
from ferryman.web.probes import asked_again
from ferryman.web.rendering import render
from ferryman.web.routing import Route
from ferryman.web.tag_words import why

_SUGGESTED = 5


async def _show(request: web.Request) -> web.StreamResponse:
    try:
        item = item_at(request, request.match_info["item"])
    except Unknown:
        # A repository may have `tags` in its name.
        item = item_at(request, f"{request.match_info['item']}/tags/{request.match_info['tag']}")
        return await show_item(request, item)
    life = await _life(request, item)
    target, digest = life.record.target, life.record.target_digest
    history = await tag_history(context(request).record, target, life.record.tag, context(request).clock.now())
    marks = await context(request).record.prunes.marks([target], tag=life.record.tag)
    return render(
        request,
        "tag.html",
        life=life,
        mark=marks[0] if marks else None,
        record=life.record,
        address=_address(request, item),
        why=why(life.record),
        probe=(probe := asked_again(context(request), item, life.record)),
        asked=_(probe_in_words(probe.reason)) if probe else None,
        sizes=request.app[SIZES].kept(target, digest) if digest else None,
        running=_running(request, life),
        holders={each.digest: each.holder for each in history.named} if history else {},
    )


async def _platforms(request: web.Request) -> web.StreamResponse:
    """The platforms and their sizes, asked of the target: nobody waits for that who only opens the tag's page."""
    item = item_at(request, request.match_info["item"])
    record = (await _life(request, item)).record
    found: tuple[ImageSize, ...] = ()
    error: str | None = None
    if record.target_digest is not None:
        try:
            found = await request.app[SIZES].read(record.target, record.target_digest)
        except TransferError as failed:
            error = str(failed)
    return render(request, "platforms.html", record=record, address=_address(request, item), sizes=found, error=error)


async def _life(request: web.Request, item: Item) -> TagLife:
    """Raises Unknown."""
    target, tag = str(item.target), request.match_info["tag"]
    here, now = context(request), context(request).clock.now()
    async with here.record.database.read() as connection:
        life = await read_tag_life(connection, target, tag, now)
        near = [] if life else await _near(connection, target, tag, now)
    if life is None:
        address = _address(request, item)
        detail = _("%(item)s has no tag %(tag)s: upstream never had it, or it was removed from the record.")
        values = {"item": item.name, "tag": tag}
        raise Unknown(detail % values, [(f"{item.name}:{each}", tag_path(address, each)) for each in near])
    return life


async def _near(connection: Transaction, target: str, tag: str, now: datetime) -> list[str]:
    """Tags of the item that share a part of the name."""
    part, held = tag, await read_held_tags(connection, now, target)
    while part:
        page = await read_item_tags(connection, target, TagFilter(text=part), held, size=_SUGGESTED)
        if page.rows:
            return [each.tag for each in page.rows]
        part = part[: len(part) // 2]
    return []


def _address(request: web.Request, item: Item) -> str:
    return addresses(all_items(request))[str(item.target)]


def _running(request: web.Request, life: TagLife) -> object:
    """Its copy in this process, with what it has moved so far."""
    jobs = context(request).running.now()
    return next((job for job in jobs if (job.target, job.tag) == (life.record.target, life.record.tag)), None)


ROUTES = (
    Route("GET", "/items/{item:.+}/tags/{tag}/platforms", _platforms, needs="read"),
    Route("GET", "/items/{item:.+}/tags/{tag}", _show, needs="read"),
)
