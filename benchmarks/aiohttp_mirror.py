"""A mirror with aiohttp and nothing else: `python aiohttp_mirror.py SOURCE TARGET REPOSITORY=REPOSITORY...`

It asks what Ferryman asks to fill an empty registry, and hashes what it copies. It has no record, queue, limits,
retries or progress. So it shows how much of the time of Ferryman is its own.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

_ACCEPT = {"Accept": "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"}
_TAGS_AT_ONCE = 32
_REQUESTS_AT_ONCE = 16  # at each registry: more take no less time on loopback
_DONE = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}


@dataclass(frozen=True, slots=True)
class _Registry:
    host: str
    session: aiohttp.ClientSession
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_REQUESTS_AT_ONCE))

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, data: bytes | None = None
    ) -> tuple[CIMultiDictProxy[str], bytes]:
        async with (
            self.slots,
            self.session.request(method, self.url(path), headers=headers, data=data) as response,
        ):
            if response.status not in _DONE:
                raise RuntimeError(f"{method} {path} was answered {response.status}")
            return response.headers, await response.read()

    def url(self, path: str) -> URL:
        return URL(f"http://{self.host}/v2/{path}", encoded=True)


@dataclass(frozen=True, slots=True)
class _Mirror:
    source: _Registry
    target: _Registry
    tags_at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_TAGS_AT_ONCE))
    holders: dict[str, asyncio.Future[str]] = field(default_factory=dict)  # by blob: the repository that has it

    async def repository(self, name: str, to: str) -> None:
        _, body = await self.source.ask("GET", f"{name}/tags/list")
        await asyncio.gather(*(self._tag(name, to, tag) for tag in json.loads(body)["tags"]))

    async def _tag(self, name: str, to: str, tag: str) -> None:
        async with self.tags_at_once:
            await self._manifest(name, to, tag)

    async def _manifest(self, name: str, to: str, reference: str) -> None:
        headers, body = await self.source.ask("GET", f"{name}/manifests/{reference}", _ACCEPT)
        hashlib.sha256(body).hexdigest()
        manifest = json.loads(body)
        blobs = [manifest["config"], *manifest["layers"]] if "layers" in manifest else []
        await asyncio.gather(
            *(self._manifest(name, to, child["digest"]) for child in manifest.get("manifests", [])),
            *(self._blob(name, to, blob) for blob in blobs),
        )
        await self.target.ask("PUT", f"{to}/manifests/{reference}", {"Content-Type": headers["Content-Type"]}, body)

    async def _blob(self, name: str, to: str, blob: Mapping[str, Any]) -> None:
        digest = blob["digest"]
        if digest not in self.holders:
            self.holders[digest] = asyncio.get_running_loop().create_future()
            await self._upload(name, to, digest, blob["size"])
            self.holders[digest].set_result(to)
        elif (holder := await self.holders[digest]) != to:
            await self.target.ask("POST", f"{to}/blobs/uploads/?mount={digest}&from={holder}")

    async def _upload(self, name: str, to: str, digest: str, size: int) -> None:
        begun, _ = await self.target.ask("POST", f"{to}/blobs/uploads/")
        location = URL(f"{begun['Location']}&digest={digest}", encoded=True)
        found = hashlib.sha256()

        async def pieces(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
            async for piece in content.iter_any():
                found.update(piece)
                yield piece

        async with (
            self.source.slots,
            self.source.session.get(self.source.url(f"{name}/blobs/{digest}")) as download,
            self.target.slots,
            self.target.session.put(
                location, data=pieces(download.content), headers={"Content-Length": str(size)}
            ) as answer,
        ):
            if answer.status != HTTPStatus.CREATED or f"sha256:{found.hexdigest()}" != digest:
                raise RuntimeError(f"{digest} was answered {answer.status}, and is {found.hexdigest()}")


async def main(source: str, target: str, *pairs: str) -> None:
    """Mirror every tag of these repositories."""
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, auto_decompress=False) as session:
        mirror = _Mirror(_Registry(source, session), _Registry(target, session))
        await asyncio.gather(*(mirror.repository(*pair.split("=")) for pair in pairs))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
