"""What the overview says of each registry: is it fine, how much does it get, how many pulls are left."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ferryman.errors import Unreachable
from ferryman.item_names import Named
from ferryman.operations.overview import Overview
from ferryman.operations.signals import DeletesRefused
from ferryman.operations.subjects import registries_of
from ferryman.registry.limits.host_limits import PresentLimits
from ferryman.registry.limits.quota import Quota
from ferryman.store.queries.counts import TagCounts, total

RegistryStatus = Literal["fine", "limited", "refused", "unreachable", "paused"]
_NO_ANSWER = Unreachable.kind
_WORST_FIRST: Sequence[RegistryStatus] = ("refused", "unreachable", "limited", "paused", "fine")


@dataclass(frozen=True, slots=True)
class QuotaForecast:
    """The pulls that are left, and how far they go."""

    remaining: int
    limit: int
    tags_left: int  # that may be pulled before the next pulls come back
    queued: int  # tags that wait for pulls of this registry
    enough_until: datetime | None  # when all of them can have been pulled; None: they can be pulled now


@dataclass(frozen=True, slots=True)
class RegistryCard:
    """One registry of the items."""

    host: str
    status: RegistryStatus
    since: datetime | None
    until: datetime | None  # of a limit on requests
    error: str | None
    tried_at: datetime | None  # the last login, of a refused one
    is_source: bool
    is_target: bool
    items: int
    tags: int  # that wait for it, or fail because of it
    requests: int | None  # at once, now; None: nobody asked it for anything yet
    copies: int | None
    quota: QuotaForecast | None
    undeleted: int  # tags that stay, although they are to go, because it refuses to delete
    deletes_refused_at: datetime | None  # None: there are none


def cards(overview: Overview, items: Sequence[Named], limits: Iterable[PresentLimits]) -> list[RegistryCard]:
    """One card for each registry of the items, those with troubles first."""
    hosts = sorted(registries_of(items))
    present = _merged(limits)
    made = [_card(host, overview, items, present.get(host)) for host in hosts]
    return sorted(made, key=lambda card: (_WORST_FIRST.index(card.status), not card.undeleted))


def _card(host: str, overview: Overview, items: Sequence[Named], limits: PresentLimits | None) -> RegistryCard:
    sources = {item.target for item in items if item.source.partition("/")[0] == host}
    targets = {item.target for item in items if item.target.partition("/")[0] == host}
    counts = total([each.counts for each in overview.items if each.target in sources | targets])
    of_sources = total([each.counts for each in overview.items if each.target in sources])
    status, since, until, error, tried_at = _status(host, overview)
    refusing = _refusing(host, overview)
    return RegistryCard(
        host, status, since, until, error, tried_at,
        is_source=bool(sources), is_target=bool(targets), items=len(sources | targets),
        tags=counts.held if status == "refused" else counts.waiting,
        requests=limits.requests if limits else None, copies=limits.copies if limits else None,
        quota=_forecast(limits.quota, of_sources, overview.at) if limits and limits.quota else None,
        undeleted=refusing.tags if refusing else 0, deletes_refused_at=refusing.since if refusing else None,
    )  # fmt: skip


_Status = tuple[RegistryStatus, datetime | None, datetime | None, str | None, datetime | None]


def _status(host: str, overview: Overview) -> _Status:
    standing = overview.verdict.standing
    if standing is None:
        return "fine", None, None, None, None
    for state in standing.registries:
        if state.registry == host:
            status: RegistryStatus = "refused" if state.until is None else "limited"
            return status, state.since, state.until, state.error, state.tried_at
    failures = [each for each in standing.lookup_failures if (each.error_kind, each.registry) == (_NO_ANSWER, host)]
    causes = [each.since for each in standing.causes if (each.kind, each.registry) == (_NO_ANSWER, host)]
    if since := [*filter(None, (each.since for each in failures)), *causes]:
        return "unreachable", min(since), None, failures[0].error if failures else None, None
    if (pause := standing.pauses.registries.get(host)) is not None:
        return "paused", pause.since, None, pause.note, None
    return "fine", None, None, None, None


def _refusing(host: str, overview: Overview) -> DeletesRefused | None:
    found = (each for each in overview.verdict.signals if isinstance(each, DeletesRefused))
    return next((each for each in found if each.registry == host), None)


def _merged(limits: Iterable[PresentLimits]) -> Mapping[str, PresentLimits]:
    """The limits of all processes together: each has slots of its own, and all share the pulls of their address."""
    merged: dict[str, PresentLimits] = {}
    for each in limits:
        before = merged.get(each.host)
        merged[each.host] = each if before is None else PresentLimits(
            each.host, _sum(before.requests, each.requests), _sum(before.copies, each.copies),
            max(filter(None, (before.quota, each.quota)), key=lambda quota: quota.seen_at, default=None),
        )  # fmt: skip
    return merged


def _sum(one: int | None, other: int | None) -> int | None:
    return (one or 0) + (other or 0) if one is not None or other is not None else None


def _forecast(quota: Quota, counts: TagCounts, now: datetime) -> QuotaForecast | None:
    """None: so long ago that nothing is known."""
    if quota.window is not None and now - quota.seen_at >= quota.window:
        return None
    until = quota.enough_at(counts.queued, now)
    return QuotaForecast(
        quota.remaining, quota.limit, quota.tags_left(), counts.queued, enough_until=until if until > now else None
    )
