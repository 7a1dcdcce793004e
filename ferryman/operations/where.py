"""Where an image is mirrored to, and what it is there, now or at an earlier moment: from the record alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ferryman.errors import ConfigurationError, Problem
from ferryman.item_names import Named as NamedItem
from ferryman.item_names import target_and_tag
from ferryman.operations.tag_history import tag_history
from ferryman.record import Record
from ferryman.reference import Repository
from ferryman.store.queries.findings import read_findings
from ferryman.store.queries.tag_history import TagHistory


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image, or a tag of it, is mirrored to."""

    item: str
    source: str  # registry/namespace/image
    target: str
    tag: str | None  # None: no tag was named
    mirrored: bool  # the target has it now, as far as known; of a repository: some tag
    tags: int | None = None  # of a repository: that are mirrored
    digest: str | None = None  # of the tag at the target: now, or at the moment that was asked for
    pull: str | None = None  # what pulls that digest today; None: the target may not have it any more

    @property
    def name(self) -> str:
        """The mirrored name."""
        return self.target if self.tag is None else f"{self.target}:{self.tag}"


async def places(
    record: Record, known: Sequence[NamedItem], image: str, *, at: datetime | None, now: datetime
) -> list[Place]:
    """The places of IMAGE or IMAGE:TAG, which is an item's name, source or target, or as Docker writes a source.

    Raises ConfigurationError if no item mirrors it, and StoreError.
    """
    targets, tag = _resolved(known, image)
    by_target = {each.target: each for each in known if each.target in targets}
    return [await _place(record, item, tag, at, now) for _, item in sorted(by_target.items())]


def _resolved(known: Sequence[NamedItem], image: str) -> tuple[set[str], str | None]:
    try:
        return target_and_tag(known, image)
    except ConfigurationError:
        if (full := _in_full(image)) is None:
            raise
    try:
        return target_and_tag(known, full)
    except ConfigurationError:
        raise ConfigurationError([Problem(f"no item mirrors {image!r}; see `ferryman status`")]) from None


def _in_full(image: str) -> str | None:
    """Docker's short form of an image, in full: `nginx:1.27` is docker.io/library/nginx:1.27."""
    name, colon, tag = image.rpartition(":")
    if not colon or "/" in tag:  # the colon of a port
        name, tag = image, ""
    for text in (name, f"docker.io/{name}"):
        try:
            repository = Repository.parse(text)
        except ValueError:
            continue
        return f"{repository}:{tag}" if tag else str(repository)
    return None


async def _place(record: Record, item: NamedItem, tag: str | None, at: datetime | None, now: datetime) -> Place:
    if tag is None:
        summary = await record.ledger.summary([item.target])
        number = sum(each.counts["synced"] for each in summary)
        return Place(item.name, item.source, item.target, None, mirrored=number > 0, tags=number)
    history = await tag_history(record, item.target, tag, now)
    if history is None:
        return Place(item.name, item.source, item.target, tag, mirrored=False)
    there = await _is_there(record, history)
    if at is None:
        digest = history.record.target_digest
        pull = f"{item.target}:{tag}" if there else None
    else:
        then = history.at(at)
        digest = then.digest if then else None
        pull = f"{item.target}@{digest}" if then and then.holder else None
    return Place(item.name, item.source, item.target, tag, mirrored=there, digest=digest, pull=pull)


async def _is_there(record: Record, history: TagHistory) -> bool:
    """Whether the target has the tag, as far as known."""
    of = history.record
    async with record.database.read() as connection:
        findings = await read_findings(connection, [of.target], tag=of.tag)
    return of.is_mirrored and not any(each.finding == "missing" for each in findings)
