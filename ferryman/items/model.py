"""What items.yml says, as values; `read.py` makes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ferryman.bandwidth import FULL_SPEED, Bandwidth
from ferryman.kinds import ListerName, TransportName
from ferryman.platforms import Platforms
from ferryman.reference import Repository
from ferryman.registry_options import RegistryOptions

Order = Literal["newest", "version", "name"]
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
class RegistryEntry(RegistryOptions):
    """One entry under `registries:`."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    lister: ListerName | None = None  # None: chosen by host


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole items.yml, checked."""

    items: tuple[Item, ...]
    registries: Mapping[str, RegistryEntry]  # keyed by registry host, lower case
    bandwidth: Bandwidth = FULL_SPEED  # of all registries together
