"""Bandwidth limits: of each registry, and of all registries together."""

from collections.abc import Mapping
from datetime import datetime

from ferryman.bandwidth import FULL_SPEED, Bandwidth
from ferryman.clock import Clock
from ferryman.registry.limits.token_bucket import TokenBucket

_ALL = ""  # in place of a registry's name


class BandwidthLimiter:
    """The bandwidth of every registry. Upload and download are limited separately: links are full duplex."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._bandwidths: dict[str, Bandwidth] = {}  # only those with a limit at some time of day
        self._buckets: dict[tuple[str, bool], TokenBucket] = {}  # by registry and direction

    def configure(self, *, total: Bandwidth, each: Mapping[str, Bandwidth]) -> None:
        """Set the limits; waiting tasks use the new ones too."""
        wanted = {_ALL: total, **each}
        self._bandwidths = {name: bandwidth for name, bandwidth in wanted.items() if not bandwidth.is_unlimited}

    async def throttle(self, registry: str, count: int, *, up: bool) -> None:
        """Wait until `count` bytes may pass. Does not suspend if there is no limit."""
        if not self._bandwidths:
            return
        for name in (registry, _ALL):
            if name in self._bandwidths:
                await self._bucket(name, up=up).acquire(count)

    def _bucket(self, name: str, *, up: bool) -> TokenBucket:
        def rate(moment: datetime) -> float | None:
            return self._bandwidths.get(name, FULL_SPEED).at(moment)

        if (name, up) not in self._buckets:
            self._buckets[name, up] = TokenBucket(rate, clock=self._clock)
        return self._buckets[name, up]
