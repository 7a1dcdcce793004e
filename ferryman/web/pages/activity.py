"""What was done: every attempt at a tag, and every action of a person, the newest first."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from aiohttp import web

from ferryman.i18n.texts import N_, _, current
from ferryman.item_names import Named, named
from ferryman.store.queries.activity import Activity, ActivityFilter, read_activity
from ferryman.store.queries.pages import InvalidCursor, Page
from ferryman.store.records import ActionName, Outcome
from ferryman.views.verdict_sentences import cause_in_words
from ferryman.web.context import CONTEXT
from ferryman.web.links import addresses
from ferryman.web.live import Part, follow, parse_query, record_stamp
from ferryman.web.named_items import all_items, items_found
from ferryman.web.refusals import Refused
from ferryman.web.rendering import fragment, render
from ferryman.web.routing import Route

_ROWS = 50
_INTERVAL = 5.0  # seconds
_PATH, _ACTIONS_PATH = "/activity", "/activity/actions"
_LONGEST_TEXT = 200  # characters
_LONGEST_ID = 18  # digits
_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_KINDS = (
    "login", "login-unsteady", "denied", "not-found", "unreachable", "rate-limited", "tls", "wrong-content",
    "unsupported", "signature-refused", "platform", "engine", "disk-full", "lost", "cancelled",
)  # fmt: skip
_ACTIONS: Mapping[ActionName, str] = {
    "requeue": N_("queued again"),
    "pause": N_("paused"),
    "resume": N_("resumed"),
    "cancel": N_("stopped a copy"),
    "release": N_("released"),
    "keep": N_("kept what was mirrored"),
    "rollback": N_("put back"),
    "look": N_("asked for a look"),
    "forget": N_("forgot"),
    "try-login": N_("tried the login"),
    "verify": N_("verified"),
}


async def _show_attempts(request: web.Request) -> web.StreamResponse:
    items = all_items(request)
    wanted = _wanted(request.query)
    return render(
        request,
        "activity.html",
        wanted=wanted,
        items=items,
        outcomes=_OUTCOMES,
        kinds={kind: cause_in_words(kind, None, None, current().texts) for kind in _KINDS},
        **await _attempts_values(request.app, request.query),
    )


async def _follow_attempts(request: web.Request) -> web.StreamResponse:
    await _read_attempts(request.app, request.query)  # raises Refused for a broken address, which the stream could not
    return await follow(request, [Part(_attempts, (request.rel_url.raw_query_string,), _INTERVAL, record_stamp)])


async def _attempts(site: web.Application, query: str) -> Sequence[str]:
    values = await _attempts_values(site, parse_query(query))
    return [
        fragment(site, "parts/attempts.html", address=f"{_PATH}?{query}", wanted=_wanted(parse_query(query)), **values)
    ]


async def _attempts_values(site: web.Application, query: Mapping[str, str]) -> dict[str, Any]:
    """What the list shows. Raises Refused."""
    page = await _read_attempts(site, query)
    return {
        "attempts": page.rows,
        "address_of": addresses(named(site[CONTEXT].application.configuration.items)),
        "next": {"after": page.next} if page.next else None,
        "is_later": "after" in query,
    }


async def _read_attempts(site: web.Application, query: Mapping[str, str]) -> Page[Activity]:
    """The attempts that the address asks for. Raises Refused."""
    wanted, items = _wanted(query), named(site[CONTEXT].application.configuration.items)
    item = _item(items, wanted["item"])
    if item is None and wanted["item"]:
        return Page((), None)
    shown = ActivityFilter(
        target=item.target if item else None,
        outcome=next((each for each in _OUTCOMES if each == wanted["outcome"]), None),
        kind=wanted["kind"] or None,
        text=wanted["text"],
    )
    async with site[CONTEXT].record.database.read() as connection:
        try:
            return await read_activity(connection, shown, size=_ROWS, cursor=query.get("after") or None)
        except InvalidCursor:
            raise Refused(400, _("The request is broken.")) from None


def _wanted(query: Mapping[str, str]) -> dict[str, str]:
    return {name: query.get(name, "").strip()[:_LONGEST_TEXT] for name in ("item", "outcome", "kind", "text")}


def _item(items: Sequence[Named], text: str) -> Named | None:
    """The item that a filter names; None: none, or several."""
    if not text:
        return None
    found = [each for each in items if text in each.spellings] or list(items_found(items, text))
    return found[0] if len(found) == 1 else None


async def _show_actions(request: web.Request) -> web.StreamResponse:
    return render(request, "actions.html", **await _actions_values(request.app, _before(request)))


async def _follow_actions(request: web.Request) -> web.StreamResponse:
    return await follow(request, [Part(_actions, (_before(request),), _INTERVAL, record_stamp)])


def _before(request: web.Request) -> int | None:
    """The id before which the list begins. Raises Refused."""
    before = request.query.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) <= _LONGEST_ID):
        raise Refused(400, _("The request is broken."))
    return int(before) if before else None


async def _actions(site: web.Application, before: int | None) -> Sequence[str]:
    address = _ACTIONS_PATH if before is None else f"{_ACTIONS_PATH}?before={before}"
    return [fragment(site, "parts/actions.html", address=address, **await _actions_values(site, before))]


async def _actions_values(site: web.Application, before: int | None) -> dict[str, Any]:
    entries = await site[CONTEXT].record.actions.list(before=before, most=_ROWS + 1)
    shown = entries[:_ROWS]
    return {
        "entries": shown,
        "verbs": {action: _(text) for action, text in _ACTIONS.items()},
        "next": {"before": shown[-1].id} if len(entries) > _ROWS else None,
        "is_later": before is not None,
    }


ROUTES = (
    Route("GET", _PATH, _show_attempts, needs="read"),
    Route("GET", "/live/activity", _follow_attempts, needs="read", endless=True),
    Route("GET", _ACTIONS_PATH, _show_actions, needs="read"),
    Route("GET", "/live/actions", _follow_actions, needs="read", endless=True),
)
