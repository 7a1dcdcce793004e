"""Notices (what people were told of, and until when), and the deliveries that are still due.

Any number of processes share them. One of them decides in a minute, and each delivery is claimed under a lease: a
message goes out once, unless its sender is killed between the sending and the record of it.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import and_, delete, null, or_, select, update

from ferryman.clock import Clock
from ferryman.kinds import NotifyEvent
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import deliveries, marks, notices

Phase = Literal["began", "again", "over"]
_DECIDED = "notices-decided"  # the mark of the last decision: its time is what counts
_KEPT = timedelta(days=8)  # a delivery that nobody takes: its URL is in no items.yml any more, or was given up


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was told."""

    key: str
    event: NotifyEvent
    subject: str  # an item's target, a registry's host, or empty
    group: str  # what it is gathered with
    since: datetime
    facts: Mapping[str, Any]  # JSON; may contain texts of strangers
    told_at: datetime  # the last time
    over_at: datetime | None = None  # when its end was told


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one recipient is to be told of one notice. A later phase takes the place of one that is still due."""

    recipient: str  # a hash of its URL
    name: str  # of the recipient, for people
    notice: str  # its key
    event: NotifyEvent
    phase: Phase
    since: datetime
    facts: Mapping[str, Any]
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries that this process is to send as one message, under a lease."""

    token: str
    deliveries: Sequence[Delivery]
    created_at: datetime  # of the oldest
    tries: int  # that have failed, at most


@dataclass(frozen=True, slots=True)
class FailingRecipient:
    """A recipient that could not be reached the last time."""

    name: str
    error: str
    since: datetime  # when its oldest message was due first
    waiting: int  # notices that it is to be told of
    next_at: datetime | None  # None: given up


class Notices:
    """The notices and deliveries. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def claim_decision(self, interval: timedelta) -> bool:
        """Whether this process is to decide now: once in each interval, whatever the number of processes."""
        now = self._clock.now()
        values = {"name": _DECIDED, "value": "", "set_at": now}
        is_due = or_(
            marks.c.set_at <= now - interval, marks.c.set_at > now
        )  # later than now: of a clock that was ahead
        async with self._database.write() as connection:
            claim = connection.insert(marks).values(**values)
            claim = claim.on_conflict_do_update(index_elements=["name"], set_={"set_at": now}, where=is_due)
            return (await connection.execute(claim.returning(marks.c.name))).first() is not None

    async def all(self) -> list[Notice]:
        """Every notice."""
        query = select(*(notices.c[field.name] for field in fields(Notice)))
        async with self._database.read() as connection:
            return [Notice(*row) for row in await connection.execute(query)]

    async def record(
        self, changed: Sequence[Notice], *, forgotten: Collection[str], telling: Sequence[Delivery]
    ) -> None:
        """Record what was decided and what is to be delivered, in one transaction."""
        now = self._clock.now()
        async with self._database.write() as connection:
            for chunk in chunks(sorted(forgotten)):
                await connection.execute(delete(notices).where(notices.c.key.in_(chunk)))
            for notice in changed:
                values = asdict(notice)
                upsert = connection.insert(notices).values(**values)
                await connection.execute(upsert.on_conflict_do_update(index_elements=["key"], set_=values))
            for each in telling:
                fresh = {"created_at": now, "tries": 0, "error": None, "lease_token": None, "lease_expires_at": None}
                values = {**asdict(each), **fresh}
                upsert = connection.insert(deliveries).values(**values)
                await connection.execute(
                    upsert.on_conflict_do_update(index_elements=["recipient", "notice"], set_=values)
                )
            await connection.execute(delete(deliveries).where(deliveries.c.created_at < now - _KEPT))

    async def claim(self, recipient: str, *, lease: timedelta) -> Claimed | None:
        """Claim everything that this recipient is to be told now. None: nothing, or another process has it."""
        now, token = self._clock.now(), secrets.token_hex(16)
        is_free = or_(deliveries.c.lease_expires_at.is_(None), deliveries.c.lease_expires_at <= now)
        is_due = and_(deliveries.c.recipient == recipient, deliveries.c.due_at <= now, is_free)
        columns = [deliveries.c[field.name] for field in fields(Delivery)]
        async with self._database.read() as connection:  # most of the time there is nothing, and no need to write
            if await connection.scalar(select(deliveries.c.id).where(is_due).limit(1)) is None:
                return None
        async with self._database.write() as connection:
            claim = (
                update(deliveries)
                .where(is_due)
                .values(lease_token=token, lease_expires_at=now + lease)
                .returning(deliveries.c.id, deliveries.c.created_at, deliveries.c.tries, *columns)
            )
            rows = sorted((await connection.execute(claim)).all())
        if not rows:
            return None
        found = [Delivery(*row[3:]) for row in rows]
        return Claimed(token, found, min(row.created_at for row in rows), max(row.tries for row in rows))

    async def delivered(self, claimed: Claimed) -> None:
        """Drop what was sent. What has changed since it was claimed stays due."""
        async with self._database.write() as connection:
            await connection.execute(delete(deliveries).where(deliveries.c.lease_token == claimed.token))

    async def failed(self, claimed: Claimed, error: str, *, retry_at: datetime | None) -> None:
        """Release what could not be sent. `retry_at` None: it is given up, and stays to be seen."""
        values = {
            "tries": deliveries.c.tries + 1, "error": error, "due_at": retry_at,
            "lease_token": null(), "lease_expires_at": null(),
        }  # fmt: skip
        async with self._database.write() as connection:
            await connection.execute(
                update(deliveries).where(deliveries.c.lease_token == claimed.token).values(**values)
            )

    async def failing(self) -> list[FailingRecipient]:
        """The recipients that could not be reached, for people to see."""
        query = select(deliveries).where(deliveries.c.error.is_not(None)).order_by(deliveries.c.id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        by_name: dict[str, list[Any]] = {}
        for row in rows:
            by_name.setdefault(row.name, []).append(row)
        return [
            FailingRecipient(
                name,
                failed[-1].error,
                min(row.created_at for row in failed),
                len(failed),
                min((row.due_at for row in failed if row.due_at is not None), default=None),
            )
            for name, failed in by_name.items()
        ]
