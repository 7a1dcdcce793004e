"""What verifications have found at the targets, and nobody has repaired yet."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, case, exists, func, literal_column, select

from ferryman.kinds import DamageKind, FindingKind
from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import findings, status_is, tags
from ferryman.store.records import Status


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a mirrored tag at its target, as the last check has found it."""

    id: int  # of the tag
    item: str
    source: str
    target: str
    tag: str
    status: Status  # queued, running: it is being repaired
    finding: FindingKind
    expected: str | None  # the digest on record; None: it is not known
    found: str | None  # the digest that the target's tag names; None: there is no such tag
    detail: str | None  # what is missing of its contents
    lost: bool  # neither upstream nor another repository of the target has it any more
    intact_at: datetime | None  # when the target was last known to have it
    since: datetime  # when it was first found so
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class DamagedTags:
    """The tags of an item that are damaged in one way and that nothing repairs now: they wait for a person."""

    target: str
    kind: DamageKind
    tags: int
    since: datetime


_COLUMNS = [(findings if each.name in findings.c else tags).c[each.name] for each in fields(Finding)]
_WAITING = status_is("synced")  # queued or running ones are being repaired; what fails is told of as failed


async def read_findings(
    connection: Transaction,
    targets: Collection[str] | None = None,
    *,
    tag: str | None = None,
    after: int = 0,
    most: int = 500,
) -> list[Finding]:
    """The findings of these items (None: of all), by the ids of their tags, a page at a time."""
    conditions: list[ColumnElement[bool]] = [findings.c.tag_id > after]
    if targets is not None:
        conditions.append(findings.c.target.in_(targets))
    if tag is not None:
        conditions.append(tags.c.tag == tag)
    query = select(*_COLUMNS).join_from(findings, tags).where(*conditions).order_by(findings.c.tag_id).limit(most)
    return [Finding(*row) for row in await connection.execute(query)]


async def count_damaged(connection: Transaction) -> list[DamagedTags]:
    """The tags that nothing repairs now, by item and finding."""
    lost: ColumnElement[str] = literal_column("'lost'")  # the same text where it is selected and grouped by
    kind = case((findings.c.lost, lost), else_=findings.c.finding).label("kind")
    # Not a join: SQLite would begin it with all mirrored tags.
    waiting = exists().where(tags.c.id == findings.c.tag_id, _WAITING)
    query = (
        select(findings.c.target, kind, func.count(), func.min(findings.c.since))
        .where(waiting)
        .group_by(findings.c.target, kind)
        .order_by(findings.c.target, kind)
    )
    return [DamagedTags(*row) for row in await connection.execute(query)]
