"""How hard each host may be asked: places, requests a second, bandwidth, holds, and its own limit on pulls.

Everything is kept by name, so that all users of a host share it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from http import HTTPStatus

from ferryman.bandwidth import Bandwidth
from ferryman.clock import Clock
from ferryman.errors import RateLimited
from ferryman.registry.limits.bandwidth import BandwidthLimiter
from ferryman.registry.limits.concurrency import ConcurrencyLimit, ConcurrencySlot
from ferryman.registry.limits.quota import PullQuotas, Quota
from ferryman.registry.limits.token_bucket import TokenBucket

PATIENCE = timedelta(seconds=60)  # how long a request waits for a hold to end before it gives up
_LONGEST_HOLD = timedelta(days=1)  # no registry means to be left alone for longer
_TOO_MUCH = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class HostLimits:
    """The limits of every host."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._holds: dict[str, float] = {}  # until when, by the monotonic clock
        self._shaper = BandwidthLimiter(clock=clock)
        self.pulls = PullQuotas()
        # Copies and requests have places of their own: a copy that holds one makes requests to the same host.
        self._requests: dict[str, ConcurrencyLimit] = {}
        self._copies: dict[str, ConcurrencyLimit] = {}
        self._rates: dict[str, int | None] = {}  # requests a second
        self._paces: dict[str, TokenBucket] = {}

    def hold(self, host: str, until: datetime) -> None:
        """Leave a host alone until then, for a day at most. No hold is shortened, nor moved by setting the clock."""
        seconds = min(until - self._clock.now(), _LONGEST_HOLD).total_seconds()
        ends_at = self._clock.monotonic() + seconds
        self._holds[host] = max(ends_at, self._holds.get(host, ends_at))

    def held_until(self, host: str) -> datetime | None:
        """By the clock as it is set now; None: it may be asked."""
        if host not in self._holds:
            return None
        left = self._holds[host] - self._clock.monotonic()
        if left <= 0:
            del self._holds[host]
            return None
        return self._clock.now() + timedelta(seconds=left)

    @asynccontextmanager
    async def request(
        self, host: str, places: int, per_second: int | None = None, *, placed: bool = False
    ) -> AsyncIterator["RequestPermit"]:
        """A request that may be made at once: in one of the host's places, or (`placed`) in one that is held already.

        Raises RateLimited for a hold that lasts too long. Tell the turn what the host answers.
        """
        known = _places(self._requests, host, places)
        async with known.stand() if placed else known.take() as place:
            await self._wait(host)
            if per_second is not None:
                await self._pace(host, per_second)
                await self._wait(host)
            yield RequestPermit(self, host, place)

    @asynccontextmanager
    async def transfer(self, hosts: Mapping[str, int]) -> AsyncIterator[None]:
        """One of the places for requests at each of the hosts (name: places), for as long as bytes flow between them.

        What is asked meanwhile goes in it: as a `placed` request.
        """
        async with AsyncExitStack() as stack:
            for host, places in sorted(hosts.items()):
                await stack.enter_async_context(_places(self._requests, host, places).take())
            yield

    @asynccontextmanager
    async def copy(self, hosts: Mapping[str, int]) -> AsyncIterator[None]:
        """One of the places for a copy at each of the hosts (name: places). A copy that is refused makes them fewer."""
        async with AsyncExitStack() as stack:
            # Always in one order: a copy from A to B and one from B to A must not wait for each other.
            taken = {
                host: await stack.enter_async_context(_places(self._copies, host, places).take())
                for host, places in sorted(hosts.items())
            }
            for host in hosts:
                await self._wait(host)
            try:
                yield
            except RateLimited as error:
                if error.registry in taken:
                    taken[error.registry].throttled()
                raise
            for place in taken.values():
                place.succeeded()

    def shape(self, *, total: Bandwidth, each: Mapping[str, Bandwidth]) -> None:
        """Set the bandwidth of registries, by name, and that of all of them together."""
        self._shaper.configure(total=total, each=each)

    async def throttle(self, registry: str, count: int, *, up: bool = False) -> None:
        """Wait until `count` bytes may pass: `up` to the registry, or down from it. Await it for every piece.

        Returns without suspending where nothing limits it.
        """
        await self._shaper.throttle(registry, count, up=up)

    def read(self, host: str, headers: Mapping[str, str]) -> None:
        """Note what an answer says of the limit on pulls."""
        self.pulls.read(host, headers, now=self._clock.now())

    def quota(self, host: str) -> Quota | None:
        return self.pulls.quota(host)

    async def _wait(self, host: str) -> None:
        while (until := self.held_until(host)) is not None:
            left = until - self._clock.now()
            if left > PATIENCE:
                message = f"{host}: asked to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC"
                raise RateLimited(message, registry=host, retry_at=until)
            await self._clock.sleep(left.total_seconds())

    async def _pace(self, host: str, per_second: int) -> None:
        self._rates[host] = per_second
        if host not in self._paces:
            self._paces[host] = TokenBucket(lambda _: self._rates[host], clock=self._clock, least=1)
        await self._paces[host].take(1)


class RequestPermit:
    """One request that may be made now."""

    def __init__(self, limits: HostLimits, host: str, place: ConcurrencySlot) -> None:
        self._limits = limits
        self._host = host
        self._place = place

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """What the host answered: it may be asked more at once, or less. Tell it once, when the answer begins."""
        self._limits.read(self._host, headers)
        if status in _TOO_MUCH:
            self._place.throttled()
        else:
            self._place.succeeded()


def _places(known: dict[str, ConcurrencyLimit], host: str, ceiling: int) -> ConcurrencyLimit:
    places = known.setdefault(host, ConcurrencyLimit(ceiling))
    places.ceiling = ceiling  # items.yml may have been read anew
    return places
