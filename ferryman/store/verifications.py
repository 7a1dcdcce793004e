"""Verifications of whole items that have begun, or that a service is asked for, until their end.

What was checked since a verification began is not checked again: so one that was interrupted goes on where it stopped.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import delete, select

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
class RequestedVerification:
    """What a person wants a service to verify."""

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

    async def begin(self, target: str, depth: Depth, *, repair: Repair, actor: str) -> datetime:
        """Begin a verification, or go on with one that was interrupted. Returns when it began."""
        now = self._clock.now()
        here = (verifications.c.target == target, verifications.c.depth == depth)
        async with self._database.write() as connection:
            began_at: datetime | None = await connection.scalar(select(verifications.c.began_at).where(*here))
            if began_at is not None and now - _RESUMED < began_at <= now:
                return began_at
            await connection.execute(delete(verifications).where(*here))
            row = {"target": target, "depth": depth, "repair": repair, "by_service": False, "actor": actor}
            await connection.execute(connection.insert(verifications).values(**row, began_at=now))
        return now

    async def end(self, target: str, depth: Depth) -> None:
        """The verification has come to its end. Idempotent."""
        here = (verifications.c.target == target, verifications.c.depth == depth)
        async with self._database.write() as connection:
            await connection.execute(delete(verifications).where(*here))

    async def request(self, targets: Collection[str], depth: Depth, repair: Repair, *, intent: Intent) -> bool:
        """Ask a service to verify these items. False: all of that is requested already."""
        common = {
            "depth": depth, "repair": repair, "by_service": True, "actor": intent.actor, "began_at": self._clock.now(),
        }  # fmt: skip
        new = 0
        async with self._database.write() as connection:
            for chunk in chunks([{"target": target, **common} for target in sorted(targets)]):
                statement = connection.insert(verifications).values(chunk).on_conflict_do_nothing()
                new += (await connection.execute(statement)).rowcount
            if new:
                await note_action(connection, intent, self._clock.now())
        if new:
            self.requested.notify()
        return new > 0

    async def pending(self) -> list[RequestedVerification]:
        """What services are asked for and have not ended, the oldest first."""
        columns = [verifications.c[each.name] for each in fields(RequestedVerification)]
        query = select(*columns).where(verifications.c.by_service).order_by(verifications.c.began_at)
        async with self._database.read() as connection:
            return [RequestedVerification(*row) for row in await connection.execute(query)]

    async def forget_items(self, *, but: Collection[str]) -> None:
        """Drop the verifications of former items. `but`: the targets of those that items.yml has."""
        async with self._database.write() as connection:
            await connection.execute(delete(verifications).where(verifications.c.target.not_in(but)))
