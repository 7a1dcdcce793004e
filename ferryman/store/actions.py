"""The audit log: what persons did, newest first, a page at a time. It is written by `store/queue/audit.py`."""

from dataclasses import fields
from datetime import datetime

from sqlalchemy import delete, select

from ferryman.clock import Clock
from ferryman.store.database.database import Database
from ferryman.store.database.tables import actions
from ferryman.store.queue.audit import note_action
from ferryman.store.records import AuditEntry, Intent

_READ = select(*(actions.c[each.name] for each in fields(AuditEntry))).order_by(actions.c.id.desc())


class Actions:
    """Reads the audit log. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(self, *, before: int | None = None, most: int = 50) -> list[AuditEntry]:
        """The newest actions, the last one first. `before`: only those older than the one with this id."""
        query = _READ.limit(most)
        if before is not None:
            query = query.where(actions.c.id < before)
        async with self._database.read() as connection:
            return [AuditEntry(*row) for row in await connection.execute(query)]

    async def note(self, intent: Intent, *, number: int | None = None) -> None:
        """Record an action that changes nothing in the database itself."""
        async with self._database.write() as connection:
            await note_action(connection, intent, self._clock.now(), number)

    async def forget(self, before: datetime) -> int:
        """Delete older actions. Returns their number."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(actions).where(actions.c.at < before))).rowcount
