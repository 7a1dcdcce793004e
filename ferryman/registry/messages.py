"""Requests and answers as values, so that what decides about them needs no connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from multidict import CIMultiDictProxy
from yarl import URL

from ferryman.registry.hosts import Host

SMALL = 4 * 1024 * 1024  # bytes; the cap that registries keep for manifests


def origin(url: URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: yarl's own origin tells `https://h:443` from `https://h`."""
    return url.scheme, (url.host or "").lower(), url.port


def place(url: URL) -> str:
    """host[:port], as it may be shown: without user, path or query."""
    return url.host_port_subcomponent or ""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to one URL. Headers and body may hold secrets: no repr shows them."""

    method: str
    url: URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)

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
        return replace(self, url=url, headers=headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. A token server's body is a secret: no repr shows it."""

    status: int
    url: URL
    headers: CIMultiDictProxy[str]
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class Errand:
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

    @property
    def place(self) -> str:
        """Whose hold and places count: the registry's, or those of its API, which has limits of its own."""
        return self.host.name if self.logs_in else place(self.request.url)

    def speaker(self, url: URL) -> str:
        """Who answered, as it reads in an error: the registry, and the host behind it if that has another name."""
        name = self.host.name
        return name if place(url) == name else f"{name} ({place(url)})"
