"""What a user may set for one registry: read from items.yml, used by the registry client."""

from dataclasses import dataclass, field

from ferryman.addresses import NO_HOSTS, HostList
from ferryman.bandwidth import FULL_SPEED, Bandwidth


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """Options of one registry. None is the default."""

    endpoint: str | None = None  # where /v2/ is served: scheme://host[:port]
    api: str | None = None  # where the tag API is (Docker Hub, quay)
    concurrency: int | None = None  # the most requests, and the most copies, at once
    requests_per_second: int | None = None
    bandwidth: Bandwidth = FULL_SPEED
    tls: bool | str | None = None  # False: plain HTTP; a path: trust that CA file too; None: HTTPS, on loopback HTTP
    timeout: float | None = None  # seconds until an answer has to begin, for every kind of request
    least_rate: float | None = None  # bytes a second; a slower download or upload is cancelled
    most_tags: int | None = None  # in one repository
    redirects: HostList = NO_HOSTS  # additional hosts that redirects may lead to
    proxy: str | bool | None = field(
        default=None, repr=False
    )  # False: none; None: the environment's; a URL may hold a password
