"""The content of items.yml as values; `read.py` creates them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from ferryman.bandwidth import FULL_SPEED, Bandwidth
from ferryman.daytime import PartOfDay
from ferryman.kinds import Depth, LanguageCode, ListerName, NotifyEvent, OnChange, ProbeMode, Repair, TransportName
from ferryman.platforms import Platforms
from ferryman.reference import Repository, subject_of
from ferryman.registry_options import RegistryOptions
from ferryman.signature_rules import SignatureRules

Order = Literal["newest", "version", "name"]
KEPT = timedelta(days=90)  # how long what is overwritten at a target can be put back
COLLAPSE = 50  # percent of the wanted tags that upstream has to have left
UNREACHABLE_AFTER = 2  # cycles
VERSIONS = (re.compile(r"v?\d+\.\d+\.\d+.*"),)  # the tags that upstream is not expected to change
UNLIMITED = 9999  # how the first Ferryman wrote "all"; it is still applied as a number


@dataclass(frozen=True, slots=True)
class Rules:
    """Which of a repository's tags are wanted."""

    limit: int = UNLIMITED  # the newest N after include and exclude; pinned tags do not count
    include: tuple[re.Pattern[str], ...] = ()  # empty: every tag
    exclude: tuple[re.Pattern[str], ...] = ()
    pin: tuple[re.Pattern[str], ...] = ()  # always wanted
    order: Order = "newest"
    referrers: bool = False  # also copy signatures and the like; they do not count against the limit
    min_age: timedelta = timedelta()  # a digest is copied only once upstream has it so long
    pin_min_age: timedelta | None = None  # of pinned tags; None: the same
    on_change: OnChange = "warn"  # when a version tag that was mirrored names another digest upstream
    versions: tuple[re.Pattern[str], ...] = VERSIONS  # those tags

    def age_of(self, *, pinned: bool) -> timedelta:
        """How old a digest has to be."""
        return self.pin_min_age if pinned and self.pin_min_age is not None else self.min_age

    def on_change_of(self, tag: str) -> OnChange:
        """What is done when upstream's tag names another digest. A signature's tag only gets more: it may change."""
        is_version = subject_of(tag) is None and any(pattern.fullmatch(tag) for pattern in self.versions)
        return self.on_change if is_version else "copy"


@dataclass(frozen=True, slots=True)
class VerifyRules:
    """How an item's tags are verified at its target, a few at every look."""

    every: timedelta = timedelta(days=30)  # each tag, within this time
    depth: Depth = "tags"
    repair: Repair = "missing"


@dataclass(frozen=True, slots=True)
class PruneRules:
    """What may be removed from the target of what the item's rules no longer want."""

    keep: int = 0  # the newest N of the unwanted tags stay
    after: timedelta = timedelta(days=30)  # a tag has to be unwanted for so long
    most: float = 0.1  # the part of the mirrored tags that is removed in a day; at least one tag
    foreign: bool = False  # also tags that Ferryman did not put there


@dataclass(frozen=True, slots=True)
class Item:
    """One repository to mirror. Its identity is `target`: no two items share one."""

    name: str  # for the command line: the mapping's key, or the source's last component
    source: Repository
    target: Repository
    rules: Rules = Rules()
    platforms: Platforms | None = None  # None: the transport's default
    transport: TransportName | None = None  # None: FERRYMAN_TRANSPORT
    immutable: tuple[re.Pattern[str], ...] = ()  # tags that upstream never moves
    probe: ProbeMode = "learned"  # how often upstream is asked whether a tag has moved
    verify: VerifyRules | None = VerifyRules()  # None: no look verifies
    signatures: SignatureRules | None = None  # who has to have signed what is copied; None: nobody
    collapse: int = (
        COLLAPSE  # percent of the wanted tags that upstream has to have left, or it freezes; 0: it never does
    )
    history: timedelta = KEPT  # what a tag named before stays at the target; zero: it does not
    prune: PruneRules | None = None  # None: nothing is removed, unless a person does
    protect: tuple[re.Pattern[str], ...] = ()  # tags that are never removed

    @property
    def registries(self) -> tuple[str, str]:
        """The hosts of its source and of its target."""
        return self.source.registry, self.target.registry


@dataclass(frozen=True, slots=True)
class RegistryEntry(RegistryOptions):
    """One entry under `registries:`."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    lister: ListerName | None = None  # None: chosen by host
    probe: ProbeMode | None = None  # of the items whose source is there, and that have none of their own
    min_age: timedelta | None = None  # likewise


FAILURES: frozenset[NotifyEvent] = frozenset(
    {"incomplete", "damaged", "frozen", "held", "login", "unreachable", "stalled", "disk", "recovered"}
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One URL of `notify:`, and what it is told."""

    url: str = field(repr=False)  # a secret
    events: frozenset[NotifyEvent] = FAILURES
    language: LanguageCode = "en"
    quiet: PartOfDay | None = None  # then everything but a refused login waits for the end of these hours


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole items.yml, validated."""

    items: tuple[Item, ...]
    registries: Mapping[str, RegistryEntry]  # keyed by registry host, lower case
    bandwidth: Bandwidth = FULL_SPEED  # of all registries together
    notify: tuple[Recipient, ...] = ()
    heartbeat: str | None = field(default=None, repr=False)  # a URL, and a secret
    unreachable_after: int = UNREACHABLE_AFTER  # cycles without an answer, until that is told

    @property
    def hosts(self) -> frozenset[str]:
        """The registries of all sources and targets, with an entry under `registries:` or not."""
        return frozenset(registry for item in self.items for registry in item.registries)
