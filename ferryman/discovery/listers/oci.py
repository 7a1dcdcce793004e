"""The tag list of the distribution specification: names only.

Source: OCI distribution specification, "Listing Tags".
"""

from collections.abc import AsyncGenerator

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient


class OciLister:
    """Lists names by `/v2/…/tags/list`; the survey reads digests and times."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        async for names in self._client.list_tags(repository):
            yield Page([UpstreamTag(name) for name in names])
