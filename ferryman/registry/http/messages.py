"""Requests and answers as values, so that what decides about them needs no connection."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Protocol

from multidict import CIMultiDictProxy
from yarl import URL

from ferryman.registry.bounds import Bounds
from ferryman.registry.hosts import Host
from ferryman.registry.http.least_rate import LeastRate

SMALL = 4 * 1024 * 1024  # bytes; the cap that registries keep for manifests


def origin(url: URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: yarl's own origin tells `https://h:443` from `https://h`."""
    return url.scheme, (url.host or "").lower(), url.port


def place(url: URL) -> str:
    """host[:port], as it may be shown: without user, path or query."""
    return url.host_port_subcomponent or ""


class Body(Protocol):
    """A body that is made while it is sent."""

    @property
    def size(self) -> int:
        """Bytes, in all."""
        ...

    @property
    def failure(self) -> Exception | None:
        """Why it could not be made, when a request broke off for that."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes; every call begins at the beginning."""
        ...


class Content(Protocol):
    """The body of an answer, taken as it comes. Whoever has it closes it."""

    async def read(self) -> bytes:
        """The next piece; empty at the end. Raises Unreachable where it breaks off."""
        ...

    def close(self) -> None:
        """Give the connection back, or up if something is left in it. Idempotent."""
        ...


class Flow(Enum):
    """How the bytes of a request go."""

    SMALL = auto()  # both bodies in memory; in one of the host's places, within a time
    DOWNLOAD = auto()  # the answer's body is left to be read; in a place that the caller holds
    UPLOAD = auto()  # the request's body may be long; in a place that the caller holds


class Patience(Enum):
    """How long an answer may take to begin: silence means different things."""

    ANSWER = auto()  # it has only to look something up
    LIST = auto()  # it may have to read through a whole repository
    FETCH = auto()  # it may have to fetch a large blob itself first, as pull-through caches do
    COMMIT = auto()  # it has to put together and check what was sent


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to one URL. Headers and body may hold secrets: no repr shows them."""

    method: str
    url: URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Body | None = field(default=None, repr=False)
    led_by: URL | None = None  # where an answer pointed to `url`; None: the user did

    def authorised(self, authorization: str | None) -> "Request":
        """The same with an Authorization header; unchanged without one."""
        if authorization is None:
            return self
        return replace(self, headers={**self.headers, "Authorization": authorization})

    def moved(self, url: URL) -> "Request":
        """The same to another URL; another origin does not get the Authorization header."""
        headers = dict(self.headers)
        if origin(url) != origin(self.url):
            headers.pop("Authorization", None)
        return replace(self, url=url, headers=headers, led_by=self.url)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. A token server's body is a secret: no repr shows it."""

    status: int
    url: URL
    headers: CIMultiDictProxy[str]
    body: bytes = field(default=b"", repr=False)
    content: Content | None = field(default=None, repr=False)  # of a download that was granted, in place of `body`

    @property
    def ok(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """One request with all that its way to an answer has to know."""

    host: Host
    request: Request
    thing: str  # what is asked for, as it reads in an error: "manifest library/nginx:1.27"
    repository: str = ""
    scopes: tuple[str, ...] = ()  # for the token server: repository:<name>:<actions>
    pushes: bool = False
    needs_login: bool = False  # a refusal of a stranger is a missing login, not a private repository
    logs_in: bool = True  # False: a 401 is final
    limit: int = SMALL  # bytes of the answer's body
    accepts: frozenset[int] = frozenset()  # statuses other than 2xx that the caller deals with
    accepts_elsewhere: frozenset[int] = frozenset()  # the same, of a host that the registry redirected to
    flow: Flow = Flow.SMALL
    patience: Patience = Patience.ANSWER
    digest: str = ""  # of a blob that is read whole: what has it is not unpacked
    pace: LeastRate | None = None  # of a download
    bounds: Bounds | None = None  # of the list that it is a part of
    placed: bool = False  # it goes in a place that is held already, or needs none
    repeats: bool = True  # it may be sent again by itself when it fails in passing
    body_is_login: bool = False  # a redirect that would take the body to another origin is not followed

    @property
    def place(self) -> str:
        """Whose hold and places count: the registry's, or those of its API, which has limits of its own."""
        return self.host.name if self.logs_in else place(self.request.url)

    def expects(self, answer: Answer) -> bool:
        """Whether the answer is no success, and one that the caller deals with."""
        if answer.status in self.accepts_elsewhere and origin(answer.url) != origin(self.request.url):
            return True
        return answer.status in self.accepts

    def speaker(self, url: URL) -> str:
        """Who answered, as it reads in an error: the registry, and the host behind it if that has another name."""
        name = self.host.name
        return name if place(url) == name else f"{name} ({place(url)})"
