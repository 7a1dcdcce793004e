"""What items.yml says, as values; `read.py` makes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ferryman.addresses import NO_HOSTS, HostList
from ferryman.bandwidth import FULL_SPEED, Bandwidth
from ferryman.platforms import Platforms
from ferryman.reference import Repository

Order = Literal["newest", "version", "name"]
TransportName = Literal["docker", "direct", "auto"]
ListerName = Literal["google", "dockerhub", "quay", "oci"]
UNLIMITED = 9999  # the first Ferryman's word for "all of them"; kept as a number, and it is honoured as one


@dataclass(frozen=True, slots=True)
class Rules:
    """Which of a repository's tags are wanted."""

    limit: int = UNLIMITED  # the newest N after include and exclude; pinned tags do not count
    include: tuple[re.Pattern[str], ...] = ()  # empty: every tag
    exclude: tuple[re.Pattern[str], ...] = ()
    pin: tuple[re.Pattern[str], ...] = ()  # always kept
    order: Order = "newest"
    referrers: bool = False  # what belongs to the wanted images too: signatures and their like; against no limit


@dataclass(frozen=True, slots=True)
class Item:
    """One repository to mirror. Its identity is `target`: no two items share one."""

    name: str  # what people call it on the command line: the mapping's key, or the source's last component
    source: Repository
    target: Repository
    rules: Rules = Rules()
    platforms: Platforms | None = None  # None: what the transport prefers
    transport: TransportName | None = None  # None: the setting's


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One entry under `registries:`; everything in it is optional."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    endpoint: str | None = None  # where /v2/ is served: scheme://host[:port]
    api: str | None = None  # where the tag API is (Docker Hub, quay)
    concurrency: int | None = None  # requests, and copies, at once: the most
    requests_per_second: int | None = None
    bandwidth: Bandwidth = FULL_SPEED
    tls: bool | str | None = None  # False: plain HTTP; a path: that CA file; None: HTTPS, plain HTTP on loopback
    lister: ListerName | None = None
    timeout: float | None = None  # seconds that an answer may take to begin
    least_rate: float | None = None  # bytes a second, below which a download or an upload is given up
    most_tags: int | None = None  # of one repository
    redirects: HostList = NO_HOSTS  # where it may lead besides
    proxy: str | bool | None = field(default=None, repr=False)  # its URL, perhaps with a password; False: none


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole items.yml, checked."""

    items: tuple[Item, ...]
    registries: Mapping[str, RegistryEntry]  # keyed by registry host, lower case
    bandwidth: Bandwidth = FULL_SPEED  # of all registries together
