"""Rate limits of each host: concurrency, requests a second, bandwidth, 429 and `Retry-After`, and its pull quota.

Concurrency grows while latency stays, and a 429 or 503 halves it (`concurrency.py`). `Retry-After` becomes a hold:
until it ends, no request is sent to the host. Backoff of single requests is in `sender.py`, that of whole jobs in
`ferryman/retry.py`. Limits are kept by host name, so that all tasks share them.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from ferryman.bandwidth import Bandwidth
from ferryman.clock import Clock
from ferryman.errors import RateLimited
from ferryman.registry.limits.bandwidth import BandwidthLimiter
from ferryman.registry.limits.concurrency import THROTTLED, ConcurrencyLimit, ConcurrencySlot
from ferryman.registry.limits.quota import PullQuotas, Quota
from ferryman.registry.limits.token_bucket import TokenBucket

PATIENCE = timedelta(seconds=60)  # the longest hold that a request waits for; it raises RateLimited for a longer one
_LONGEST_HOLD = timedelta(days=1)  # a later Retry-After is taken for a mistake


@dataclass(frozen=True, slots=True)
class PresentLimits:
    """How much one host is asked for at this moment."""

    host: str
    requests: int | None  # at once, as the host's answers have set it; None: it was sent no request yet
    copies: int | None  # likewise
    quota: Quota | None  # the last known one


class HostLimits:
    """The limits of every host."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._holds: dict[str, float] = {}  # the end of each, by the monotonic clock
        self._bandwidth = BandwidthLimiter(clock=clock)
        self.pulls = PullQuotas()
        # Copies and requests have separate slots: a copy that holds one sends requests to the same host.
        self._requests: dict[str, ConcurrencyLimit] = {}
        self._copies: dict[str, ConcurrencyLimit] = {}
        self._rates: dict[str, int | None] = {}  # requests a second
        self._rate_buckets: dict[str, TokenBucket] = {}

    def hold(self, host: str, until: datetime) -> None:
        """Send no requests to a host before `until`, at most a day away. An earlier moment does not shorten a hold.

        A hold lasts as long as it was meant to even if the system clock is set meanwhile.
        """
        seconds = min(until - self._clock.now(), _LONGEST_HOLD).total_seconds()
        ends_at = self._clock.monotonic() + seconds
        self._holds[host] = max(ends_at, self._holds.get(host, ends_at))

    def held_until(self, host: str) -> datetime | None:
        """The end of the hold, by the present system clock; None: there is no hold."""
        if host not in self._holds:
            return None
        left = self._holds[host] - self._clock.monotonic()
        if left <= 0:
            del self._holds[host]
            return None
        return self._clock.now() + timedelta(seconds=left)

    def request(
        self, host: str, slots: int, per_second: int | None = None, *, holds_slot: bool = False
    ) -> "RequestPermit":
        """Permission for one request, within the context: a slot, the end of a hold, and the rate limit (`per_second`).

        `slots`: the most at once. `holds_slot`: the caller holds one already. Raises RateLimited for a hold that lasts
        longer than PATIENCE. Call `observe` on the permit with the answer.
        """
        limit = _limit(self._requests, host, slots)
        return RequestPermit(self, host, per_second, limit.without_slot() if holds_slot else limit.acquire())

    async def wait_for_turn(self, host: str, per_second: int | None) -> None:
        """Wait for the end of a hold, and for the rate limit. Raises RateLimited for a hold longer than PATIENCE."""
        await self._wait_for_hold(host)
        if per_second is not None:
            await self._wait_for_rate(host, per_second)
            await self._wait_for_hold(host)

    @asynccontextmanager
    async def transfer(self, hosts: Mapping[str, int]) -> AsyncIterator[None]:
        """Hold a request slot at each of the hosts (name: slots) while bytes flow between them.

        Requests inside use that slot: send them with `holds_slot`.
        """
        async with AsyncExitStack() as stack:
            for host, slots in sorted(hosts.items()):
                await stack.enter_async_context(_limit(self._requests, host, slots).acquire())
            yield

    @asynccontextmanager
    async def copy(self, hosts: Mapping[str, int]) -> AsyncIterator[None]:
        """Hold a copy slot at each of the hosts (name: slots). A copy that ends in RateLimited halves their number."""
        async with AsyncExitStack() as stack:
            # In sorted order, so that a copy from A to B and one from B to A cannot deadlock.
            slots = {
                host: await stack.enter_async_context(_limit(self._copies, host, count).acquire())
                for host, count in sorted(hosts.items())
            }
            for host in hosts:
                await self._wait_for_hold(host)
            try:
                yield
            except RateLimited as error:
                if error.registry in slots:
                    slots[error.registry].throttled()
                raise
            for slot in slots.values():
                slot.succeeded()

    def set_bandwidth(self, *, total: Bandwidth, each: Mapping[str, Bandwidth]) -> None:
        """Set the bandwidth of registries, by name, and that of all of them together."""
        self._bandwidth.configure(total=total, each=each)

    async def throttle(self, registry: str, count: int, *, up: bool = False) -> None:
        """Wait until `count` bytes may pass: `up` to the registry, or down from it. Await it for every piece.

        Returns without suspending if no bandwidth is set.
        """
        await self._bandwidth.throttle(registry, count, up=up)

    def has_room(self, hosts: Iterable[str]) -> bool:
        """Whether no request waits for a slot at any of the hosts."""
        return all(self._requests[host].has_room for host in hosts if host in self._requests)

    def observe_quota(self, host: str, headers: Mapping[str, str]) -> None:
        """Note the pull quota in the headers of an answer."""
        self.pulls.read(host, headers, now=self._clock.now())

    def quota(self, host: str) -> Quota | None:
        return self.pulls.quota(host)

    def present(self) -> list[PresentLimits]:
        """The limits of every host that was asked for anything, sorted by name."""
        hosts = sorted({*self._requests, *self._copies})
        return [
            PresentLimits(host, _size(self._requests.get(host)), _size(self._copies.get(host)), self.quota(host))
            for host in hosts
        ]

    async def _wait_for_hold(self, host: str) -> None:
        while (until := self.held_until(host)) is not None:
            left = until - self._clock.now()
            if left > PATIENCE:
                message = f"{host}: rate limited until {until:%Y-%m-%d %H:%M:%S} UTC"
                raise RateLimited(message, registry=host, retry_at=until)
            await self._clock.sleep(left.total_seconds())

    async def _wait_for_rate(self, host: str, per_second: int) -> None:
        self._rates[host] = per_second
        if host not in self._rate_buckets:
            self._rate_buckets[host] = TokenBucket(lambda _: self._rates[host], clock=self._clock, least=1)
        await self._rate_buckets[host].acquire(1)


class RequestPermit:
    """Permission for one request, within this context. A class for the same reason as ConcurrencySlot."""

    def __init__(self, limits: HostLimits, host: str, per_second: int | None, slot: ConcurrencySlot) -> None:
        self._limits = limits
        self._host = host
        self._per_second = per_second
        self._slot = slot

    async def __aenter__(self) -> Self:
        await self._slot.__aenter__()
        try:
            await self._limits.wait_for_turn(self._host, self._per_second)
        except BaseException:
            await self._slot.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._slot.__aexit__()

    def observe(self, status: int, headers: Mapping[str, str], *, latency: tuple[str, float] | None = None) -> None:
        """Adjust the limits by an answer; 429 and 503 halve the concurrency. Call it once, when the answer begins.

        `latency`: the method and the seconds of a small request.
        """
        self._limits.observe_quota(self._host, headers)
        if latency is not None:
            self._slot.took(*latency)
        if status in THROTTLED:
            self._slot.throttled()
        else:
            self._slot.succeeded()


def _size(limit: ConcurrencyLimit | None) -> int | None:
    return limit.limit if limit else None


def _limit(known: dict[str, ConcurrencyLimit], host: str, ceiling: int) -> ConcurrencyLimit:
    limit = known.get(host)
    if limit is None:
        limit = known[host] = ConcurrencyLimit(ceiling)
    limit.ceiling = ceiling  # items.yml may have been reloaded
    return limit
