"""Foreign layers: blobs that a registry need not have, because the manifest names their URLs in the web.

Source: OCI image specification 1.1, "Descriptors" (`urls`); Docker image manifest version 2, schema 2.
"""

from dataclasses import dataclass, replace

from yarl import URL

from ferryman.registry.hosts import Host
from ferryman.registry.http.least_rate import LeastRate
from ferryman.registry.http.links import forbid_downgrade, resolve
from ferryman.registry.http.messages import RequestSpec
from ferryman.registry.http.requests import RequestBuilder


@dataclass(frozen=True, slots=True)
class ForeignLayerRequests(RequestBuilder):
    """The requests for one foreign layer, at a URL in a manifest of the registry `host`. They carry no login."""

    url: URL

    @classmethod
    def to(cls, host: Host, url: str) -> "ForeignLayerRequests":
        """Raises Unsupported for a URL that must not be followed."""
        target = resolve(host.endpoint, url)
        forbid_downgrade(host.endpoint, target, what="a foreign layer")
        return cls(host, needs_login=False, url=target)

    def download(self, name: str, digest: str, *, offset: int, pace: LeastRate) -> RequestSpec:
        """As for any blob, but from the URL."""
        found = RequestBuilder.download(self, name, digest, offset=offset, pace=pace)
        request = replace(found.request, url=self.url, linked_from=self.host.endpoint)
        return replace(found, request=request, subject=f"foreign layer {digest}", scopes=(), logs_in=False)
