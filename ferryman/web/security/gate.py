"""What every request passes before its handler is called: its host, its token or session, and its forms."""

import secrets

from aiohttp import web
from pydantic import SecretStr

from ferryman import log
from ferryman.clock import Clock
from ferryman.i18n.texts import _
from ferryman.settings import Settings
from ferryman.web.refusals import Refused
from ferryman.web.routing import BASE_PATH, Handler, Route, route_of
from ferryman.web.security import notices
from ferryman.web.security.access import Access, Actor
from ferryman.web.security.client import Client, client_of
from ferryman.web.security.forms import FIELD, HEADER, VISITOR, FormTokens
from ferryman.web.security.hosts import Hosts, name_of
from ferryman.web.security.sessions import LIFETIME, Session, Sessions
from ferryman.web.security.wrong_tokens import WrongTokens

COOKIE = "ferryman_session"
_ACTOR = web.RequestKey("actor", Actor)
_CLIENT = web.RequestKey("client", Client)
_SESSION = web.RequestKey("session", Session)
_VISITOR = web.RequestKey("visitor", str)
_SCHEME = "bearer"
_MOST_UNKNOWN_HOSTS = 100  # that are logged
_LONGEST_LOGGED = 200  # characters of what a stranger sent


class LoginNeeded(Exception):
    """Nobody is logged in, and this needs somebody who is."""


def actor(request: web.Request) -> Actor | None:
    """Who asks. None: nobody is logged in, which only routes that need nothing meet."""
    return request.get(_ACTOR)


def acting(request: web.Request) -> str:
    """Who acts, for the audit log, in a route that needs to act."""
    who = actor(request)
    assert who is not None  # noqa: S101 - the gate lets nobody else through
    return who.name


def may_act(request: web.Request) -> bool:
    """Whether who asks may act."""
    who = actor(request)
    return who is not None and who.may_act


def client(request: web.Request) -> Client:
    """Where the request comes from."""
    return request[_CLIENT]


class Gate:
    """The checks, and the logins that they know."""

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self.access = Access(token=_plain(settings.token), read_token=_plain(settings.read_token))
        self._sessions = Sessions(self.access, clock=clock)
        self._forms = FormTokens(self.access.form_key())
        self._wrong = WrongTokens(clock=clock)
        self._unknown_hosts: set[str] = set()
        self._notices = notices.Notices(self.access.form_key(), clock=clock)
        self._trusted = settings.trusted_proxies
        listen = settings.listen
        self._hosts = Hosts(listening_on=listen.host if listen else "localhost", names=settings.hosts)

    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the request through to its handler. Raises Refused or LoginNeeded."""
        request[_CLIENT] = client_of(request, self._trusted)
        route = route_of(request)
        if route is None or not route.any_host:
            self._check_host(request)
        if route is not None and route.needs != "nothing":
            self._check_rank(route, self._identify(request))
        elif (session := self._session(request)) is not None:
            self._enter(request, session.actor, session)
        if request.method not in {"GET", "HEAD"} and not _bearer(request):
            await self._check_form(request)
        return await handler(request)

    def may_read(self, request: web.Request) -> bool:
        """Whether the caller of a route that needs nothing may read all the same."""
        try:
            return self._identify(request) is not None
        except Refused:
            return False

    def try_token(self, request: web.Request, shown: str) -> Actor | None:
        """Whose token this is. None: nobody's, which is counted. Raises Refused after too many of them."""
        address = client(request).address
        if seconds := self._wrong.wait(address):
            detail = _("Too many wrong tokens came from your address. Try again in %(seconds)s seconds.")
            raise Refused(429, detail % {"seconds": seconds}, headers={"Retry-After": str(seconds)})
        found = self.access.actor(shown)
        if found is None:
            self._wrong.note(address)
            log.get().warning("web_token_wrong", message="somebody showed a wrong token", address=address)
        return found

    def log_in(self, request: web.Request, response: web.Response, who: Actor) -> None:
        """Set the session's cookie."""
        self._set_cookie(request, response, COOKIE, self._sessions.begin(who), int(LIFETIME.total_seconds()))

    def log_out(self, request: web.Request, response: web.Response) -> None:
        """Remove the session's cookie."""
        self._set_cookie(request, response, COOKIE, "", 0)

    def form_token(self, request: web.Request) -> str:
        """The token for a form in the answer to this request; `keep_visitor` has to see the response."""
        session = request.get(_SESSION)
        if session is None and _VISITOR not in request:
            request[_VISITOR] = request.cookies.get(VISITOR) or secrets.token_urlsafe(16)
        return self._forms.token(session, request.get(_VISITOR, ""))

    def keep_visitor(self, request: web.Request, response: web.Response) -> None:
        """Set the cookie that a form without a session is bound to, if the response has one."""
        if (visitor := request.get(_VISITOR)) is not None and visitor != request.cookies.get(VISITOR):
            self._set_cookie(request, response, VISITOR, visitor, int(LIFETIME.total_seconds()))

    def leave_notice(self, request: web.Request, response: web.Response, text: str) -> None:
        """Have the reader's next page show this text, once."""
        lifetime = int(notices.LIFETIME.total_seconds())
        self._set_cookie(request, response, notices.COOKIE, self._notices.write(text), lifetime)

    def notice(self, request: web.Request) -> str | None:
        """What the last action has left to be shown; `drop_notice` has to see the response that shows it."""
        value = request.cookies.get(notices.COOKIE)
        return self._notices.read(value) if value else None

    def drop_notice(self, request: web.Request, response: web.Response) -> None:
        """It is shown: take the cookie away."""
        if notices.COOKIE in request.cookies:
            self._set_cookie(request, response, notices.COOKIE, "", 0)

    def _check_host(self, request: web.Request) -> None:
        host = client(request).host
        if not self._hosts.includes(host):
            self._tell_unknown_host(name_of(host)[:_LONGEST_LOGGED])
            raise Refused(421, _("Ferryman does not answer to this host name. If it should, add it to FERRYMAN_HOSTS."))

    def _tell_unknown_host(self, name: str) -> None:
        """Log it once: strangers must not fill the log."""
        if name in self._unknown_hosts or len(self._unknown_hosts) >= _MOST_UNKNOWN_HOSTS:
            return
        self._unknown_hosts.add(name)
        log.get().warning(
            "web_host_unknown",
            message="a request for a host that is not ours; if it is, add it to FERRYMAN_HOSTS",
            host=name,
        )

    def _identify(self, request: web.Request) -> Actor | None:
        """Who asks, by bearer token, session, or nothing."""
        if shown := _bearer(request):
            if (found := self.try_token(request, shown)) is None:
                raise Refused(
                    401, _("This token is wrong."), headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
                )
            return self._enter(request, found)
        if (session := self._session(request)) is not None:
            return self._enter(request, session.actor, session)
        if (anybody := self.access.anybody) is not None:
            if client(request).forwarded and not self.access.public:
                raise Refused(403, _("No token is set, so only this machine may read: set FERRYMAN_READ_TOKEN."))
            return self._enter(request, anybody)
        return None

    def _session(self, request: web.Request) -> Session | None:
        value = request.cookies.get(COOKIE)
        return self._sessions.read(value) if value else None

    def _enter(self, request: web.Request, who: Actor, session: Session | None = None) -> Actor:
        request[_ACTOR] = who
        if session is not None:
            request[_SESSION] = session
        return who

    def _check_rank(self, route: Route, who: Actor | None) -> None:
        if who is None:
            raise LoginNeeded
        if route.needs == "act" and not who.may_act:
            if self.access.closed and not who.has_token:
                raise LoginNeeded
            detail = _("You may read, but not act: log in with FERRYMAN_TOKEN.")
            raise Refused(403, detail, headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'})

    async def _check_form(self, request: web.Request) -> None:
        """Require one of our own pages as the sender. Raises Refused."""
        here, sender = client(request).origin, request.headers.get("Origin", "").lower()
        if sender != here:
            raise Refused(
                403,
                _(
                    "The form came from another origin. Behind a reverse proxy that ends TLS, set "
                    "FERRYMAN_TRUSTED_PROXIES, and let it pass the Host header on."
                ),
            )
        shown = request.headers.get(HEADER) or str((await request.post()).get(FIELD, ""))
        if not self._forms.is_right(shown, request.get(_SESSION), request.cookies.get(VISITOR, "")):
            raise Refused(403, _("The form is too old: load its page again."))

    def _set_cookie(self, request: web.Request, response: web.Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path=request.app[BASE_PATH] or "/", httponly=True, samesite="Strict",
            secure=client(request).scheme == "https",
        )  # fmt: skip


GATE = web.AppKey("gate", Gate)


def _bearer(request: web.Request) -> str:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == _SCHEME else ""


def _plain(token: SecretStr | str | None) -> str | None:
    return token.get_secret_value() if isinstance(token, SecretStr) else token
