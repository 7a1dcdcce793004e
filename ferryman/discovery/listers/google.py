"""gcr.io, Artifact Registry and registry.k8s.io: one request lists tags, digests and times of a whole repository.

Source: Google's additions to `/v2/…/tags/list`, seen in recorded traffic. Undocumented, so every field is optional.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.discovery.timestamps import from_milliseconds
from ferryman.errors import NotFound
from ferryman.reference import Repository, is_digest, is_tag
from ferryman.registry.client import RegistryClient
from ferryman.tasks import compute

_NAMED = 3  # of a folder's repositories, in an error
_LONGEST_NAME = 100
_TAGS_AT_ONCE = 1000  # per page; then other tasks get a turn


class GoogleLister:
    """Inverts Google's map of manifests, which is keyed by digest, and includes untagged manifests."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        document = await self._client.get_tags_document(repository)
        _refuse_folder(repository, document)
        found = await compute(lambda: _all(document), size=len(document["manifest"]))
        self._client.bounds(repository).count(len(found))  # the map may hold more names than `tags` does
        for start in range(0, max(1, len(found)), _TAGS_AT_ONCE):
            yield Page(found[start : start + _TAGS_AT_ONCE])
            await asyncio.sleep(0)


def _all(document: Mapping[str, Any]) -> list[UpstreamTag]:
    found = _by_name(document["manifest"])
    for name in document["tags"]:
        if isinstance(name, str) and name not in found and is_tag(name):
            found[name] = UpstreamTag(name)
    return list(found.values())


def _refuse_folder(repository: Repository, document: Mapping[str, Any]) -> None:
    """Raises NotFound for a folder that only contains repositories, such as gcr.io/google-containers."""
    child = document.get("child")
    folders = [name for name in child if isinstance(name, str)] if isinstance(child, list) else []
    if folders and not document["manifest"] and not document["tags"]:
        some = ", ".join(f"{repository}/{name[:_LONGEST_NAME]}" for name in folders[:_NAMED])
        more = f" and {len(folders) - _NAMED} more" if len(folders) > _NAMED else ""
        message = f"{repository} is a folder and has no tags of its own: name a repository in it, such as {some}{more}"
        raise NotFound(message, registry=repository.registry)


def _by_name(manifests: Mapping[str, Any]) -> dict[str, UpstreamTag]:
    found: dict[str, UpstreamTag] = {}
    for digest, manifest in manifests.items():
        if not is_digest(digest) or not isinstance(manifest, dict):
            continue
        names = manifest.get("tag")
        uploaded_at = from_milliseconds(manifest.get("timeUploadedMs"))
        pushed_at = uploaded_at or from_milliseconds(manifest.get("timeCreatedMs"))
        for name in names if isinstance(names, list) else ():
            if isinstance(name, str) and is_tag(name):
                found[name] = UpstreamTag(name, digest, pushed_at, since=uploaded_at)
    return found
