"""Verifications of whole items that have begun, or that a service is asked for, until their end.

What was checked since a verification began is not checked again: so one that was interrupted goes on where it stopped.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select

from ferryman.clock import Clock
from ferryman.kinds import Depth, Repair
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import verifications
from ferryman.store.queue.audit import note_action
from ferryman.store.records import Intent
from ferryman.wakeup import Wakeup

_RESUMED = timedelta(days=1)  # an older one begins anew


@dataclass(frozen=True, slots=True)
class WantedVerification:
    """What is to be verified, and how."""

    target: str
    depth: Depth
    repair: Repair
    actor: str


class Verifications:
    """The verifications of all processes on the same database. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.requested = Wakeup()  # notified when this process has recorded a request

    async def begin(self, wanted: WantedVerification, *, by_service: bool = False) -> datetime:
        """Begin a verification, or go on with one that was interrupted. Returns when it began.

        `by_service`: it was requested; otherwise a command does it.
        """
        now, here = self._clock.now(), _here(wanted, by_service)
        async with self._database.write() as connection:
            began_at: datetime | None = await connection.scalar(select(verifications.c.began_at).where(*here))
            if began_at is not None and now - _RESUMED < began_at <= now:
                return began_at
            await connection.execute(delete(verifications).where(*here))
            row = {**asdict(wanted), "by_service": by_service, "began_at": now}
            await connection.execute(connection.insert(verifications).values(row))
        return now

    async def end(self, wanted: WantedVerification, *, by_service: bool = False) -> None:
        """The verification has come to its end. Idempotent."""
        here = (*_here(wanted, by_service), verifications.c.repair == wanted.repair)  # not one that was asked for since
        async with self._database.write() as connection:
            await connection.execute(delete(verifications).where(*here))

    async def request(self, targets: Collection[str], depth: Depth, repair: Repair, *, intent: Intent) -> bool:
        """Ask a service to verify these items. False: all of that is requested already."""
        changed = {"repair": repair, "actor": intent.actor, "began_at": self._clock.now()}
        rows = [{"target": target, "depth": depth, "by_service": True, **changed} for target in sorted(targets)]
        new = 0
        key, other = ["target", "depth", "by_service"], verifications.c.repair != repair
        async with self._database.write() as connection:
            for chunk in chunks(rows):
                insert = connection.insert(verifications).values(chunk)
                statement = insert.on_conflict_do_update(index_elements=key, set_=changed, where=other)
                new += (await connection.execute(statement)).rowcount
            if new:
                await note_action(connection, intent, self._clock.now())
        if new:
            self.requested.notify()
        return new > 0

    async def pending(self) -> list[WantedVerification]:
        """What services are asked for and have not ended, the oldest first."""
        columns = [verifications.c[each.name] for each in fields(WantedVerification)]
        recent = verifications.c.began_at > self._clock.now() - _RESUMED  # no target is asked in vain for ever
        query = select(*columns).where(verifications.c.by_service, recent).order_by(verifications.c.began_at)
        async with self._database.read() as connection:
            return [WantedVerification(*row) for row in await connection.execute(query)]

    async def forget_items(self, *, but: Collection[str]) -> None:
        """Drop the verifications of former items. `but`: the targets of those that items.yml has."""
        async with self._database.write() as connection:
            await connection.execute(delete(verifications).where(verifications.c.target.not_in(but)))


def _here(wanted: WantedVerification, by_service: bool) -> tuple[ColumnElement[bool], ...]:
    return (
        verifications.c.target == wanted.target,
        verifications.c.depth == wanted.depth,
        verifications.c.by_service == by_service,
    )
