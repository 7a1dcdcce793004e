"""Docker Hub's API: 100 tags per request, newest first, with digests, times and platforms.

Source: Docker Hub API reference, and recorded traffic. Its `media_type` is that of the config, and is not used.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.discovery.listers.oci import OciLister
from ferryman.discovery.listers.web_api import api_pages, entries
from ferryman.discovery.timestamps import from_iso
from ferryman.errors import Denied, NotFound, WrongContent
from ferryman.platforms import Platform
from ferryman.reference import Repository, is_digest, is_tag
from ferryman.registry.bounds import Bounds
from ferryman.registry.client import RegistryClient


class DockerHubLister:
    """Sends anonymous requests, and signs in if they are refused: for private repositories, and for late pages.

    Keep the instance: it caches the token.
    """

    def __init__(self, client: RegistryClient) -> None:
        self._client = client
        self._names = OciLister(client)
        self._token: str | None = None
        self._signing_in = asyncio.Lock()  # one sign-in for concurrent walks: Hub locks accounts after a few failures

    def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        bounds = self._client.bounds(repository)

        async def fetch(page: int) -> tuple[Sequence[UpstreamTag], bool]:
            answer = await self._fetch(repository, page, bounds)
            return list(_tags(entries(answer, "results"))), bool(answer.get("next"))

        return api_pages(fetch, self._names, repository, bounds)

    async def _fetch(self, repository: Repository, page: int, bounds: Bounds) -> Any:
        path = f"/v2/repositories/{repository.name}/tags"
        query = {"page_size": "100", "page": str(page)}
        token = self._token
        try:
            return await self._client.get_api(repository.registry, path, query=query, bearer=token, bounds=bounds)
        except (Denied, NotFound) as error:
            if isinstance(error, NotFound) and token is not None:
                raise  # not found although signed in
            token = await self._new_token(repository.registry, old=token)
            if token is None:
                raise
        return await self._client.get_api(repository.registry, path, query=query, bearer=token, bounds=bounds)

    async def _new_token(self, registry: str, *, old: str | None) -> str | None:
        """Sign in, unless a concurrent walk has just done so; None: there is no credential."""
        async with self._signing_in:
            if self._token == old:
                self._token = await self._sign_in(registry)
            return self._token

    async def _sign_in(self, registry: str) -> str | None:
        credential = await self._client.credential_for_api(registry)
        if credential is None:
            return None
        body = {"identifier": credential.username, "secret": credential.secret}
        answer = await self._client.post_api(registry, "/v2/auth/token", body=body)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise WrongContent("the sign-in's answer has no access_token", registry=registry)
        return token


def _tags(found: Iterable[dict[str, Any]]) -> Iterable[UpstreamTag]:
    for entry in found:
        name = entry.get("name")
        if isinstance(name, str) and is_tag(name):
            pushed_at = from_iso(entry.get("tag_last_pushed")) or from_iso(entry.get("last_updated"))
            yield UpstreamTag(name, _digest(entry), pushed_at, _platforms(entry.get("images")), since=pushed_at)


def _digest(entry: dict[str, Any]) -> str | None:
    digest = entry.get("digest")
    return digest if isinstance(digest, str) and is_digest(digest) else None


def _platforms(images: Any) -> dict[Platform, str | None] | None:
    """None unless every image has a platform: an incomplete list could exclude tags that have a wanted platform."""
    if not isinstance(images, list):
        return None
    found: dict[Platform, str | None] = {}
    for image in images:
        os, architecture = (image.get("os"), image.get("architecture")) if isinstance(image, dict) else (None, None)
        if not (isinstance(os, str) and os and isinstance(architecture, str) and architecture):
            return None
        if (os, architecture) == ("unknown", "unknown"):  # an attestation
            continue
        variant = image.get("variant")
        platform = Platform.of(os, architecture, variant if isinstance(variant, str) else None)
        found[platform] = found.get(platform) or _digest(image)
    return found or None
