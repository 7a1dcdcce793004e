"""A registry's limit on pulls, as Docker Hub has it, and how to live with what is left of it.

Hub tells both numbers on every answer: `ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 76;w=21600`. A pull is a
GET of a manifest; a HEAD is free and tells the numbers, too. The window slides: a pull comes back when it is as old
as the window is long.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

PULLS = 2  # that a tag costs: its index, and the manifest of one platform. One for a single image: a guess too high
_AMPLE = 0.2  # of the limit: above it nobody has to wait
_RESERVE = 0.02  # of the limit, and at least 1: left to whoever else pulls from this address
_HEADER = re.compile(r"\s*([0-9]{1,18})\s*(?:;\s*w\s*=\s*([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class Quota:
    """A registry's pull limit, as its last answer told it."""

    limit: int
    remaining: int
    window: timedelta | None  # None: it does not tell, so nothing can be planned
    seen_at: datetime
    since: datetime  # since when what remains has only become less: what was pulled then comes back a window later

    def __str__(self) -> str:
        return f"{self.remaining} of {self.limit} pulls are left"

    def tags_left(self, granted: int = 0) -> int:
        """How many tags the rest is good for, if `granted` are on their way, besides those that were counted."""
        reserve = max(1, int(self.limit * _RESERVE))
        return max(0, (self.remaining - reserve) // PULLS - granted)

    def next_tag(self, *, now: datetime, granted: int = 0, last_at: datetime | None = None) -> datetime:
        """When the next tag may be pulled: `now`, or later. `last_at`: when the last one was let go.

        What is left is spread evenly over the rest of the window. With nothing left it is when the slowest
        regular pulling would have brought one tag back.
        """
        if self.window is None or self.limit == 0 or not self.seen_at <= now < self.seen_at + self.window:
            return now  # nothing is known; so it is when the clock was set back since
        if self.remaining - granted * PULLS > self.limit * _AMPLE:
            return now
        left = self.tags_left()
        if self.tags_left(granted) == 0:
            return max(now, self.seen_at + self.window / self.limit * PULLS)
        if last_at is None or last_at > now:
            return now
        return max(now, last_at + (self.since + self.window - self.seen_at) / left)


class PullQuotas:
    """The pull limits of all registries, and the pulls that were let go since their last answers."""

    def __init__(self) -> None:
        self._quotas: dict[str, Quota] = {}
        self._granted: dict[str, int] = {}  # tags, since the quota was seen
        self._last: dict[str, datetime] = {}  # when the last tag was let go

    def read(self, registry: str, headers: Mapping[str, str], *, now: datetime) -> None:
        """Note what an answer says."""
        limit = _HEADER.match(headers.get("ratelimit-limit", ""))
        remaining = _HEADER.match(headers.get("ratelimit-remaining", ""))
        if not (limit and remaining):
            return
        window = timedelta(seconds=int(limit[2])) if limit[2] else None
        told = Quota(int(limit[1]), int(remaining[1]), window, seen_at=now, since=now)
        self._quotas[registry] = _continued(told, self._quotas.get(registry))
        self._granted[registry] = 0

    def quota(self, registry: str) -> Quota | None:
        """What the registry last said."""
        return self._quotas.get(registry)

    def is_outdated(self, registry: str, *, now: datetime) -> bool:
        """Whether nothing was left, so long ago that it is worth a free question."""
        quota = self._quotas.get(registry)
        granted = self._granted.get(registry, 0)
        return (
            quota is not None
            and quota.window is not None
            and quota.tags_left(granted) == 0
            and now != quota.seen_at
            and quota.next_tag(now=now, granted=granted) <= now
        )

    def grant(self, registry: str, *, now: datetime) -> datetime | None:
        """Let one tag go, and count it: None. Or the moment until which it has to wait."""
        quota = self._quotas.get(registry)
        if quota is None:
            return None
        granted = self._granted.get(registry, 0)
        at = quota.next_tag(now=now, granted=granted, last_at=self._last.get(registry))
        if at > now:
            return at
        self._granted[registry] = granted + 1
        self._last[registry] = now
        return None


def _continued(told: Quota, before: Quota | None) -> Quota:
    """Keep `since` as long as pulls only get fewer, within one window."""
    if before is None or before.limit != told.limit or before.remaining < told.remaining or told.window is None:
        return told
    if not before.since <= told.seen_at < before.since + told.window:
        return told
    return Quota(told.limit, told.remaining, told.window, told.seen_at, since=before.since)
