"""Endpoint and options of each registry, with defaults filled in.

A registry's name is what users write (`docker.io`); its endpoint is where `/v2/` answers
(`https://registry-1.docker.io`), and its tag API, if it has one, lists tags with times and digests.
"""

import re
import ssl
from dataclasses import dataclass, field

from yarl import URL

from ferryman.addresses import HostList, is_loopback
from ferryman.errors import ConfigurationError, Problem
from ferryman.reference import DOCKER_HUB
from ferryman.registry.bounds import MOST_TAGS
from ferryman.registry_options import RegistryOptions

_ENDPOINTS = {DOCKER_HUB: "https://registry-1.docker.io"}
_APIS = {DOCKER_HUB: "https://hub.docker.com", "quay.io": "https://quay.io"}
_CONCURRENCY = {DOCKER_HUB: 4}
_DEFAULT_CONCURRENCY = 64
_PAGE_SIZES = {"quay.io": 100}  # Quay misbehaves above its maximum
_DEFAULT_PAGE_SIZE = 1000  # ECR answers 405 to more
_PORT = re.compile(r":[0-9]+$")
_LEAST_RATE = 10 * 1024  # bytes a second


@dataclass(frozen=True, slots=True)
class Host:
    """One registry, with every default filled in."""

    name: str  # as in Repository.registry
    endpoint: URL
    api: URL | None
    concurrency: int  # ceiling of requests at once, and of copies through an engine
    requests_per_second: int | None  # None: no limit
    page_size: int  # tags in one page of /v2/…/tags/list
    tls: bool | ssl.SSLContext  # the `ssl` argument of aiohttp
    moved: bool  # the endpoint was set by the user: a mirror
    api_is_apart: bool  # the endpoint was set and the API was not: their logins differ
    timeout: float | None  # seconds until an answer has to begin; None: the default of its timeout class
    least_rate: float  # bytes a second
    most_tags: int
    redirects: HostList
    proxy: str | bool | None = field(repr=False)

    @classmethod
    def resolve(cls, name: str, options: RegistryOptions) -> "Host":
        """Fill in the defaults. Raises ConfigurationError for a CA file that cannot be read."""
        plain = options.tls is False or (options.tls is None and is_loopback(_PORT.sub("", name)))
        scheme = "http" if plain else "https"
        endpoint = options.endpoint or _ENDPOINTS.get(name, f"{scheme}://{name}")
        api = options.api or _APIS.get(name)
        return cls(
            name=name,
            endpoint=_base(endpoint, scheme),
            api=_base(api, scheme) if api else None,
            concurrency=options.concurrency or _CONCURRENCY.get(name, _DEFAULT_CONCURRENCY),
            requests_per_second=options.requests_per_second,
            page_size=_PAGE_SIZES.get(name, _DEFAULT_PAGE_SIZE),
            tls=_trust(name, options.tls) if isinstance(options.tls, str) else True,
            moved=options.endpoint is not None,
            api_is_apart=options.endpoint is not None and options.api is None,
            timeout=options.timeout,
            least_rate=options.least_rate or _LEAST_RATE,
            most_tags=options.most_tags or MOST_TAGS,
            redirects=options.redirects,
            proxy=options.proxy,
        )

    @property
    def authority(self) -> str:
        """host[:port] of the endpoint."""
        return self.endpoint.host_port_subcomponent or self.name


def _base(address: str, scheme: str) -> URL:
    return URL(address if "://" in address else f"{scheme}://{address}").origin()


def _trust(name: str, ca_file: str) -> ssl.SSLContext:
    """Trust the system's CAs and the user's: redirects and token servers may use certificates of either."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        problem = Problem(f"registries: {name}: tls: the CA file {ca_file} cannot be used: {error}")
        raise ConfigurationError([problem]) from error
    return context
