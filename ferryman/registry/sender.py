"""Sends a request: rate limits of the host, login, redirects, and a few retries with backoff.

Only errors that may pass soon are retried here; for the rest the job is retried later (`ferryman/retry.py`).
"""

from datetime import timedelta

from ferryman.clock import Clock
from ferryman.errors import RateLimited, TooSlow, Unreachable, Unsupported
from ferryman.events import Events, RequestDone, RequestRetried
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.auth.login import Logins, Refusals
from ferryman.registry.http.error_responses import refusal
from ferryman.registry.http.links import redirect
from ferryman.registry.http.messages import Flow, Request, RequestSpec, Response, TimeoutClass, authority, origin
from ferryman.registry.http.session import Http, Timeouts
from ferryman.registry.limits.host_limits import HostLimits

_BACKOFF = (0.5, 1.0)  # seconds before each retry
_LATE = 90  # seconds after which no retry is started
_REDIRECTS = 5
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_SMALL_BODY = 64 * 1024  # bytes
_SHORT = timedelta(seconds=10)  # the longest Retry-After that is waited for here


class Sender:
    """Sends requests. Owns everything that they share: connection pool, rate limits, logins."""

    def __init__(
        self, *, credentials: CredentialStore, clock: Clock, timeouts: Timeouts, user_agent: str, events: Events
    ) -> None:
        self._clock = clock
        self._events = events
        self.limits = HostLimits(clock=clock)
        self.refusals = Refusals()
        self._http = Http(timeouts=timeouts, user_agent=user_agent)
        self.logins = Logins(credentials=credentials, refusals=self.refusals, clock=clock, ask=self._ask)

    async def send(self, spec: RequestSpec) -> Response:
        """Send with retries; returns the answer if it is a success or the spec accepts it. Raises TransferError.

        A 429 raises RateLimited: its `Retry-After` holds the host, and it is retried here if that is at most 10 s away.
        Requests of an upload session are never repeated by themselves (`repeats`).
        """
        began = self._clock.monotonic()
        for backoff in _BACKOFF if spec.repeats and spec.request.method in _REPEATABLE else ():
            try:
                return await self._once(spec)
            except (RateLimited, Unreachable) as error:
                if not self._may_pass(error) or self._clock.monotonic() - began > _LATE:
                    raise
            self._events.emit(RequestRetried(spec.host.name))
            await self._clock.sleep(backoff)
        return await self._once(spec)

    def _may_pass(self, error: RateLimited | Unreachable) -> bool:
        """Whether to retry here. Longer waits are left to the queue."""
        if isinstance(error, TooSlow):
            return False
        return error.retry_at is None or error.retry_at - self._clock.now() <= _SHORT

    async def _once(self, spec: RequestSpec) -> Response:
        try:
            response = await self._follow(spec)
            if not (response.ok or spec.expects(response)):
                raise refusal(spec, response, now=self._clock.now())
        except (RateLimited, Unreachable) as error:
            if error.retry_at is not None:
                self.limits.hold(spec.rate_limited_host, error.retry_at)
            raise
        except Unsupported as error:
            error.registry = error.registry or spec.host.name  # the code that judges links does not know the registry
            raise
        return response

    async def _follow(self, spec: RequestSpec) -> Response:
        request = spec.request
        for _ in range(_REDIRECTS + 1):
            send = self.logins.send if spec.logs_in else self._ask
            response = await send(spec, request)
            target = redirect(response, request, allowed=spec.host.redirects)
            if target is None:
                return response
            if spec.body_is_login and origin(target) != origin(request.url):
                leak = "a redirect would send a login to another origin"
                raise Unsupported(f"{authority(request.url)}: {leak}: not followed", registry=spec.host.name)
            request = request.moved(target)
        raise Unsupported(
            f"{spec.answered_by(request.url)}: {spec.subject}: too many redirects", registry=spec.host.name
        )

    async def _ask(self, spec: RequestSpec, request: Request) -> Response:
        """Send one request, in one of the host's slots."""
        host = spec.host
        async with self.limits.request(
            spec.rate_limited_host, host.concurrency, host.requests_per_second, holds_slot=spec.holds_slot
        ) as permit:
            began = self._clock.monotonic()
            response = await self._exchange(spec, request)
            latency = (request.method, self._clock.monotonic() - began) if _shows_latency(spec, response) else None
            permit.observe(response.status, response.headers, latency=latency)
        return response

    async def _exchange(self, spec: RequestSpec, request: Request) -> Response:
        began = self._clock.monotonic()
        try:
            response = await self._http.exchange(spec, request)
        except Exception:
            self._report(spec, request, None, began)
            raise
        self._report(spec, request, response.status, began)
        return response

    def _report(self, spec: RequestSpec, request: Request, status: int | None, began: float) -> None:
        seconds = self._clock.monotonic() - began
        self._events.emit(RequestDone(spec.host.name, request.method, status, seconds))

    async def aclose(self) -> None:
        await self.logins.aclose()
        await self._http.aclose()


def _shows_latency(spec: RequestSpec, response: Response) -> bool:
    """Whether the time of an answer tells of the way and the host's load, and not of the work that was asked for."""
    return spec.flow is Flow.SMALL and spec.timeout_class is TimeoutClass.ANSWER and len(response.body) <= _SMALL_BODY
