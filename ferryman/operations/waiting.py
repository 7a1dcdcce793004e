"""Why a queued tag does not run yet: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ferryman.bandwidth import FULL_SPEED, Bandwidth
from ferryman.registry.limits.quota import Quota
from ferryman.store.queue.pauses import PAUSED
from ferryman.store.records import Paused, WaitingTag, registries_of

# due: it may run, and waits for a worker. quota: no pulls of its source's registry are left. retry: its last attempt
# failed. paused: a person's pause. frozen: its upstream has collapsed. quarantine: its digest is too young.
WaitKind = Literal["due", "quota", "retry", "limited", "login", "paused", "frozen", "quarantine"]


@dataclass(frozen=True, slots=True)
class Slowed:
    """A limit on bandwidth that is in force: it holds nothing back, but what is due takes longer."""

    rate: float  # bytes a second
    registry: str | None  # None: all copies together share it
    until: datetime | None  # None: always


@dataclass(frozen=True, slots=True)
class Wait:
    """What a queued tag waits for."""

    kind: WaitKind
    until: datetime | None = None  # None: not known
    registry: str | None = None
    actor: str | None = None  # who has paused it
    note: str | None = None  # of that pause
    slowed: Slowed | None = None  # of one that is due


@dataclass(frozen=True, slots=True)
class Supplies:
    """What a worker needs beside the time: pulls, and bandwidth."""

    quotas: Mapping[str, Quota] = field(default_factory=dict)  # as any process knows them, by host
    bandwidth: Bandwidth = FULL_SPEED  # of all registries together
    bandwidths: Mapping[str, Bandwidth] = field(default_factory=dict)  # of each that has its own, by host

    def slowed(self, tag: WaitingTag, now: datetime) -> Slowed | None:
        """The narrowest limit on the bandwidth of this tag's copy."""
        own = [
            (host, self.bandwidths[host]) for host in registries_of(tag.target, tag.source) if host in self.bandwidths
        ]
        limits = [
            Slowed(rate, host, bandwidth.changes_at(now))
            for host, bandwidth in [(None, self.bandwidth), *own]
            if (rate := bandwidth.at(now)) is not None
        ]
        return min(limits, key=lambda each: each.rate, default=None)


def wait_of(tag: WaitingTag, now: datetime, *, paused: Paused, supplies: Supplies) -> Wait:
    """What this tag waits for; of several reasons, the one that lasts longest. `paused`: by persons."""
    if pause := paused.of_item(tag.target, tag.source):
        registry = pause.name if pause.scope == "registry" else None
        return Wait("paused", registry=registry, actor=pause.actor, note=pause.note)
    if tag.target in paused.frozen:
        return Wait("frozen")
    if tag.run_at is None:
        return Wait("login", registry=tag.error_registry)
    if tag.run_at <= now:
        return replace(_due(tag, tag.run_at, now, supplies.quotas), slowed=supplies.slowed(tag, now))
    if tag.quarantined_until is not None and tag.quarantined_until > now:
        return Wait("quarantine", tag.run_at)
    # PAUSED: by the limit of its own registry. Others wait for longer than that does.
    return Wait("limited" if tag.reason in {PAUSED, "rate-limited"} else "retry", tag.run_at, tag.error_registry)


def _due(tag: WaitingTag, since: datetime, now: datetime, quotas: Mapping[str, Quota]) -> Wait:
    registry, _ = registries_of(tag.target, tag.source)
    quota = quotas.get(registry)
    if quota is not None and quota.tags_left() == 0 and (at := quota.next_tag(now=now)) > now:
        return Wait("quota", at, registry)
    return Wait("due", since)
