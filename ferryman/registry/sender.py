"""A request's way to its answer: the host's limits, its login, redirects, and a few more tries."""

from datetime import timedelta

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_exponential

from ferryman.clock import Clock
from ferryman.errors import RateLimited, TooSlow, Unreachable, Unsupported
from ferryman.events import Events, RequestDone
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.auth.login import Logins, Refusals
from ferryman.registry.http.error_responses import refusal
from ferryman.registry.http.links import redirect
from ferryman.registry.http.messages import Answer, Request, RequestSpec, origin, place
from ferryman.registry.http.session import Http, Timeouts
from ferryman.registry.limits.host_limits import HostLimits

_TRIES = 3
_LATE = 90  # seconds after which no more tries are begun here
_REDIRECTS = 5
_REPEATABLE = frozenset({"GET", "HEAD", "PUT"})
_SHORT = timedelta(seconds=10)  # a limit that ends within this is waited for, here


class Sender:
    """Runs requests. All that is shared between them is here: the connection pool, limits, logins."""

    def __init__(
        self, *, credentials: CredentialStore, clock: Clock, timeouts: Timeouts, user_agent: str, events: Events
    ) -> None:
        self._clock = clock
        self._events = events
        self.limits = HostLimits(clock=clock)
        self.refusals = Refusals()
        self._http = Http(timeouts=timeouts, user_agent=user_agent)
        self.logins = Logins(credentials=credentials, refusals=self.refusals, clock=clock, ask=self._ask)

    async def send(self, spec: RequestSpec) -> Answer:
        """The answer, if it is a success or one that the spec accepts. Raises TransferError."""
        tries = _TRIES if spec.repeats and spec.request.method in _REPEATABLE else 1
        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            stop=stop_after_attempt(tries) | stop_after_delay(_LATE),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception(self._may_pass),
            reraise=True,
        )
        return await retrying(self._once, spec)

    def _may_pass(self, error: BaseException) -> bool:
        """Whether another try in a moment can help. Longer waits are the queue's business."""
        if not isinstance(error, RateLimited | Unreachable) or isinstance(error, TooSlow):
            return False
        return error.retry_at is None or error.retry_at - self._clock.now() <= _SHORT

    async def _once(self, spec: RequestSpec) -> Answer:
        try:
            answer = await self._follow(spec)
            if not (answer.ok or spec.expects(answer)):
                raise refusal(spec, answer, now=self._clock.now())
        except (RateLimited, Unreachable) as error:
            if error.retry_at is not None:
                self.limits.hold(spec.place, error.retry_at)
            raise
        except Unsupported as error:
            error.registry = error.registry or spec.host.name  # where it points to does not know who pointed
            raise
        return answer

    async def _follow(self, spec: RequestSpec) -> Answer:
        request = spec.request
        for _ in range(_REDIRECTS + 1):
            send = self.logins.send if spec.logs_in else self._ask
            answer = await send(spec, request)
            target = redirect(answer, request, allowed=spec.host.redirects)
            if target is None:
                return answer
            if spec.body_is_login and origin(target) != origin(request.url):
                leak = "a redirect would send a login to another origin"
                raise Unsupported(f"{place(request.url)}: {leak}: not followed", registry=spec.host.name)
            request = request.moved(target)
        raise Unsupported(f"{spec.speaker(request.url)}: {spec.thing}: too many redirects", registry=spec.host.name)

    async def _ask(self, spec: RequestSpec, request: Request) -> Answer:
        """One request, in one of the host's places."""
        host = spec.host
        async with self.limits.request(
            spec.place, host.concurrency, host.requests_per_second, placed=spec.placed
        ) as turn:
            answer = await self._exchange(spec, request)
            turn.observe(answer.status, answer.headers)
        return answer

    async def _exchange(self, spec: RequestSpec, request: Request) -> Answer:
        began = self._clock.monotonic()
        try:
            answer = await self._http.exchange(spec, request)
        except Exception:
            self._report(spec, request, None, began)
            raise
        self._report(spec, request, answer.status, began)
        return answer

    def _report(self, spec: RequestSpec, request: Request, status: int | None, began: float) -> None:
        seconds = self._clock.monotonic() - began
        self._events.emit(RequestDone(spec.host.name, request.method, status, seconds))

    async def aclose(self) -> None:
        await self.logins.aclose()
        await self._http.aclose()
