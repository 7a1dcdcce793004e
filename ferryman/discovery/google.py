"""gcr.io, Artifact Registry and registry.k8s.io: one request tells the tags, digests and times of a whole repository.

Source: Google's additions to `/v2/…/tags/list`, seen in recorded traffic; undocumented, so nothing is relied upon.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.discovery.times import from_milliseconds
from ferryman.reference import Repository, is_digest, is_tag
from ferryman.registry.client import RegistryClient


class GoogleLister:
    """Turns Google's map of manifests around: it is keyed by digest, and holds untagged manifests too."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        document = await self._client.get_tags_document(repository)
        found = _by_name(document["manifest"])
        for name in document["tags"]:
            if isinstance(name, str) and is_tag(name):
                found.setdefault(name, UpstreamTag(name))
        yield Page(list(found.values()))


def _by_name(manifests: Mapping[str, Any]) -> dict[str, UpstreamTag]:
    found: dict[str, UpstreamTag] = {}
    for digest, manifest in manifests.items():
        if not is_digest(digest) or not isinstance(manifest, dict):
            continue
        names = manifest.get("tag")
        pushed_at = from_milliseconds(manifest.get("timeUploadedMs")) or from_milliseconds(
            manifest.get("timeCreatedMs")
        )
        for name in names if isinstance(names, list) else ():
            if isinstance(name, str) and is_tag(name):
                found[name] = UpstreamTag(name, digest, pushed_at)
    return found
