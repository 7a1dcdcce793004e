"""The whole life of a tag: its record, every digest that it had on both sides, every attempt."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from sqlalchemy import select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import attempts, digests, history, tags
from ferryman.store.listing import RECORD_COLUMNS
from ferryman.store.queries.findings import Finding, read_findings
from ferryman.store.queue.manual_pauses import read_pauses
from ferryman.store.queue.pauses import as_shown, read_paused
from ferryman.store.records import Attempt, HistoryLine, TagRecord
from ferryman.store.signatures import SignatureCheck, read_signature_checks

_MOST = 500  # attempts, digests, lines: the newest


@dataclass(frozen=True, slots=True)
class DigestAt:
    """A digest that the tag had."""

    side: Literal["source", "target", "removed"]  # removed: from the target
    digest: str
    at: datetime | None  # since when, or when it was removed; None: before this was recorded


@dataclass(frozen=True, slots=True)
class TagLife:
    """Everything that is recorded about a tag."""

    record: TagRecord
    digests: tuple[DigestAt, ...]  # oldest first, as the rest
    attempts: tuple[Attempt, ...]  # of the last 30 days
    damage: Finding | None  # at the target, by the last check
    history: tuple[HistoryLine, ...]  # pairs of tag and digest that were mirrored once
    signatures: tuple[SignatureCheck, ...] = ()  # who has signed upstream's digests, where that was asked for


async def read_tag_life(connection: Transaction, target: str, tag: str, now: datetime) -> TagLife | None:
    """The life of one tag; None: there is no such tag. Of more than 500 attempts or digests, the newest."""
    query = select(*RECORD_COLUMNS).where(tags.c.target == target, tags.c.tag == tag)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    paused, persons = await read_paused(connection, now), await read_pauses(connection)
    [record] = as_shown([TagRecord(*row)], paused, persons)
    return TagLife(
        record,
        digests=await _digests(connection, record.id),
        attempts=await _attempts(connection, record.id),
        damage=next(iter(await read_findings(connection, [target], tag=tag)), None),
        history=await _history(connection, record),
        signatures=await read_signature_checks(connection, record.id),
    )


async def _digests(connection: Transaction, tag_id: int) -> tuple[DigestAt, ...]:
    columns = [digests.c[each.name] for each in fields(DigestAt)]
    query = select(*columns).where(digests.c.tag_id == tag_id).order_by(digests.c.id.desc()).limit(_MOST)
    return tuple(DigestAt(*row) for row in reversed((await connection.execute(query)).all()))


async def _attempts(connection: Transaction, tag_id: int) -> tuple[Attempt, ...]:
    columns = [attempts.c[each.name] for each in fields(Attempt)]
    query = select(*columns).where(attempts.c.tag_id == tag_id).order_by(attempts.c.id.desc()).limit(_MOST)
    return tuple(Attempt(*row) for row in reversed((await connection.execute(query)).all()))


async def _history(connection: Transaction, record: TagRecord) -> tuple[HistoryLine, ...]:
    query = select(history.c.digest, history.c.pushed_at).where(history.c.tag_id == record.id)
    rows = (await connection.execute(query.order_by(history.c.id.desc()).limit(_MOST))).all()
    return tuple(HistoryLine(record.tag, digest, pushed_at) for digest, pushed_at in reversed(rows))
