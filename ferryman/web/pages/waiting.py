"""The queue, in the order in which it goes: what each tag waits for, and until when."""

from datetime import datetime, timedelta

from aiohttp import web

from ferryman.i18n.texts import _, current
from ferryman.operations.signals import NobodyRuns, PausedByHand, QueueStuck, RoleMissing
from ferryman.operations.verdict import Verdict, read_verdict
from ferryman.store.queries.causes import LOGIN, RATE_LIMITED
from ferryman.store.queries.pages import InvalidCursor, Page
from ferryman.store.queries.waiting import read_waiting
from ferryman.store.records import Paused, RegistryState, WaitingTag
from ferryman.views.verdict_sentences import in_words
from ferryman.web.context import context
from ferryman.web.links import addresses
from ferryman.web.named_items import all_items, items_found
from ferryman.web.refusals import Refused
from ferryman.web.rendering import render
from ferryman.web.requeue_forms import count, of_cause
from ferryman.web.routing import Route
from ferryman.web.waiting_rows import rate_of, rows

_ROWS = 50
_RATE_OVER = timedelta(hours=1)
_LONGEST_PLACE = 9  # digits
_WARNINGS = (RoleMissing, NobodyRuns, QueueStuck)


async def _show(request: web.Request) -> web.StreamResponse:
    here, items, now = context(request), all_items(request), context(request).clock.now()
    wanted = request.query.get("item", "").strip()
    shown = {each.target for each in items_found(items, wanted)}
    verdict = await read_verdict(here.record, items, now=now)
    page = await _page(request, shown, now)
    before = request.query.get("place", "")
    found = rows(
        page.rows,
        verdict.standing.pauses if verdict.standing else Paused(),
        rate_of(await here.record.samples.since(now - _RATE_OVER)),
        now=now,
        before=int(before) if before.isdecimal() and len(before) <= _LONGEST_PLACE else 0,
    )
    places = [row.place for row in found if row.place is not None]
    return render(
        request,
        "waiting.html",
        wanted=wanted,
        items=items,
        address_of=addresses(items),
        counts=verdict.counts,
        warnings=[in_words(each, current().texts) for each in verdict.signals if isinstance(each, _WARNINGS)],
        pauses=_pauses(verdict),
        registries=await _registries(request, verdict, {each.target for each in items}),
        bandwidth=here.application.configuration.bandwidth.at(now),
        rows=found,
        is_later="after" in request.query,
        next={"after": page.next, "place": max(places, default=before or None)} if page.next else None,
    )


async def _page(request: web.Request, targets: set[str], now: datetime) -> Page[WaitingTag]:
    async with context(request).record.database.read() as connection:
        try:
            return await read_waiting(connection, targets, now, size=_ROWS, cursor=request.query.get("after") or None)
        except InvalidCursor:
            raise Refused(400, _("The request is broken.")) from None


def _pauses(verdict: Verdict) -> list[tuple[PausedByHand, str, str | None]]:
    """What persons have paused: with the name that a form gives it, and the note."""
    signals = [each for each in verdict.signals if isinstance(each, PausedByHand)]
    pauses = verdict.standing.pauses.all if verdict.standing else []
    return [(signal, pause.name, pause.note) for signal, pause in zip(signals, pauses, strict=True)]


async def _registries(
    request: web.Request, verdict: Verdict, targets: set[str]
) -> list[tuple[RegistryState, str, int, str]]:
    """The paused registries: why, how many tags wait for them, and the question before those are released."""
    found = []
    if verdict.standing is None:
        return []
    for state in verdict.standing.registries:
        kind = LOGIN if state.until is None else RATE_LIMITED
        choice = of_cause(targets, kind, state.registry, verdict.standing.at)
        tags = await count(context(request).record, choice)
        found.append((state, kind, tags, choice.question(tags)))
    return found


ROUTES = (Route("GET", "/waiting", _show, needs="read"),)
