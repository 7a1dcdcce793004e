"""The queue, in the order in which it goes: what each tag waits for, and until when."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from ferryman.i18n.texts import _, current
from ferryman.item_names import named
from ferryman.operations.signals import NobodyRuns, PausedByHand, QueueStuck, RoleMissing
from ferryman.operations.verdict import Verdict, liveness_of, read_verdict
from ferryman.record import Record
from ferryman.store.queries.causes import LOGIN, RATE_LIMITED
from ferryman.store.queries.pages import InvalidCursor, Page
from ferryman.store.queries.waiting import read_waiting
from ferryman.store.records import Paused, RegistryState, WaitingTag
from ferryman.views.verdict_sentences import in_words
from ferryman.web.context import CONTEXT
from ferryman.web.links import addresses
from ferryman.web.live import Part, follow, parse_query, record_stamp
from ferryman.web.named_items import items_found
from ferryman.web.processes import supplies_of
from ferryman.web.refusals import Refused
from ferryman.web.rendering import fragment, render
from ferryman.web.requeue_forms import count, of_cause
from ferryman.web.routing import Route
from ferryman.web.security.gate import may_act
from ferryman.web.waiting_rows import rate_of, rows

_ROWS = 50
_INTERVAL = 5.0  # seconds
_PATH = "/waiting"
_RATE_OVER = timedelta(hours=1)
_LONGEST_PLACE = 9  # digits
_WARNINGS = (RoleMissing, NobodyRuns, QueueStuck)


async def _show(request: web.Request) -> web.StreamResponse:
    values = await _values(request.app, request.query)
    return render(request, "waiting.html", may_act=may_act(request), **values)


async def _follow(request: web.Request) -> web.StreamResponse:
    await _values(request.app, request.query)  # raises Refused for a broken address, which the stream could not
    arguments = (request.rel_url.raw_query_string, may_act(request))
    return await follow(request, [Part(_parts, arguments, _INTERVAL, record_stamp)])


async def _parts(site: web.Application, query: str, acting: bool) -> Sequence[str]:
    values = await _values(site, parse_query(query))
    return [
        fragment(site, f"parts/{name}.html", address=f"{_PATH}?{query}", may_act=acting, **values)
        for name in ("waiting_state", "waiting_tags")
    ]


async def _values(site: web.Application, query: Mapping[str, str]) -> dict[str, Any]:
    """What the page and its parts show. Raises Refused."""
    here = site[CONTEXT]
    items, now = named(here.application.configuration.items), here.clock.now()
    wanted, before = query.get("item", "").strip(), query.get("place", "")
    verdict = await read_verdict(here.record, items, now=now)
    page = await _page(here.record, {each.target for each in items_found(items, wanted)}, now, query.get("after"))
    found = rows(
        page.rows,
        verdict.standing.pauses if verdict.standing else Paused(),
        rate_of(await here.record.samples.since(now - _RATE_OVER)),
        supplies_of(here, liveness_of(here.record, verdict.standing) if verdict.standing else ()),
        now=now,
        before=int(before) if before.isdecimal() and len(before) <= _LONGEST_PLACE else 0,
    )
    places = [row.place for row in found if row.place is not None]
    return {
        "wanted": wanted,
        "address_of": addresses(items),
        "counts": verdict.counts,
        "warnings": [in_words(each, current().texts) for each in verdict.signals if isinstance(each, _WARNINGS)],
        "pauses": _pauses(verdict),
        "registries": await _registries(here.record, verdict, {each.target for each in items}),
        "bandwidth": here.application.configuration.bandwidth.at(now),
        "rows": found,
        "is_later": "after" in query,
        "next": {"after": page.next, "place": max(places, default=before or None)} if page.next else None,
    }


async def _page(record: Record, targets: set[str], now: datetime, cursor: str | None) -> Page[WaitingTag]:
    async with record.database.read() as connection:
        try:
            return await read_waiting(connection, targets, now, size=_ROWS, cursor=cursor or None)
        except InvalidCursor:
            raise Refused(400, _("The request is broken.")) from None


def _pauses(verdict: Verdict) -> list[tuple[PausedByHand, str, str | None]]:
    """What persons have paused: with the name that a form gives it, and the note."""
    signals = [each for each in verdict.signals if isinstance(each, PausedByHand)]
    pauses = verdict.standing.pauses.all if verdict.standing else []
    return [(signal, pause.name, pause.note) for signal, pause in zip(signals, pauses, strict=True)]


async def _registries(record: Record, verdict: Verdict, targets: set[str]) -> list[tuple[RegistryState, str, int, str]]:
    """The paused registries: why, how many tags wait for them, and the question before those are released."""
    found = []
    if verdict.standing is None:
        return []
    for state in verdict.standing.registries:
        kind = LOGIN if state.until is None else RATE_LIMITED
        choice = of_cause(targets, kind, state.registry, verdict.standing.at)
        tags = await count(record, choice)
        found.append((state, kind, tags, choice.question(tags)))
    return found


ROUTES = (
    Route("GET", _PATH, _show, needs="read"),
    Route("GET", "/live/waiting", _follow, needs="read", endless=True),
)
