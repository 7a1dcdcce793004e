"""Authentication: answers challenges (401) with Basic or a Bearer token, and remembers what each origin requires.

Credentials belong to a registry's own endpoint. Requests to any other origin, such as after a redirect, are anonymous.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from yarl import URL

from ferryman.clock import Clock
from ferryman.errors import LoginRefused, TransferError
from ferryman.registry.auth.challenge import Challenge, parse_challenges
from ferryman.registry.auth.credentials import Credential, CredentialStore
from ferryman.registry.auth.handshake import basic, choose, token_handshake
from ferryman.registry.auth.tokens import Grant, Tokens
from ferryman.registry.hosts import Host
from ferryman.registry.http.error_responses import denied, is_limit, login_refused
from ferryman.registry.http.messages import Flow, Request, RequestSpec, Response, origin

Origin = tuple[str, str, int | None]
Ask = Callable[[RequestSpec, Request], Awaitable[Response]]

_CHALLENGES = 2  # the first, and one more for another scope
_TOKEN_BODY = 1024 * 1024


class Refusals:
    """Logins that were refused, so that they are not tried again: too many failures lock an account."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Credential, str]] = {}

    def remember(self, registry: str, credential: Credential, error: LoginRefused) -> None:
        self._known[registry] = credential, str(error)

    def check(self, registry: str, credential: Credential | None) -> None:
        """Raises LoginRefused if this credential was refused before."""
        known = self._known.get(registry)
        if known is not None and known[0] == credential:
            raise LoginRefused(known[1], registry=registry)

    def forget(self, registry: str | None) -> None:
        if registry is None:
            self._known.clear()
        else:
            self._known.pop(registry, None)


@dataclass(slots=True)
class _Exchange:
    """One request to one origin: its credential, and the scopes that were tried."""

    spec: RequestSpec
    at: URL
    origin: Origin  # of `at`
    own: bool  # it is the origin that the credentials belong to
    credential: Credential | None = None  # used in the last header
    tried: set[frozenset[str]] = field(default_factory=set)  # scopes that a token was fetched for


class Logins:
    """Sends requests with the Authorization header that their origin requires."""

    def __init__(self, *, credentials: CredentialStore, refusals: Refusals, clock: Clock, ask: Ask) -> None:
        self.credentials = credentials
        self._refusals = refusals
        self._clock = clock
        self._ask = ask
        self._tokens = Tokens(clock=clock)
        self._challenges: dict[Origin, Challenge] = {}  # the last challenge of an origin
        # The scopes that an origin asked for, by those of the request.
        self._scopes: dict[tuple[Origin, tuple[str, ...]], frozenset[str]] = {}
        self._accepted: set[tuple[Origin, Credential]] = set()
        self._login_locks: dict[Origin, asyncio.Lock] = {}

    async def send(self, spec: RequestSpec, request: Request) -> Response:
        """Send the request and answer up to two challenges. Raises LoginRefused or Denied if it is still refused."""
        at = origin(request.url)
        exchange = _Exchange(spec, request.url, at, own=at == origin(spec.host.endpoint))
        header = await self._known_header(exchange)
        response = await self._try(exchange, request, header)
        for _ in range(_CHALLENGES):
            if response.status != HTTPStatus.UNAUTHORIZED:
                break
            renewed = await self._respond(exchange, response, refused=header)
            if renewed is None or renewed == header:
                break
            header = renewed
            response = await self._try(exchange, request, header)
        refused = response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and not is_limit(response)
        if refused and not spec.expects(response):
            raise self._refusal(exchange, response, header)
        return response

    async def credential(self, host: Host, repository: str = "") -> Credential | None:
        """The credential for the registry. Raises LoginRefused for one that was refused before."""
        credential = await self.credentials.find(host, repository)
        self._refusals.check(host.name, credential)
        return credential

    def forget(self, registry: str) -> None:
        """Forget refused logins and tokens of the registry: the next request logs in again."""
        self._refusals.forget(registry)
        self._tokens.forget(registry)

    def was_challenged(self, host: Host) -> bool:
        """Whether the registry has ever sent a challenge."""
        return origin(host.endpoint) in self._challenges

    async def _known_header(self, exchange: _Exchange) -> str | None:
        """The header for the origin's known challenge; None: it has sent none yet."""
        challenge = self._challenges.get(exchange.origin)
        if challenge is None:
            return None
        scopes = self._scopes.get((exchange.origin, exchange.spec.scopes), frozenset(exchange.spec.scopes))
        return await self._header(exchange, challenge, scopes)

    async def _respond(self, exchange: _Exchange, response: Response, *, refused: str | None) -> str | None:
        """The header that answers a 401; None: there is nothing new to try."""
        challenge = _challenge(response)
        if challenge is None:
            return None
        self._challenges[exchange.origin] = challenge
        scopes = frozenset(exchange.spec.scopes) | frozenset((challenge.get("scope") or "").split())
        if scopes in exchange.tried:
            return None
        exchange.tried.add(scopes)
        self._scopes[exchange.origin, exchange.spec.scopes] = scopes
        return await self._header(exchange, challenge, scopes, refused=refused)

    async def _header(
        self, exchange: _Exchange, challenge: Challenge, scopes: frozenset[str], *, refused: str | None = None
    ) -> str | None:
        host = exchange.spec.host
        exchange.credential = await self.credential(host, exchange.spec.repository) if exchange.own else None
        if challenge.scheme == "basic":
            return basic(exchange.credential) if exchange.credential else None
        realm, service = challenge.get("realm"), challenge.get("service")
        token = await self._tokens.get(
            (host.name, exchange.origin, realm, service, scopes, exchange.credential),
            lambda: self._fetch(exchange, challenge, scopes),
            other_than=refused.removeprefix("Bearer ") if refused else None,
            lasting=exchange.spec.flow is Flow.UPLOAD,
        )
        return f"Bearer {token}"

    async def _fetch(self, exchange: _Exchange, challenge: Challenge, scopes: frozenset[str]) -> Grant:
        # Without a slot: the requests that hold all slots may be waiting for this token.
        spec = replace(
            exchange.spec,
            subject=f"{exchange.spec.subject}: its token",
            limit=_TOKEN_BODY,
            flow=Flow.SMALL,
            holds_slot=True,
        )
        handshake = token_handshake(
            spec, challenge, at=exchange.at, scopes=sorted(scopes), credential=exchange.credential, clock=self._clock
        )
        async with self._present_login(exchange):
            try:
                request = next(handshake)
                while True:
                    request = handshake.send(await self._ask(spec, replace(request, linked_from=exchange.at)))
            except StopIteration as finished:
                grant: Grant = finished.value
                return grant

    async def _try(self, exchange: _Exchange, request: Request, header: str | None) -> Response:
        authorised = request.authorised(header)
        if header is None or not header.startswith("Basic "):
            return await self._ask(exchange.spec, authorised)
        async with self._present_login(exchange):
            response = await self._ask(exchange.spec, authorised)
            challenge = _challenge(response) if response.status == HTTPStatus.UNAUTHORIZED else None
            if challenge is not None and challenge.scheme == "basic" and exchange.credential is not None:
                raise login_refused(exchange.spec, response, account=exchange.credential.username)
            return response

    @asynccontextmanager
    async def _present_login(self, exchange: _Exchange) -> AsyncIterator[None]:
        """Present a login; one never accepted here goes alone: many failures at once would lock the account."""
        name, credential = exchange.spec.host.name, exchange.credential
        if credential is None:
            yield
            return
        shown = (exchange.origin, credential)
        lock = self._login_locks.setdefault(exchange.origin, asyncio.Lock())
        alone = nullcontext() if shown in self._accepted else lock
        async with alone:
            self._refusals.check(name, credential)
            try:
                yield
            except LoginRefused as error:
                self._accepted.discard(shown)
                self._refusals.remember(name, credential, error)
                raise
            self._accepted.add(shown)

    def _refusal(self, exchange: _Exchange, response: Response, header: str | None) -> TransferError:
        """The error for a 401 or 403 that is left after everything was tried."""
        credential = exchange.credential if header else None
        challenge = _challenge(response)
        if credential is None:
            return denied(exchange.spec, response, account=None, elsewhere=not exchange.own)
        if (
            response.status == HTTPStatus.UNAUTHORIZED
            and challenge is not None
            and challenge.get("error") == "invalid_token"
        ):
            refused = login_refused(exchange.spec, response, account=credential.username)
            self._refusals.remember(exchange.spec.host.name, credential, refused)
            return refused
        # The token server accepted the login and granted less than requested: access to this repository is denied.
        return denied(exchange.spec, response, account=credential.username)

    async def aclose(self) -> None:
        await self._tokens.aclose()


def _challenge(response: Response) -> Challenge | None:
    return choose(parse_challenges(response.headers.getall("WWW-Authenticate", [])))
