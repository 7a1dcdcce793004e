"""What discovery knows of a tag, what every lister can do, and what a survey wants to know of the rules."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from ferryman.errors import TransferError
from ferryman.platforms import Platform
from ferryman.reference import Repository


@dataclass(frozen=True, slots=True)
class UpstreamTag:
    """One tag as upstream shows it now. What a list does not tell is None."""

    name: str
    digest: str | None = None  # of the manifest or index that the tag names
    pushed_at: datetime | None = None  # UTC
    platforms: Mapping[Platform, str | None] | None = None  # each with its own manifest's digest, where told


@dataclass(frozen=True, slots=True)
class Page:
    """What one request brought."""

    tags: Sequence[UpstreamTag]
    newest_first: bool = False  # nothing that comes later was pushed after what stands here


@dataclass(frozen=True, slots=True)
class TagProblem:
    """Why one tag could not be read."""

    tag: str
    error: TransferError
    about: Literal["digest", "age", "platforms"]  # what stays as it was known; a digest may be another one by now


class TagLister(Protocol):
    """One way to list a repository's tags."""

    def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        """Yield the tags page by page, one request a page; stop iterating to stop asking.

        Names that are no tags (grammar) are left out; a tag is yielded once. Raises TransferError.
        """
        ...


class TagSelector(Protocol):
    """An item's rules, as far as a survey asks them: only what may be wanted is looked at closely."""

    @property
    def by_time(self) -> bool:
        """Whether the order depends on push times."""
        ...

    @property
    def pins(self) -> Sequence[str]:
        """Names that are wanted wherever they stand."""
        ...

    def admits(self, name: str) -> bool:
        """Whether the tag may be wanted, as far as its name tells."""
        ...

    def chosen(self, tags: Iterable[UpstreamTag]) -> Sequence[UpstreamTag]:
        """The wanted ones, were these all the tags that there are."""
        ...

    def unclear(self, tags: Iterable[UpstreamTag]) -> Sequence[str]:
        """Names of those of which the platforms have to be known before `chosen` can be sure."""
        ...

    def is_met_by(self, newest: Iterable[UpstreamTag]) -> bool:
        """Whether nothing older than these tags, the newest of all, can be wanted, but for `pins`."""
        ...

    def has_places_left(self, known: Iterable[UpstreamTag]) -> bool:
        """Whether older tags than the known ones are wanted, in the place of those that lack the platform."""
        ...
