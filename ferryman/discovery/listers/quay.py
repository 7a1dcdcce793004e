"""quay.io's API: 100 tags per request, newest first, with digests and times.

Source: quay's `/api/v1/repository/…/tag/`, as its own web pages use it.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.discovery.listers.oci import OciLister
from ferryman.discovery.listers.web_api import api_pages, entries
from ferryman.discovery.timestamps import from_mail, from_seconds
from ferryman.reference import Repository, is_digest, is_tag
from ferryman.registry.client import RegistryClient


class QuayLister:
    """Sends anonymous requests: robot accounts cannot use the API. Private repositories are listed by name instead."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client
        self._names = OciLister(client)

    def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        bounds = self._client.bounds(repository)

        async def fetch(page: int) -> tuple[Sequence[UpstreamTag], bool]:
            answer = await self._client.get_api(
                repository.registry,
                f"/api/v1/repository/{repository.name}/tag/",
                # Without onlyActiveTags, deleted tags are included, and names repeat.
                query={"limit": "100", "page": str(page), "onlyActiveTags": "true"},
                bounds=bounds,
            )
            return list(_tags(entries(answer, "tags"))), answer.get("has_additional") is True

        return api_pages(fetch, self._names, repository, bounds)


def _tags(found: Iterable[dict[str, Any]]) -> Iterable[UpstreamTag]:
    for entry in found:
        name, digest = entry.get("name"), entry.get("manifest_digest")
        if isinstance(name, str) and is_tag(name):
            pushed_at = from_seconds(entry.get("start_ts")) or from_mail(entry.get("last_modified"))
            known = digest if isinstance(digest, str) and is_digest(digest) else None
            yield UpstreamTag(name, known, pushed_at, since=pushed_at)
