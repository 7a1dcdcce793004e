"""HTTP requests and answers as values, so that decisions about them need no connection."""

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

SMALL = 4 * 1024 * 1024  # bytes; the usual limit of registries for manifests


def origin(url: URL) -> tuple[str, str, int | None]:
    """Scheme, host and port. Not yarl's own origin: for that, `https://h:443` differs from `https://h`."""
    return url.scheme, (url.host or "").lower(), url.port


def authority(url: URL) -> str:
    """host[:port], safe to show: without user, path and query."""
    return url.host_port_subcomponent or ""


class Body(Protocol):
    """A request body that is streamed."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    @property
    def failure(self) -> Exception | None:
        """The error of its source that broke the request off; None: there was none."""
        ...

    def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """The bytes; every call starts from the beginning."""
        ...


class Content(Protocol):
    """A streamed body of an answer. Its owner has to close it."""

    async def read(self) -> bytes | memoryview:
        """The next piece; empty at the end. Raises Unreachable if the connection breaks."""
        ...

    def close(self) -> None:
        """Return the connection to the pool, or close it if unread data is left. Idempotent."""
        ...


class Flow(Enum):
    """How the bodies of a request and its answer are transferred."""

    SMALL = auto()  # both bodies in memory; acquires a slot of the host; has a timeout in all
    DOWNLOAD = auto()  # the answer's body is streamed; in a slot that the caller holds
    UPLOAD = auto()  # the request's body may be streamed; in a slot that the caller holds


class TimeoutClass(Enum):
    """Which timeout applies until an answer begins."""

    ANSWER = auto()  # a mere look-up
    LIST = auto()  # the registry may have to read a whole repository
    FETCH = auto()  # it may fetch a large blob itself first, as pull-through caches do
    COMMIT = auto()  # it has to assemble and verify what was sent


@dataclass(frozen=True, slots=True)
class Request:
    """A request to one URL. Headers and body may hold secrets: the repr leaves them out."""

    method: str
    url: URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Body | None = field(default=None, repr=False)
    linked_from: URL | None = None  # the URL whose answer named `url`; None: the user configured it

    def authorised(self, authorization: str | None) -> "Request":
        """The same request with an Authorization header; unchanged for None."""
        if authorization is None:
            return self
        return replace(self, headers={**self.headers, "Authorization": authorization})

    def moved(self, url: URL) -> "Request":
        """The same request to another URL; without the Authorization header if that has another origin."""
        headers = dict(self.headers)
        if origin(url) != origin(self.url):
            headers.pop("Authorization", None)
        return replace(self, url=url, headers=headers, linked_from=self.url)


@dataclass(frozen=True, slots=True)
class Response:
    """A response. The body of a token server is a secret: the repr leaves bodies out."""

    status: int
    url: URL
    headers: CIMultiDictProxy[str]
    body: bytes = field(default=b"", repr=False)
    content: Content | None = field(default=None, repr=False)  # of a successful download, instead of `body`

    @property
    def ok(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """A request, and everything that sending it depends on: scope, timeouts, accepted statuses, retries."""

    host: Host
    request: Request
    subject: str  # of error messages: "manifest library/nginx:1.27"
    repository: str = ""
    scopes: tuple[str, ...] = ()  # for the token server: repository:<name>:<actions>
    pushes: bool = False
    needs_login: bool = False  # a 401 without a login means a missing login, not a private repository
    logs_in: bool = True  # False: a 401 is final
    limit: int = SMALL  # bytes of the answer's body
    accepts: frozenset[int] = frozenset()  # statuses other than 2xx that the caller handles
    accepts_elsewhere: frozenset[int] = frozenset()  # the same, of a host that the registry redirected to
    flow: Flow = Flow.SMALL
    timeout_class: TimeoutClass = TimeoutClass.ANSWER
    digest: str = ""  # of a blob that is read whole: content that matches is not decompressed
    pace: LeastRate | None = None  # of a download
    bounds: Bounds | None = None  # of the list that it is a page of
    holds_slot: bool = False  # the caller holds a slot already, or none is needed
    repeats: bool = True  # may be retried by itself after a temporary error
    body_is_login: bool = False  # a redirect that would take the body to another origin is not followed

    @property
    def rate_limited_host(self) -> str:
        """The host whose rate limits apply: the registry, or its tag API, which has limits of its own."""
        return self.host.name if self.logs_in else authority(self.request.url)

    def expects(self, response: Response) -> bool:
        """Whether the caller handles this unsuccessful answer."""
        if response.status in self.accepts_elsewhere and origin(response.url) != origin(self.request.url):
            return True
        return response.status in self.accepts

    def answered_by(self, url: URL) -> str:
        """Who answered, for error messages: the registry, and the host at `url` if it has another name."""
        name = self.host.name
        return name if authority(url) == name else f"{name} ({authority(url)})"
