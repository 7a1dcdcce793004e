"""Builds the requests to one registry: URL, token scope, timeout class, and the subject for error messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlencode

from yarl import URL

from ferryman.errors import Unsupported
from ferryman.manifests.manifest import ACCEPT, OCI_INDEX, Manifest
from ferryman.reference import Reference
from ferryman.registry.bounds import Bounds
from ferryman.registry.hosts import Host
from ferryman.registry.http.least_rate import LeastRate
from ferryman.registry.http.links import in_query
from ferryman.registry.http.messages import SMALL, Body, Flow, Request, RequestSpec, TimeoutClass

_LIST = 64 * 1024 * 1024  # bytes; Google lists a whole repository in one page
_API = 8 * 1024 * 1024  # bytes of a page of a hundred tags
_NO_HEAD = frozenset({400, 405, 501})  # answers of registries that do not support HEAD
_NO_HEAD_OR_UNCHANGED = _NO_HEAD | {304}
_NO_DELETE = frozenset({400, 404, 405, 501})  # answers of registries that do not delete, or have no such manifest
_LOGIN_REFUSED = frozenset({401})
_ABSENT = _NO_HEAD | {404}
_NO_MANIFEST_HEAD_ELSEWHERE = _NO_HEAD | {403}
# Storage that a HEAD was redirected to: the URL may be signed for GET only, or the host may not support HEAD.
_NO_HEAD_ELSEWHERE = frozenset(range(400, 600)) - {429}
_NO_RANGE = frozenset({416})
_NO_MOUNT = frozenset({400, 404, 405, 501})  # answers of registries that do not mount, or not from there


@dataclass(frozen=True, slots=True)
class RequestBuilder:
    """The requests to one registry."""

    host: Host
    needs_login: bool  # a target: a 401 without a login means a missing login

    def base(self) -> RequestSpec:
        """The API's base (`/v2/`): whether it is a registry and accepts the login."""
        return RequestSpec(self.host, Request("GET", self._v2("")), "its API (/v2/)", needs_login=self.needs_login)

    def head_manifest(self, reference: Reference, *, known: str | None = None) -> RequestSpec:
        """`known`: the digest that the tag named before. The answer is 304 if it still does."""
        return self._manifest(
            reference,
            "HEAD",
            headers={"If-None-Match": f'"{known}"'} if known else {},
            accepts=_NO_HEAD_OR_UNCHANGED if known else _NO_HEAD,
            accepts_elsewhere=_NO_MANIFEST_HEAD_ELSEWHERE,
        )

    def get_manifest(self, reference: Reference) -> RequestSpec:
        return self._manifest(reference, "GET")

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
            timeout_class=TimeoutClass.COMMIT,
        )

    def delete_manifest(self, reference: Reference) -> RequestSpec:
        name = reference.repository.name
        return RequestSpec(
            self.host,
            Request("DELETE", self._v2(f"{name}/manifests/{reference.selector}")),
            _called(reference),
            repository=name,
            scopes=(f"repository:{name}:pull,push,delete",),
            needs_login=True,
            accepts=_NO_DELETE,
            timeout_class=TimeoutClass.COMMIT,
        )

    def get_blob(self, name: str, digest: str) -> RequestSpec:
        return self._read(name, f"blobs/{digest}", f"blob {name}@{digest}", digest=digest)

    def head_blob(self, name: str, digest: str) -> RequestSpec:
        """Whether a target has the blob: with the scope of a push, so that the same token serves for both."""
        return RequestSpec(
            self.host,
            Request("HEAD", self._v2(f"{name}/blobs/{digest}"), {"Accept": "*/*"}),
            f"blob {name}@{digest}",
            repository=name,
            scopes=_pushing(name),
            needs_login=True,
            accepts=_ABSENT,
            accepts_elsewhere=_NO_HEAD_ELSEWHERE,
        )

    def download(self, name: str, digest: str, *, offset: int, pace: LeastRate) -> RequestSpec:
        """A range request for the blob from byte `offset` on; the caller holds a slot for it."""
        headers = {"Accept": "*/*", "Range": f"bytes={offset}-"} if offset else {"Accept": "*/*"}
        return RequestSpec(
            self.host,
            Request("GET", self._v2(f"{name}/blobs/{digest}"), headers),
            f"blob {name}@{digest}",
            repository=name,
            scopes=(f"repository:{name}:pull",),
            needs_login=self.needs_login,
            accepts=_NO_RANGE,
            flow=Flow.DOWNLOAD,
            timeout_class=TimeoutClass.FETCH,
            pace=pace,
            holds_slot=True,
        )

    def mount(self, name: str, digest: str, *, source: str) -> RequestSpec:
        """Cross-repository mount of a blob from the repository `source`. A refusal is no error."""
        query = f"?mount={in_query(digest)}&from={in_query(source)}"
        reading = () if source == name else (f"repository:{source}:pull",)  # push access includes pull
        return self._start_upload(name, digest, query, accepts=_NO_MOUNT, scopes=(*_pushing(name), *reading))

    def start_upload(self, name: str, digest: str, *, holds_slot: bool) -> RequestSpec:
        return self._start_upload(name, digest, "", holds_slot=holds_slot)

    def upload_in_one(self, name: str, digest: str, body: Body, *, accepts: frozenset[int]) -> RequestSpec:
        """The whole blob in the request that begins its upload; the answer may be a session all the same."""
        url = self._v2(f"{name}/blobs/uploads/?digest={in_query(digest)}")
        return self.upload("POST", url, name, digest, body=body, accepts=accepts)

    def upload(
        self,
        method: str,
        url: URL,
        name: str,
        digest: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        accepts: frozenset[int] = frozenset(),
        scopes: tuple[str, ...] | None = None,
        holds_slot: bool = False,
    ) -> RequestSpec:
        """One request of an upload session, to the URL in the registry's last `Location`.

        It is never repeated by itself (`repeats`): blobs/uploads.py handles errors, and what a 429 does.
        """
        described = dict(headers or {})
        if body is not None:
            size = len(body) if isinstance(body, bytes) else body.size
            described |= {"Content-Type": "application/octet-stream", "Content-Length": f"{size}"}
        return RequestSpec(
            self.host,
            Request(method, url, described, body, linked_from=self.host.endpoint),
            f"blob {name}@{digest}",
            repository=name,
            scopes=_pushing(name) if scopes is None else scopes,
            pushes=True,
            needs_login=True,
            accepts=accepts,
            flow=Flow.UPLOAD if body is not None else Flow.SMALL,
            timeout_class=TimeoutClass.COMMIT if body is not None else TimeoutClass.ANSWER,
            holds_slot=holds_slot,
            repeats=False,
        )

    def list_tags(self, name: str, *, page_size: int | None, bounds: Bounds) -> RequestSpec:
        size = f"?n={page_size}" if page_size else ""
        spec = self._read(
            name, f"tags/list{size}", f"tags of {name}", headers={"Accept": "application/json"}, limit=_LIST
        )
        return replace(spec, timeout_class=TimeoutClass.LIST, bounds=bounds)

    def list_referrers(self, subject: Reference, *, bounds: Bounds) -> RequestSpec:
        name, digest = subject.repository.name, subject.selector
        listed = f"referrers of {name}@{digest}"
        spec = self._read(name, f"referrers/{digest}", listed, headers={"Accept": f"{OCI_INDEX}, */*"})
        return replace(spec, timeout_class=TimeoutClass.LIST, bounds=bounds)

    def get_api(self, path: str, query: Mapping[str, str], *, bearer: str | None, bounds: Bounds | None) -> RequestSpec:
        url = self._api(f"{path}?{urlencode(query)}" if query else path)
        request = Request("GET", url, {"Accept": "application/json"}).authorised(f"Bearer {bearer}" if bearer else None)
        subject = f"its API ({path})"
        return RequestSpec(
            self.host, request, subject, logs_in=False, limit=_API, timeout_class=TimeoutClass.LIST, bounds=bounds
        )

    def post_api(self, path: str, body: Mapping[str, str]) -> RequestSpec:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        request = Request("POST", self._api(path), headers, json.dumps(body).encode())
        spec = RequestSpec(self.host, request, f"its API ({path})", logs_in=False, limit=_API, accepts=_LOGIN_REFUSED)
        return replace(spec, body_is_login=True)

    def _manifest(
        self,
        reference: Reference,
        method: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        accepts: frozenset[int] = frozenset(),
        accepts_elsewhere: frozenset[int] = frozenset(),
    ) -> RequestSpec:
        name, path = reference.repository.name, f"manifests/{reference.selector}"
        return self._read(
            name,
            path,
            _called(reference),
            method,
            headers={"Accept": ACCEPT, **headers},
            accepts=accepts,
            accepts_elsewhere=accepts_elsewhere,
        )

    def _start_upload(
        self,
        name: str,
        digest: str,
        query: str,
        *,
        accepts: frozenset[int] = frozenset(),
        scopes: tuple[str, ...] | None = None,
        holds_slot: bool = False,
    ) -> RequestSpec:
        url, headers = self._v2(f"{name}/blobs/uploads/{query}"), {"Content-Length": "0"}
        return self.upload(
            "POST", url, name, digest, headers=headers, accepts=accepts, scopes=scopes, holds_slot=holds_slot
        )

    def _read(
        self,
        name: str,
        path: str,
        subject: str,
        method: str = "GET",
        *,
        headers: Mapping[str, str] = MappingProxyType({"Accept": "*/*"}),
        limit: int = SMALL,
        accepts: frozenset[int] = frozenset(),
        accepts_elsewhere: frozenset[int] = frozenset(),
        digest: str = "",
    ) -> RequestSpec:
        return RequestSpec(
            self.host,
            Request(method, self._v2(f"{name}/{path}"), headers),
            subject,
            repository=name,
            scopes=(f"repository:{name}:pull",),
            needs_login=self.needs_login,
            limit=limit,
            accepts=accepts,
            accepts_elsewhere=accepts_elsewhere,
            digest=digest,
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
