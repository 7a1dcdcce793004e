"""Creates and pushes referrers, and serves the referrers API in front of a registry that lacks it."""

import hashlib
import json
import urllib.request
from collections import defaultdict
from typing import Any

from aiohttp import web

from tests.support.images import OCI_INDEX, OCI_MANIFEST, Image, Index, digest_of, push
from tests.support.proxy import FaultyProxy

_EMPTY = b"{}"


def referrer(subject: Image | Index, content: bytes = b"signed", *, kind: str = "application/vnd.example.sig") -> Image:
    """An artifact that refers to an image, or to another referrer."""
    document = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind,
        "config": _descriptor("application/vnd.oci.empty.v1+json", _EMPTY),
        "layers": [_descriptor("application/vnd.example", content)],
        "subject": _descriptor(subject.media_type, subject.manifest),
        "annotations": {"org.example.about": "what was tested"},
    }  # fmt: skip
    blobs = {digest_of(blob): blob for blob in (_EMPTY, content)}
    return Image(json.dumps(document).encode(), OCI_MANIFEST, blobs)


def signature(subject: Image | Index, content: bytes = b"signed") -> tuple[str, Image]:
    """A signature as cosign pushes it: a tag, and a manifest in the form of an image."""
    config = json.dumps({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    layer = _descriptor("application/vnd.dev.cosign.simplesigning.v1+json", content)
    document = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": _descriptor("application/vnd.oci.image.config.v1+json", config), "layers": [layer],
    }  # fmt: skip
    blobs = {digest_of(blob): blob for blob in (config, content)}
    return f"{list_tag(subject)}.sig", Image(json.dumps(document).encode(), OCI_MANIFEST, blobs)


def list_tag(subject: Image | Index) -> str:
    """The tag under which a registry without the API lists what refers to an image."""
    return subject.digest.replace(":", "-")


def refer(url: str, name: str, subject: Image | Index, *referrers: Image) -> None:
    """Push a referrer of an image, and add it to the referrers tag, as clients do where there is no API."""
    for each in referrers:
        push(url, name, each.digest, each)
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_described(each) for each in referrers]}
    push(url, name, list_tag(subject), Index(json.dumps(document).encode(), OCI_INDEX, referrers))


def listed_at(url: str, name: str, subject: Image | Index) -> list[Any]:
    """The descriptors that the referrers API lists, from all of its pages."""
    found: list[Any] = []
    following = f"{url}/v2/{name}/referrers/{subject.digest}"
    while following:
        with urllib.request.urlopen(following, timeout=60) as answer:
            found += json.load(answer)["manifests"]
            link = answer.headers["Link"]
        following = url + link.partition(">")[0].lstrip("<") if link else ""
    return found


class ReferrersApi(FaultyProxy):
    """A proxy that adds the referrers API to a registry: two descriptors per page, unfiltered."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._listed: dict[str, dict[str, Any]] = defaultdict(dict)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        name, _, subject = request.path.partition("/referrers/")
        if subject:
            return self._page(list(self._listed[f"{name}@{subject}"].values()), request)
        answer = await super().pass_on(request)
        name, _, selector = request.path.partition("/manifests/")
        if request.method == "PUT" and selector and answer.status == web.HTTPCreated.status_code:
            body = await request.read()
            if subject := json.loads(body).get("subject"):
                digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
                made = Image(body, request.headers["Content-Type"], {})
                self._listed[f"{name}@{subject['digest']}"][digest] = _described(made)
                answer.headers["OCI-Subject"] = subject["digest"]
        return answer

    def _page(self, listed: list[Any], request: web.Request) -> web.StreamResponse:
        start = int(request.query.get("after", "0"))
        more = {"Link": f'<{request.path}?after={start + 2}>; rel="next"'} if len(listed) > start + 2 else {}
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed[start : start + 2]}
        return web.json_response(document, headers=more, content_type=OCI_INDEX)


def _described(made: Image) -> dict[str, Any]:
    document = json.loads(made.manifest)
    more = {key: document[key] for key in ("artifactType", "annotations") if key in document}
    return _descriptor(made.media_type, made.manifest) | more


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
