"""What was done: every attempt at a tag, and every action of a person, the newest first."""

from collections.abc import Mapping, Sequence
from typing import get_args

from aiohttp import web

from ferryman.i18n.texts import N_, _, current
from ferryman.item_names import Named
from ferryman.store.queries.activity import Activity, ActivityFilter, read_activity
from ferryman.store.queries.pages import InvalidCursor, Page
from ferryman.store.records import ActionName, Outcome
from ferryman.views.verdict_sentences import cause_in_words
from ferryman.web.context import context
from ferryman.web.links import addresses
from ferryman.web.named_items import all_items, items_found
from ferryman.web.refusals import Refused
from ferryman.web.rendering import render
from ferryman.web.routing import Route

_ROWS = 50
_LONGEST_TEXT = 200  # characters
_LONGEST_ID = 18  # digits
_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_KINDS = (
    "login", "login-unsteady", "denied", "not-found", "unreachable", "rate-limited", "tls", "wrong-content",
    "unsupported", "platform", "engine", "disk-full", "lost", "cancelled",
)  # fmt: skip
_ACTIONS: Mapping[ActionName, str] = {
    "requeue": N_("queued again"),
    "pause": N_("paused"),
    "resume": N_("resumed"),
    "cancel": N_("stopped a copy"),
    "look": N_("asked for a look"),
    "forget": N_("forgot"),
    "try-login": N_("tried the login"),
}


async def _show_attempts(request: web.Request) -> web.StreamResponse:
    items, query = all_items(request), request.query
    wanted = {name: query.get(name, "").strip()[:_LONGEST_TEXT] for name in ("item", "outcome", "kind", "text")}
    item = _item(items, wanted["item"])
    page: Page[Activity] = Page((), None)
    if item is not None or not wanted["item"]:
        page = await _attempts(request, wanted, item)
    return render(
        request,
        "activity.html",
        wanted=wanted,
        items=items,
        address_of=addresses(items),
        outcomes=_OUTCOMES,
        kinds={kind: cause_in_words(kind, None, None, current().texts) for kind in _KINDS},
        attempts=page.rows,
        next={"after": page.next} if page.next else None,
        is_later="after" in query,
    )


def _item(items: Sequence[Named], text: str) -> Named | None:
    """The item that a filter names; None: none, or several."""
    if not text:
        return None
    found = [each for each in items if text in each.spellings] or list(items_found(items, text))
    return found[0] if len(found) == 1 else None


async def _attempts(request: web.Request, wanted: Mapping[str, str], item: Named | None) -> Page[Activity]:
    shown = ActivityFilter(
        target=item.target if item else None,
        outcome=next((each for each in _OUTCOMES if each == wanted["outcome"]), None),
        kind=wanted["kind"] or None,
        text=wanted["text"],
    )
    async with context(request).record.database.read() as connection:
        try:
            return await read_activity(connection, shown, size=_ROWS, cursor=request.query.get("after") or None)
        except InvalidCursor:
            raise Refused(400, _("The request is broken.")) from None


async def _show_actions(request: web.Request) -> web.StreamResponse:
    before = request.query.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) <= _LONGEST_ID):
        raise Refused(400, _("The request is broken."))
    entries = await context(request).record.actions.list(before=int(before) if before else None, most=_ROWS + 1)
    shown = entries[:_ROWS]
    return render(
        request,
        "actions.html",
        entries=shown,
        verbs={action: _(text) for action, text in _ACTIONS.items()},
        next={"before": shown[-1].id} if len(entries) > _ROWS else None,
        is_later=bool(before),
    )


ROUTES = (
    Route("GET", "/activity", _show_attempts, needs="read"),
    Route("GET", "/activity/actions", _show_actions, needs="read"),
)
