"""A direct transport between two real registries, with a record of every request."""

import re
from urllib.parse import unquote

from ferryman.platforms import Platforms
from ferryman.registry.client import RegistryClient
from ferryman.registry.http.messages import Request, RequestSpec, Response
from ferryman.transports.base import Copied
from ferryman.transports.direct.transport import DirectTransport
from tests.support.images import Image, Index, push
from tests.support.processes import RegistryServer
from tests.support.transports import Progress, pinned, tagged


class Line:
    """A direct transport between a source and a target, with a record of every request."""

    def __init__(
        self, transport: DirectTransport, client: RegistryClient, source: RegistryServer, target: RegistryServer
    ) -> None:
        self.transport = transport
        self.client = client
        self.source = source
        self.target = target
        self.progress = Progress()
        self._requests: list[tuple[str, str]] = []  # host, "METHOD kind"
        self._watch(client)

    async def copy(
        self, what: Image | Index, platforms: str | None = None, *, tag: str = "1", name: str = "a/image"
    ) -> Copied:
        """Push it to the source, and copy it."""
        push(self.source.url, name, tag, what)
        return await self.copy_digest(what.digest, platforms, tag=tag, name=name)

    async def copy_digest(
        self,
        digest: str,
        platforms: str | None = None,
        *,
        tag: str = "1",
        name: str = "a/image",
        source: str | None = None,
        target: str | None = None,
    ) -> Copied:
        """Copy a digest. `source` and `target`: other hosts, such as proxies in front of the two registries."""
        return await self.transport.copy(
            pinned(source or self.source.host, name, digest),
            tagged(target or self.target.host, f"m/{name}", tag),
            Platforms.parse(platforms) if platforms else None,
            self.progress,
        )

    def asked(self, host: str) -> list[str]:
        """The requests sent to a host since the last call: "GET manifest", "PUT blob" …, sorted."""
        found = sorted(request for asked, request in self._requests if asked == host)
        self._requests = [each for each in self._requests if each[0] != host]
        return found

    def _watch(self, client: RegistryClient) -> None:
        http = client._sender._http
        exchange = http.exchange

        async def watched(spec: RequestSpec, request: Request) -> Response:
            host = f"{request.url.host}:{request.url.port}"
            self._requests.append((host, f"{request.method} {_kind(str(request.url))}"))
            return await exchange(spec, request)

        http.exchange = watched  # type: ignore[method-assign]


def _kind(url: str) -> str:
    if mount := re.search(r"/v2/(.+)/blobs/uploads/\?mount=.*from=([^&]+)", url):
        return "mount" if unquote(mount[2]) != mount[1] else "mount from itself"
    found = re.search(r"/(manifest|blob)s/(uploads)?", url)
    return "other" if found is None else "upload" if found[2] else found[1]
