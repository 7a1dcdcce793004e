"""What a tag named at its target, and when: and under which tag each digest is held there now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from ferryman.reference import keep_tag
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import digests, kept_digests, status_is, tags
from ferryman.store.listing import RECORD_COLUMNS
from ferryman.store.queue.pauses import as_shown, read_paused
from ferryman.store.records import KeptDigest, TagRecord

_MOST = 500  # digests: the newest


@dataclass(frozen=True, slots=True)
class Named:
    """What the target's tag named for a time."""

    digest: str
    since: datetime | None  # None: before this was recorded
    until: datetime | None  # None: it does now, as far as known
    holder: str | None  # the tag there that names the digest now; None: none that is on record
    kept_at: datetime | None  # since when a tag of Ferryman's own holds it, if that is the holder


@dataclass(slots=True)
class _Span:
    """What the tag named for a time."""

    digest: str
    since: datetime | None
    until: datetime | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class TagHistory:
    """All that a target's tag named, oldest first."""

    record: TagRecord
    named: Sequence[Named]

    def at(self, moment: datetime) -> Named | None:
        """What it named then; None: it was not there, as far as known."""
        earlier = [each for each in self.named if each.since is None or each.since <= moment]
        return next((each for each in earlier[-1:] if each.until is None or each.until > moment), None)

    @property
    def previous(self) -> Named | None:
        """What it named last, other than what it names now; None: nothing."""
        now = next((each.digest for each in self.named[-1:] if each.until is None), None)  # None: it was removed
        return next((each for each in reversed(self.named) if each.digest != now), None)


async def read_tag_history(connection: Transaction, target: str, tag: str, now: datetime) -> TagHistory | None:
    """The history of one tag; None: there is no such tag on record."""
    query = select(*RECORD_COLUMNS).where(tags.c.target == target, tags.c.tag == tag)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    [record] = as_shown([TagRecord(*row)], await read_paused(connection, now))
    life = await _life(connection, record)
    wanted = {each.digest for each in life}
    kept = await _kept(connection, target, wanted)
    others = await _others(connection, record, wanted)
    return TagHistory(record, [_named(record, each, kept, others) for each in life])


def _named(
    record: TagRecord, each: _Span, kept: Mapping[str, KeptDigest], others: Mapping[str, str]
) -> Named:  # fmt: skip
    digest, since, until = each.digest, each.since, each.until
    if digest == record.target_digest:
        return Named(digest, since, until, record.tag, None)
    if digest in others:
        return Named(digest, since, until, others[digest], None)
    if digest in kept:
        return Named(digest, since, until, keep_tag(digest), kept[digest].kept_at)
    return Named(digest, since, until, None, None)


async def _life(connection: Transaction, record: TagRecord) -> list[_Span]:
    """Each digest, since when and until when; a copy of what was there already begins nothing new."""
    columns = (digests.c.side, digests.c.digest, digests.c.at)
    query = select(*columns).where(digests.c.tag_id == record.id, digests.c.side != "source")
    rows = (await connection.execute(query.order_by(digests.c.id.desc()).limit(_MOST))).all()
    life: list[_Span] = []
    for side, digest, at in reversed(rows):
        last = life[-1] if life and not life[-1].is_over else None
        if side == "target" and last is not None and last.digest == digest:
            continue
        if last is not None:
            last.until, last.is_over = at, True
        if side == "target" or last is None:  # removed, and never seen before: imported from the old history
            is_removed = side == "removed"
            life.append(_Span(digest, None if is_removed else at, at if is_removed else None, is_over=is_removed))
    return life


async def _kept(connection: Transaction, target: str, wanted: Collection[str]) -> dict[str, KeptDigest]:
    found: dict[str, KeptDigest] = {}
    columns = [kept_digests.c.target, kept_digests.c.digest, kept_digests.c.kept_at, kept_digests.c.state]
    query = select(*columns).where(kept_digests.c.target == target, kept_digests.c.state == "kept")
    for chunk in chunks(sorted(wanted)):
        rows = await connection.execute(query.where(kept_digests.c.digest.in_(chunk)))
        found |= {row.digest: KeptDigest(*row) for row in rows}
    return found


async def _others(connection: Transaction, record: TagRecord, wanted: Collection[str]) -> dict[str, str]:
    """Other tags there that name these digests, as far as known."""
    found: dict[str, str] = {}
    here = (status_is("synced"), tags.c.target == record.target, tags.c.id != record.id)
    for chunk in chunks(sorted(wanted)):
        query = select(tags.c.target_digest, tags.c.tag).where(*here, tags.c.target_digest.in_(chunk))
        found |= {row.target_digest: row.tag for row in await connection.execute(query.order_by(tags.c.id))}
    return found
