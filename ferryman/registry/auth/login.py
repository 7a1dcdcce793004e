"""Logging in: what each origin wants of a request, and what it is given.

Credentials belong to a registry's own endpoint. Every other origin that a redirect leads to is asked as a stranger.
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
from ferryman.registry.http.messages import Answer, Flow, Request, RequestSpec, origin

Origin = tuple[str, str, int | None]
Ask = Callable[[RequestSpec, Request], Awaitable[Answer]]

_CHALLENGES = 2  # the first, and one more that asks for another scope
_TOKEN_BODY = 1024 * 1024


class Refusals:
    """Logins that were refused, so that the same one is not tried again: too many lock an account."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Credential, str]] = {}

    def remember(self, registry: str, credential: Credential, error: LoginRefused) -> None:
        self._known[registry] = credential, str(error)

    def check(self, registry: str, credential: Credential | None) -> None:
        """Raises LoginRefused where just this credential was refused before."""
        known = self._known.get(registry)
        if known is not None and known[0] == credential:
            raise LoginRefused(known[1], registry=registry)

    def forget(self, registry: str | None) -> None:
        if registry is None:
            self._known.clear()
        else:
            self._known.pop(registry, None)


@dataclass(slots=True)
class _Visit:
    """One request at one origin: who asks, and what was tried."""

    spec: RequestSpec
    at: URL
    own: bool  # the origin that the credentials belong to
    credential: Credential | None = None  # the one that the last header was made of
    tried: set[frozenset[str]] = field(default_factory=set)  # scopes that a token was fetched for

    @property
    def origin(self) -> Origin:
        return origin(self.at)


class Logins:
    """Sends requests with what their origin wants."""

    def __init__(self, *, credentials: CredentialStore, refusals: Refusals, clock: Clock, ask: Ask) -> None:
        self.credentials = credentials
        self._refusals = refusals
        self._clock = clock
        self._ask = ask
        self._tokens = Tokens(clock=clock)
        self._challenges: dict[Origin, Challenge] = {}  # what an origin wanted last
        self._scopes: dict[tuple[Origin, tuple[str, ...]], frozenset[str]] = {}  # what it wanted for these
        self._accepted: set[tuple[Origin, Credential]] = set()
        self._trials: dict[Origin, asyncio.Lock] = {}

    async def send(self, spec: RequestSpec, request: Request) -> Answer:
        """Send the request and answer up to two challenges. Raises LoginRefused or Denied for what remains."""
        visit = _Visit(spec, at=request.url, own=origin(request.url) == origin(spec.host.endpoint))
        header = await self._beforehand(visit)
        answer = await self._try(visit, request, header)
        for _ in range(_CHALLENGES):
            if answer.status != HTTPStatus.UNAUTHORIZED:
                break
            renewed = await self._respond(visit, answer, refused=header)
            if renewed is None or renewed == header:
                break
            header = renewed
            answer = await self._try(visit, request, header)
        refused = answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and not is_limit(answer)
        if refused and not spec.expects(answer):
            raise self._refusal(visit, answer, header)
        return answer

    async def credential(self, host: Host, repository: str = "") -> Credential | None:
        """The registry's login. Raises LoginRefused for one that it refused already."""
        credential = await self.credentials.find(host, repository)
        self._refusals.check(host.name, credential)
        return credential

    def forget(self, registry: str) -> None:
        """Show the login again at the next request: neither a refusal nor a token is remembered."""
        self._refusals.forget(registry)
        self._tokens.forget(registry)

    def asked(self, host: Host) -> bool:
        """Whether the registry has ever asked for a login."""
        return origin(host.endpoint) in self._challenges

    async def _beforehand(self, visit: _Visit) -> str | None:
        """What the origin is known to want; a stranger is asked first."""
        challenge = self._challenges.get(visit.origin)
        if challenge is None:
            return None
        scopes = self._scopes.get((visit.origin, visit.spec.scopes), frozenset(visit.spec.scopes))
        return await self._header(visit, challenge, scopes)

    async def _respond(self, visit: _Visit, answer: Answer, *, refused: str | None) -> str | None:
        """A header that answers a 401; None: there is nothing new to try."""
        challenge = _challenge(answer)
        if challenge is None:
            return None
        self._challenges[visit.origin] = challenge
        scopes = frozenset(visit.spec.scopes) | frozenset((challenge.get("scope") or "").split())
        if scopes in visit.tried:
            return None
        visit.tried.add(scopes)
        self._scopes[visit.origin, visit.spec.scopes] = scopes
        return await self._header(visit, challenge, scopes, refused=refused)

    async def _header(
        self, visit: _Visit, challenge: Challenge, scopes: frozenset[str], *, refused: str | None = None
    ) -> str | None:
        host = visit.spec.host
        visit.credential = await self.credential(host, visit.spec.repository) if visit.own else None
        if challenge.scheme == "basic":
            return basic(visit.credential) if visit.credential else None
        realm, service = challenge.get("realm"), challenge.get("service")
        token = await self._tokens.get(
            (host.name, visit.origin, realm, service, scopes, visit.credential),
            lambda: self._fetch(visit, challenge, scopes),
            other_than=refused.removeprefix("Bearer ") if refused else None,
            lasting=visit.spec.flow is Flow.UPLOAD,
        )
        return f"Bearer {token}"

    async def _fetch(self, visit: _Visit, challenge: Challenge, scopes: frozenset[str]) -> Grant:
        # No place: those who hold all of them may be the ones that wait for the token.
        spec = replace(
            visit.spec, thing=f"{visit.spec.thing}: its token", limit=_TOKEN_BODY, flow=Flow.SMALL, placed=True
        )
        handshake = token_handshake(
            spec, challenge, at=visit.at, scopes=sorted(scopes), credential=visit.credential, clock=self._clock
        )
        async with self._trial(visit):
            try:
                request = next(handshake)
                while True:
                    request = handshake.send(await self._ask(spec, replace(request, led_by=visit.at)))
            except StopIteration as finished:
                grant: Grant = finished.value
                return grant

    async def _try(self, visit: _Visit, request: Request, header: str | None) -> Answer:
        authorised = request.authorised(header)
        if header is None or not header.startswith("Basic "):
            return await self._ask(visit.spec, authorised)
        async with self._trial(visit):
            answer = await self._ask(visit.spec, authorised)
            wanted = _challenge(answer) if answer.status == HTTPStatus.UNAUTHORIZED else None
            if wanted is not None and wanted.scheme == "basic" and visit.credential is not None:
                raise login_refused(visit.spec, answer, account=visit.credential.username)
            return answer

    @asynccontextmanager
    async def _trial(self, visit: _Visit) -> AsyncIterator[None]:
        """Show a login. One that was never taken here goes alone: many at once, all wrong, would lock the account."""
        name, credential = visit.spec.host.name, visit.credential
        if credential is None:
            yield
            return
        shown = (visit.origin, credential)
        alone = nullcontext() if shown in self._accepted else self._trials.setdefault(visit.origin, asyncio.Lock())
        async with alone:
            self._refusals.check(name, credential)
            try:
                yield
            except LoginRefused as error:
                self._accepted.discard(shown)
                self._refusals.remember(name, credential, error)
                raise
            self._accepted.add(shown)

    def _refusal(self, visit: _Visit, answer: Answer, header: str | None) -> TransferError:
        """What a 401 or 403 means that is left when everything was tried."""
        credential = visit.credential if header else None
        challenge = _challenge(answer)
        if credential is None:
            return denied(visit.spec, answer, account=None, elsewhere=not visit.own)
        if (
            answer.status == HTTPStatus.UNAUTHORIZED
            and challenge is not None
            and challenge.get("error") == "invalid_token"
        ):
            refused = login_refused(visit.spec, answer, account=credential.username)
            self._refusals.remember(visit.spec.host.name, credential, refused)
            return refused
        # The token server took the login and granted less than was asked: this repository is what is refused.
        return denied(visit.spec, answer, account=credential.username)

    async def aclose(self) -> None:
        await self._tokens.aclose()


def _challenge(answer: Answer) -> Challenge | None:
    return choose(parse_challenges(answer.headers.getall("WWW-Authenticate", [])))
