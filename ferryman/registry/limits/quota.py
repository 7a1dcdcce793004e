"""Pull quota of a registry (Docker Hub's pull rate limit), and how the remaining pulls are spread over time.

Docker Hub sends both numbers with every answer: `ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 76;w=21600`. A
pull is a GET of a manifest; a HEAD is free and sends the numbers too. The window slides: a pull is returned once it is
as old as the window is long.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

PULLS = (
    2  # per tag: its index, and the manifest of one platform. A single image takes one; the estimate is then too high
)
_AMPLE = 0.2  # of the limit: with more left, nothing waits
_RESERVE = 0.02  # of the limit, and at least 1: left for other clients with this IP address
_HEADER = re.compile(r"\s*([0-9]{1,18})\s*(?:;\s*w\s*=\s*([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class Quota:
    """The pull quota in the last answer of a registry."""

    limit: int
    remaining: int
    window: timedelta | None  # None: not named, so pulls cannot be planned
    seen_at: datetime
    since: datetime  # the start of the present decrease: pulls from then are returned a window later

    def __str__(self) -> str:
        return f"{self.remaining} of {self.limit} pulls are left"

    def tags_left(self, granted: int = 0) -> int:
        """How many tags can still be pulled; `granted`: tags under way that `remaining` does not include yet."""
        reserve = max(1, int(self.limit * _RESERVE))
        return max(0, (self.remaining - reserve) // PULLS - granted)

    def enough_at(self, tags: int, now: datetime) -> datetime:
        """When so many tags can have been pulled: `now`, or once pulls at an even rate have come back."""
        lacking = tags - self.tags_left()
        if lacking <= 0 or self.window is None or self.limit == 0 or now - self.seen_at >= self.window:
            return now
        return now + self.window / self.limit * PULLS * lacking

    def next_tag(self, *, now: datetime, granted: int = 0, last_at: datetime | None = None) -> datetime:
        """When the next tag may be pulled: `now`, or later. `last_at`: when the last tag was granted.

        The remaining pulls are spread evenly over the rest of the window. With none left, it is the moment when pulls
        at an even rate would have returned one tag.
        """
        if self.window is None or self.limit == 0 or not self.seen_at <= now < self.seen_at + self.window:
            return now  # nothing is known, or the clock was set back
        if self.remaining - granted * PULLS > self.limit * _AMPLE:
            return now
        left = self.tags_left()
        if self.tags_left(granted) == 0:
            return max(now, self.seen_at + self.window / self.limit * PULLS)
        if last_at is None or last_at > now:
            return now
        return max(now, last_at + (self.since + self.window - self.seen_at) / left)


class PullQuotas:
    """The pull quotas of all registries, and the tags granted since their last answers."""

    def __init__(self) -> None:
        self._quotas: dict[str, Quota] = {}
        self._granted: dict[str, int] = {}  # tags, since the quota was seen
        self._last: dict[str, datetime] = {}  # when the last tag was granted

    def read(self, registry: str, headers: Mapping[str, str], *, now: datetime) -> None:
        """Note the quota in the headers of an answer."""
        limit = _HEADER.match(headers.get("ratelimit-limit", ""))
        remaining = _HEADER.match(headers.get("ratelimit-remaining", ""))
        if not (limit and remaining):
            return
        window = timedelta(seconds=int(limit[2])) if limit[2] else None
        reported = Quota(int(limit[1]), int(remaining[1]), window, seen_at=now, since=now)
        self._quotas[registry] = _continued(reported, self._quotas.get(registry))
        self._granted[registry] = 0

    def quota(self, registry: str) -> Quota | None:
        """The last known quota."""
        return self._quotas.get(registry)

    def is_outdated(self, registry: str, *, now: datetime) -> bool:
        """Whether no pulls were left, long enough ago to ask again by a HEAD, which is free."""
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
        """Grant one tag, and count it: None. Or the moment until which it has to wait."""
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


def _continued(new: Quota, before: Quota | None) -> Quota:
    """Keep `since` as long as the remaining pulls only decrease, within one window."""
    if before is None or before.limit != new.limit or before.remaining < new.remaining or new.window is None:
        return new
    if not before.since <= new.seen_at < before.since + new.window:
        return new
    return Quota(new.limit, new.remaining, new.window, new.seen_at, since=before.since)
