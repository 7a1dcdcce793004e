"""What can be asked of one registry: each a URL, a scope for its token server, and words for errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from yarl import URL

from ferryman.errors import Unsupported
from ferryman.manifests.manifest import ACCEPT, OCI_INDEX, Manifest
from ferryman.reference import Reference
from ferryman.registry.bounds import Bounds
from ferryman.registry.hosts import Host
from ferryman.registry.http.least_rate import LeastRate
from ferryman.registry.http.messages import SMALL, Body, Flow, Patience, Request, RequestSpec

_LIST = 64 * 1024 * 1024  # bytes; Google lists a whole repository at once
_API = 8 * 1024 * 1024  # bytes of a page of a hundred tags
_NO_HEAD = frozenset({400, 405, 501})  # what registries say to a HEAD that they do not know
_LOGIN_REFUSED = frozenset({401})
_ABSENT = _NO_HEAD | {404}
# Storage that a HEAD was redirected to: the URL may be signed for GET alone, or the host may not know HEAD.
_NO_HEAD_ELSEWHERE = frozenset(range(400, 600)) - {429}
_NO_RANGE = frozenset({416})
_NO_MOUNT = frozenset({400, 404, 405, 501})  # what registries say that do not mount, or not from there


@dataclass(frozen=True, slots=True)
class RequestBuilder:
    """The requests to one registry."""

    host: Host
    needs_login: bool  # it is pushed to, so a stranger's 401 is a missing login

    def base(self) -> RequestSpec:
        """Whether it is a registry, and takes the login."""
        return RequestSpec(self.host, Request("GET", self._v2("")), "its API (/v2/)", needs_login=self.needs_login)

    def head_manifest(self, reference: Reference) -> RequestSpec:
        found = self._manifest(reference, "HEAD", accepts=_NO_HEAD)
        return replace(found, accepts_elsewhere=_NO_HEAD | {403})

    def get_manifest(self, reference: Reference) -> RequestSpec:
        return self._manifest(reference, "GET", accepts=frozenset())

    def put_manifest(self, reference: Reference, manifest: Manifest) -> RequestSpec:
        name = reference.repository.name
        url = self._v2(f"{name}/manifests/{reference.selector}")
        return RequestSpec(
            self.host,
            Request("PUT", url, {"Content-Type": manifest.media_type}, manifest.body),
            _called(reference),
            repository=name,
            scopes=_pushing(name),
            pushes=True,
            needs_login=True,
            patience=Patience.COMMIT,
        )

    def get_blob(self, name: str, digest: str) -> RequestSpec:
        return replace(self._read(name, f"blobs/{digest}", f"blob {name}@{digest}"), digest=digest)

    def head_blob(self, name: str, digest: str) -> RequestSpec:
        """Asked where something is pushed to: with the scope of a push, so that one token does for all."""
        found = self._read(name, f"blobs/{digest}", f"blob {name}@{digest}", method="HEAD", accepts=_ABSENT)
        return replace(found, scopes=_pushing(name), needs_login=True, accepts_elsewhere=_NO_HEAD_ELSEWHERE)

    def download(self, name: str, digest: str, *, offset: int, pace: LeastRate) -> RequestSpec:
        """The blob from a byte on; the caller holds a place for it."""
        found = self._read(name, f"blobs/{digest}", f"blob {name}@{digest}", accepts=_NO_RANGE)
        found = replace(found, flow=Flow.DOWNLOAD, placed=True, patience=Patience.FETCH, pace=pace)
        if not offset:
            return found
        headers = {**found.request.headers, "Range": f"bytes={offset}-"}
        return replace(found, request=replace(found.request, headers=headers))

    def mount(self, name: str, digest: str, *, source: str) -> RequestSpec:
        """Let the registry take the blob over from another of its repositories. A refusal is no error."""
        query = f"mount={quote(digest, safe='')}&from={quote(source, safe='')}"
        started = self.start_upload(name, digest, query=f"?{query}", accepts=_NO_MOUNT)
        reading = () if source == name else (f"repository:{source}:pull",)  # whoever pushes may read as well
        return replace(started, scopes=(*_pushing(name), *reading))

    def start_upload(
        self, name: str, digest: str, *, query: str = "", accepts: frozenset[int] = frozenset(), placed: bool = False
    ) -> RequestSpec:
        started = self.upload("POST", self._v2(f"{name}/blobs/uploads/{query}"), name, digest, placed=placed)
        return replace(started, accepts=accepts, request=replace(started.request, headers={"Content-Length": "0"}))

    def upload(
        self,
        method: str,
        url: URL,
        name: str,
        digest: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        placed: bool = False,
    ) -> RequestSpec:
        """One request of an upload that is under way: its URL is what the registry named last."""
        described = dict(headers or {})
        if body is not None:
            size = len(body) if isinstance(body, bytes) else body.size
            described |= {"Content-Type": "application/octet-stream", "Content-Length": f"{size}"}
        return RequestSpec(
            self.host,
            Request(method, url, described, body, led_by=self.host.endpoint),
            f"blob {name}@{digest}",
            repository=name,
            scopes=_pushing(name),
            pushes=True,
            needs_login=True,
            flow=Flow.UPLOAD if body is not None else Flow.SMALL,
            patience=Patience.COMMIT if body is not None else Patience.ANSWER,
            placed=placed,
            repeats=False,
        )

    def list_tags(self, name: str, *, page_size: int | None, bounds: Bounds) -> RequestSpec:
        size = f"?n={page_size}" if page_size else ""
        spec = self._read(name, f"tags/list{size}", f"tags of {name}", accept="application/json", limit=_LIST)
        return replace(spec, patience=Patience.LIST, bounds=bounds)

    def list_referrers(self, subject: Reference, *, bounds: Bounds) -> RequestSpec:
        name, digest = subject.repository.name, subject.selector
        thing = f"referrers of {name}@{digest}"
        spec = self._read(name, f"referrers/{digest}", thing, accept=f"{OCI_INDEX}, */*")
        return replace(spec, patience=Patience.LIST, bounds=bounds)

    def get_api(self, path: str, query: Mapping[str, str], *, bearer: str | None, bounds: Bounds | None) -> RequestSpec:
        url = self._api(f"{path}?{urlencode(query)}" if query else path)
        request = Request("GET", url, {"Accept": "application/json"}).authorised(f"Bearer {bearer}" if bearer else None)
        thing = f"its API ({path})"
        return RequestSpec(self.host, request, thing, logs_in=False, limit=_API, patience=Patience.LIST, bounds=bounds)

    def post_api(self, path: str, body: Mapping[str, str]) -> RequestSpec:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        request = Request("POST", self._api(path), headers, json.dumps(body).encode())
        spec = RequestSpec(self.host, request, f"its API ({path})", logs_in=False, limit=_API, accepts=_LOGIN_REFUSED)
        return replace(spec, body_is_login=True)

    def _manifest(self, reference: Reference, method: str, *, accepts: frozenset[int]) -> RequestSpec:
        path = f"manifests/{reference.selector}"
        return self._read(
            reference.repository.name, path, _called(reference), method=method, accept=ACCEPT, accepts=accepts
        )

    def _read(
        self,
        name: str,
        path: str,
        thing: str,
        *,
        method: str = "GET",
        accept: str = "*/*",
        limit: int = SMALL,
        accepts: frozenset[int] = frozenset(),
    ) -> RequestSpec:
        return RequestSpec(
            self.host,
            Request(method, self._v2(f"{name}/{path}"), {"Accept": accept}),
            thing,
            repository=name,
            scopes=(f"repository:{name}:pull",),
            needs_login=self.needs_login,
            limit=limit,
            accepts=accepts,
        )

    def _v2(self, path: str) -> URL:
        return URL(f"{self.host.endpoint}/v2/{path}", encoded=True)

    def _api(self, path: str) -> URL:
        if self.host.api is None:
            raise Unsupported(f"{self.host.name} has no tag API", registry=self.host.name)
        return URL(f"{self.host.api}{path}", encoded=True)


def _pushing(name: str) -> tuple[str, ...]:
    return (f"repository:{name}:pull,push",)


def _called(reference: Reference) -> str:
    name = reference.repository.name
    return f"manifest {name}@{reference.digest}" if reference.digest else f"manifest {name}:{reference.selector}"
