"""Values and protocols of discovery: upstream tags, listers, and the selector that an item's rules provide."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from ferryman.errors import TransferError
from ferryman.platforms import Platform
from ferryman.reference import Repository


@dataclass(frozen=True, slots=True)
class UpstreamTag:
    """One tag as upstream has it now. None: the list does not include this field."""

    name: str
    digest: str | None = None  # of the manifest or index that the tag names
    pushed_at: datetime | None = None  # UTC
    platforms: Mapping[Platform, str | None] | None = None  # each with its own manifest's digest, if known
    # Since when upstream has this digest, as the registry says, or as far as Ferryman knows; never by the image's own
    # label, which its publisher writes.
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The tags of one response."""

    tags: Sequence[UpstreamTag]
    newest_first: bool = False  # no tag on a later page was pushed after these


@dataclass(frozen=True, slots=True)
class TagProblem:
    """Why one tag could not be read."""

    tag: str
    error: TransferError
    about: Literal["digest", "age", "platforms"]  # the field that keeps its old value; a digest may have changed


class TagLister(Protocol):
    """One way to list a repository's tags."""

    def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        """Yield the tags page by page, with one request per page. Stop iterating to send no more requests.

        Names that are not valid tags are left out. Each tag is yielded once. Raises TransferError.
        """
        ...


class TagSelector(Protocol):
    """An item's rules, as a survey needs them: it reads details only of tags that may be selected."""

    @property
    def orders_by_time(self) -> bool:
        """Whether the order depends on push times."""
        ...

    @property
    def limit(self) -> int:
        """How many tags are selected at most, beside pinned ones and referrers."""
        ...

    @property
    def pinned_names(self) -> Sequence[str]:
        """Names of pinned tags: they are selected whatever the limit."""
        ...

    def matches_name(self, name: str) -> bool:
        """Whether the name alone does not rule the tag out."""
        ...

    def select(self, tags: Iterable[UpstreamTag]) -> Sequence[UpstreamTag]:
        """The wanted tags, if these are all that exist."""
        ...

    def needing_platforms(self, tags: Iterable[UpstreamTag]) -> Sequence[str]:
        """Names of the tags whose platforms `select` needs for a certain result."""
        ...

    def is_limit_reached(self, newest: Iterable[UpstreamTag]) -> bool:
        """Whether no tag older than these, the newest, can be selected, except `pinned_names`."""
        ...

    def needs_older(self, known: Iterable[UpstreamTag]) -> bool:
        """Whether older tags than the known ones have to replace tags that lack the wanted platforms."""
        ...
