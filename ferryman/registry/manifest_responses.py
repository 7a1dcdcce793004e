"""Verifies the answers to manifest requests: media type, digest, schema.

Source: OCI image specification, "Manifest" and "Image Index"; Docker image manifest version 2, schemas 1 and 2.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ferryman.errors import Unsupported, WrongContent
from ferryman.manifests.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA_1,
    Manifest,
    digest_of,
    parse_document,
)
from ferryman.reference import is_digest
from ferryman.registry.http.messages import RequestSpec, Response

_KNOWN = frozenset({OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST})
_MEDIA_TYPE = re.compile(r"[!-~]{1,255}")  # it goes back out as a header
_VAGUE = frozenset({"", "application/json", "application/octet-stream", "text/plain", "text/html"})


@dataclass(frozen=True, slots=True)
class Described:
    """A manifest by its headers (HEAD)."""

    digest: str
    media_type: str  # empty: the answer does not say
    size: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of putting a manifest."""

    digest: str
    confirmed: bool  # the registry named the digest in its answer


class ManifestRefused(Unsupported):
    """The registry refused a manifest."""

    @property
    def lacks_content(self) -> bool:
        """Whether a blob or manifest that it names is missing."""
        return not self.codes.isdisjoint({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"})


def describe(
    spec: RequestSpec, response: Response, *, pinned: str | None, known: str | None = None
) -> Described | None:
    """Read the headers of an answer; None without a digest. Raises WrongContent if it is not the `pinned` one.

    `known`: what was asked about by If-None-Match. A 304 says that it still is this one, unless it names another.
    """
    unchanged = known if response.status == HTTPStatus.NOT_MODIFIED else None
    digest = response.headers.get("Docker-Content-Digest") or unchanged or ""
    if not (response.ok or unchanged) or not is_digest(digest):
        return None
    if pinned is not None and _comparable(pinned, digest) and pinned != digest:
        raise _wrong(spec, response, f"has another digest by its header: {digest}")
    return Described(digest, _content_type(response), length_of(response))


def length_of(response: Response) -> int | None:
    """The length of the content, by the answer to its HEAD; None: it does not say."""
    # With a Content-Encoding, it is the compressed length.
    length = response.headers.get("Content-Length", "") if "Content-Encoding" not in response.headers else ""
    return int(length) if length.isascii() and length.isdigit() else None


def receive(spec: RequestSpec, response: Response, *, pinned: str | None) -> Manifest:
    """Read and verify the answer to a GET. Raises WrongContent, and Unsupported for schema 1."""
    document = _parse(spec, response)
    media_type = _media_type(response, document)
    if media_type in SCHEMA_1 or document.get("schemaVersion") == 1:
        message = "is of schema 1, which registries and engines have given up: push it again with a newer Docker"
        raise Unsupported(f"{spec.answered_by(response.url)}: {spec.subject} {message}", registry=spec.host.name)
    reported = response.headers.get("Docker-Content-Digest", "")
    for expected in filter(is_digest, (pinned or "", reported)):
        check(spec, response, expected)
    return Manifest(response.body, media_type, pinned or digest_of(response.body))


def check(spec: RequestSpec, response: Response, digest: str) -> None:
    """Verify the body. Raises WrongContent if its digest is another one."""
    found = digest_of(response.body, digest.partition(":")[0])
    if found != digest:
        raise _wrong(spec, response, f"should be {digest}, and what arrived is {found}")


def _parse(spec: RequestSpec, response: Response) -> dict[str, Any]:
    try:
        return parse_document(response.body)
    except ValueError as error:
        raise _wrong(spec, response, str(error)) from error


def _media_type(response: Response, document: dict[str, Any]) -> str:
    """The media type in the document; without one, the `Content-Type` if it can be right."""
    header, written = _content_type(response), document.get("mediaType")
    written = written if isinstance(written, str) and _MEDIA_TYPE.fullmatch(written) else None
    looks = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    if written in _KNOWN:
        return written  # whatever the header says: a strict target would refuse another type
    if header in _KNOWN:
        return looks  # Docker's types require `mediaType` in the document, so it must be OCI's
    if header not in _VAGUE and _MEDIA_TYPE.fullmatch(header):
        return header
    return written or looks


def _content_type(response: Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _comparable(one: str, other: str) -> bool:
    return one.partition(":")[0] == other.partition(":")[0]


def _wrong(spec: RequestSpec, response: Response, what: str) -> WrongContent:
    return WrongContent(f"{spec.answered_by(response.url)}: {spec.subject} {what}", registry=spec.host.name)
