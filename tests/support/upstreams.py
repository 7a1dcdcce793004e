"""Stand-ins for the web APIs of Docker Hub, quay and Google, each over a small read-only `/v2` of its own.

They run in a thread on loopback, count what they are asked, and misbehave as the real ones were seen to.
"""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.support.images import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, Image, Index
from tests.support.loop_thread import LoopThread
from tests.support.serving import clean_up

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def made_up_digest(text: str) -> str:
    """A digest without an image, for tags that no test pulls."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass(frozen=True)
class Tag:
    """One tag of a stand-in."""

    name: str
    digest: str
    pushed_at: datetime
    images: Sequence[Mapping[str, Any]] = ()  # as Docker Hub shows them


class Upstream:
    """A registry with tag lists, HEAD, manifests and blobs; a context manager that runs in a thread."""

    page_size = 1000  # of /v2/…/tags/list, where `n` asks for no less

    def __init__(self) -> None:
        self.url = ""
        self._requests: Counter[str] = Counter()
        self.answers: dict[str, Callable[[], web.Response]] = {}  # in place of the true one, by method and path
        self.referrers: dict[str, list[str]] | None = None  # by subject; None: there is no such API
        self._tags: dict[str, dict[str, Tag]] = {}
        self._content: dict[str, tuple[str, bytes]] = {}  # digest -> media type and bytes
        self._thread = LoopThread()

    # What it holds

    def put(
        self,
        repository: str,
        name: str,
        *,
        pushed_at: datetime = NOON,
        digest: str | None = None,
        images: Sequence[Mapping[str, Any]] = (),
    ) -> Tag:
        """Push a tag: a made-up digest unless one is given."""
        tag = Tag(name, digest or made_up_digest(f"{repository}:{name}"), pushed_at, images)
        self._tags.setdefault(repository, {})[name] = tag
        return tag

    def push(self, repository: str, name: str, what: Image | Index, *, pushed_at: datetime = NOON) -> Tag:
        """Push a real image, which can be pulled."""
        self._hold(what)
        return self.put(repository, name, pushed_at=pushed_at, digest=what.digest)

    def fill(self, repository: str, count: int) -> list[str]:
        """Push this many tags, a minute apart. Returns their names, newest first."""
        names = [f"1.{number}" for number in range(count, 0, -1)]
        for age, name in enumerate(names):
            self.put(repository, name, pushed_at=NOON - timedelta(minutes=age))
        return names

    def delete(self, repository: str, name: str) -> None:
        del self._tags[repository][name]

    def digest(self, repository: str, name: str) -> str:
        return self._tags[repository][name].digest

    def newest_first(self, repository: str) -> list[Tag]:
        return sorted(self._tags.get(repository, {}).values(), key=lambda tag: tag.pushed_at, reverse=True)

    def _hold(self, what: Image | Index) -> None:
        self._content[what.digest] = (what.media_type, what.manifest)
        if isinstance(what, Index):
            for child in what.images:
                self._hold(child)
        else:
            self._content |= {digest: ("application/octet-stream", blob) for digest, blob in what.blobs.items()}

    # What it was asked

    @property
    def requests(self) -> Counter[str]:
        """As "GET /v2/library/nginx/tags/list", without the query: a copy, for requests still come in its thread."""
        return self._requests.copy()

    def forget_requests(self) -> None:
        self._requests.clear()

    def asked(self, *, beginning: str = "") -> int:
        """How many requests were received; only those whose "METHOD path" begins like this, if given."""
        return sum(count for line, count in self.requests.items() if line.startswith(beginning))

    def fail(self, line: str, status: int, **headers: str) -> None:
        """Answer "METHOD path" with this status from now on."""
        self.answers[line] = lambda: web.Response(status=status, headers=headers)

    # How it runs

    def __enter__(self) -> Self:
        self._thread.start()
        self._thread.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.run(clean_up(self._runner))
        self._thread.stop()

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._counted])
        self.add_routes(app.router)
        app.router.add_get("/v2/", self._hello)
        app.router.add_get(r"/v2/{repository:.+}/tags/list", self._tags_list)
        app.router.add_get(r"/v2/{repository:.+}/referrers/{subject}", self._referrers)
        app.router.add_get(r"/v2/{repository:.+}/{kind:manifests|blobs}/{selector}", self._stored)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The web API, where there is one; it goes before `/v2`."""

    @web.middleware
    async def _counted(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self._requests[line] += 1
        if line in self.answers:
            return self.answers[line]()
        return await handler(request)

    # /v2

    async def _hello(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _tags_list(self, request: web.Request) -> web.Response:
        repository = request.match_info["repository"]
        if repository not in self._tags:
            return web.json_response({"errors": [{"code": "NAME_UNKNOWN"}]}, status=404)
        return self.tags_list(request, repository)

    def tags_list(self, request: web.Request, repository: str) -> web.Response:
        names = sorted(self._tags[repository])
        rest = [name for name in names if name > request.query.get("last", "")]
        page = rest[: min(self.page_size, int(request.query.get("n", self.page_size)))]
        headers = {}
        if len(page) < len(rest):
            headers["Link"] = f'</v2/{repository}/tags/list?n={len(page)}&last={page[-1]}>; rel="next"'
        return web.json_response({"name": repository, "tags": page}, headers=headers)

    async def _referrers(self, request: web.Request) -> web.Response:
        if self.referrers is None:
            return web.Response(status=404, text="404 page not found")
        listed = [
            {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
            for digest in self.referrers.get(request.match_info["subject"], ())
        ]
        return web.json_response({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed})

    async def _stored(self, request: web.Request) -> web.Response:
        selector = request.match_info["selector"]
        tag = self._tags.get(request.match_info["repository"], {}).get(selector)
        digest = tag.digest if tag else selector
        media_type, content = self._content.get(digest, (DOCKER_LIST, b""))
        headers = {"Docker-Content-Digest": digest}
        if content:
            return web.Response(body=content, content_type=media_type, headers=headers)
        if tag and request.method == "HEAD":
            return web.Response(content_type=media_type, headers=headers)
        return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, status=404)


class Google(Upstream):
    """Google's tags/list: the whole repository at once, keyed by digest; `n` and `last` are ignored."""

    def tags_list(self, request: web.Request, repository: str) -> web.Response:
        manifests: dict[str, Any] = {made_up_digest("untagged"): _google_manifest(NOON, [])}
        for tag in self.newest_first(repository):
            manifests.setdefault(tag.digest, _google_manifest(tag.pushed_at, []))["tag"].append(tag.name)
        names = sorted(name for manifest in manifests.values() for name in manifest["tag"])
        return web.json_response({"child": [], "manifest": manifests, "name": repository, "tags": names})


def _google_manifest(pushed_at: datetime, names: list[str]) -> dict[str, Any]:
    return {
        "imageSizeBytes": "763789", "layerId": "", "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "tag": names, "timeCreatedMs": "0", "timeUploadedMs": str(int(pushed_at.timestamp() * 1000)),
    }  # fmt: skip


class DockerHub(Upstream):
    """hub.docker.com and registry-1.docker.io in one."""

    def __init__(self) -> None:
        super().__init__()
        self.login: tuple[str, str] | None = None  # what POST /v2/auth/token takes
        self.anonymous_depth: int | None = None  # the offset past which anonymous requests get 403
        self.private = False  # anonymous requests get 404
        self.oldest_first = False
        self.always_page_one = False  # every page is the first, and there is always a next one
        self.before_page: Callable[[int], object] = lambda page: None  # called with the page's number
        self.edit: Callable[[dict[str, Any]], Any] = lambda document: document  # a page's last change

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(r"/v2/repositories/{repository:.+}/tags", self._page)
        router.add_post("/v2/auth/token", self._sign_in)

    async def _page(self, request: web.Request) -> web.Response:
        repository, number = request.match_info["repository"], int(request.query.get("page", 1))
        size = min(int(request.query.get("page_size", 10)), 100)
        self.before_page(number)
        tags = self.newest_first(repository)
        start = 0 if self.always_page_one else (number - 1) * size
        is_anonymous = request.headers.get("Authorization") != "Bearer signed-in"
        if (self.private and is_anonymous) or start >= max(len(tags), 1) or repository not in self._tags:
            return web.json_response({"message": "object not found", "errinfo": {}}, status=404)
        if self.anonymous_depth is not None and is_anonymous and start >= self.anonymous_depth:
            message = "pagination offset too large for anonymous requests; sign in to page further"
            return web.json_response({"message": message}, status=403)
        if self.oldest_first:
            tags.reverse()
        more = self.always_page_one or start + size < len(tags)
        following = f"{self.url}{request.path}?page={number + 1}&page_size={size}" if more else None
        results = [_hub_result(tag) for tag in tags[start : start + size]]
        return web.json_response(
            self.edit({"count": len(tags), "next": following, "previous": None, "results": results})
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if self.login is None or (asked["identifier"], asked["secret"]) != self.login:
            return web.json_response(
                {"message": "unauthorized", "detail": "Incorrect authentication credentials"}, status=401
            )
        return web.json_response({"access_token": "signed-in"})

    def limit(self, repository: str, until: datetime) -> None:
        """Answer 429 to the API, with the moment as a unix time."""
        moment = str(int(until.timestamp()))
        headers = {
            "X-Retry-After": moment,
            "X-RateLimit-Limit": "180",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": moment,
        }
        self.fail(f"GET /v2/repositories/{repository}/tags", 429, **headers)


def _hub_result(tag: Tag) -> dict[str, Any]:
    at = f"{tag.pushed_at:%Y-%m-%dT%H:%M:%S}.07709Z"
    image: dict[str, Any] = {
        "architecture": "amd64", "os": "linux", "variant": None, "os_version": None, "features": "",
        "digest": made_up_digest(f"amd64 of {tag.digest}"), "size": 1521559708, "status": "active", "last_pushed": at,
    }  # fmt: skip
    return {
        "id": int(tag.digest[7:15], 16), "name": tag.name, "digest": tag.digest, "content_type": "image",
        "media_type": "application/vnd.docker.container.image.v1+json", "last_updated": at, "tag_last_pushed": at,
        "tag_status": "active", "full_size": 1521559708, "v2": True,
        "images": [image | dict(overrides) for overrides in tag.images] or [image],
    }  # fmt: skip


class Quay(Upstream):
    """quay.io: its API, and a `/v2` whose pages hold at most 100."""

    page_size = 100

    def __init__(self) -> None:
        super().__init__()
        self.private = False  # the API answers 401
        self.always_page_one = False
        self.before_page: Callable[[int], object] = lambda page: None
        self.edit: Callable[[dict[str, Any]], Any] = lambda document: document

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(r"/api/v1/repository/{repository:.+}/tag/", self._page)

    async def _page(self, request: web.Request) -> web.Response:
        if self.private:
            return web.json_response(
                {"error_message": "Requires authentication", "error_type": "insufficient_scope"}, status=401
            )
        repository, number = request.match_info["repository"], int(request.query.get("page", 1))
        size = min(int(request.query.get("limit", 50)), 100)
        self.before_page(number)
        tags = self.newest_first(repository)
        if request.query.get("onlyActiveTags") != "true":
            tags = [
                dead for tag in tags for dead in (tag, Tag(tag.name, made_up_digest(f"dead {tag.name}"), tag.pushed_at))
            ]
        start = 0 if self.always_page_one else (number - 1) * size
        more = self.always_page_one or start + size < len(tags)
        results = [_quay_tag(tag) for tag in tags[start : start + size]]
        return web.json_response(self.edit({"tags": results, "page": number, "has_additional": more}))


def _quay_tag(tag: Tag) -> dict[str, Any]:
    return {
        "name": tag.name, "reversion": False, "start_ts": int(tag.pushed_at.timestamp()), "manifest_digest": tag.digest,
        "is_manifest_list": False, "size": 265862608, "last_modified": f"{tag.pushed_at:%a, %d %b %Y %H:%M:%S} -0000",
    }  # fmt: skip
