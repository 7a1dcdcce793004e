"""Pauses by persons: of everything, of an item, of a registry.

A pause is one row, and changes no tag: claims pass over what is paused. So it takes as long for 200,000 queued tags as
for none, it survives whatever else happens to them, and the end of a registry's own pause (`pauses.py`) does not end
it. What is paused is not listed either. Copies that run already go on to their end.

A freeze (see `store/freezes.py`) holds tags back in the same way, but its item is still listed.
"""

from collections.abc import Collection
from dataclasses import asdict, fields

from sqlalchemy import Connection, delete, select

from ferryman.clock import Clock
from ferryman.kinds import PauseScope
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import freezes, manual_pauses
from ferryman.store.queue.audit import note_action
from ferryman.store.queue.frozen import FROZEN
from ferryman.store.records import Intent, ManualPause, Paused
from ferryman.wakeup import Wakeup

_COLUMNS = [manual_pauses.c[each.name] for each in fields(ManualPause)]
_READ = select(*_COLUMNS).order_by(manual_pauses.c.scope, manual_pauses.c.name)
_FROZEN = select(freezes.c.target).where(FROZEN)


async def read_pauses(connection: Transaction) -> Paused:
    """What persons have paused, and what is frozen, as this transaction sees it."""
    return await connection.run_sync(_read)


def _read(connection: Connection) -> Paused:
    frozen = connection.execute(_FROZEN).scalars().all()
    return Paused.of([ManualPause(*row) for row in connection.execute(_READ)], frozen)


class ManualPauses:
    """Pauses and resumes, for all processes on the same database. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock, resumed: Wakeup) -> None:
        """`resumed`: notified when something is not paused any more."""
        self._database = database
        self._clock = clock
        self._resumed = resumed

    async def read(self) -> Paused:
        """What is paused now."""
        return await self._database.read_at_once(_read)  # for each look

    async def pause(self, scope: PauseScope, name: str, *, intent: Intent) -> bool:
        """Pause it; the intent's detail is the note. False: it is paused already, which stays as it is."""
        now = self._clock.now()
        pause = asdict(ManualPause(scope, name, now, intent.actor, intent.detail))
        # Exclusive: on PostgreSQL claims run concurrently, and after this none may still take what is paused.
        async with self._database.write(exclusive=True) as connection:
            statement = connection.insert(manual_pauses).values(pause).on_conflict_do_nothing()
            is_new = (await connection.execute(statement)).rowcount > 0
            if is_new:
                await note_action(connection, intent, now)
        return is_new

    async def resume(self, scope: PauseScope, name: str, *, intent: Intent) -> bool:
        """End this pause; wider and narrower ones stay. False: there is none."""
        statement = delete(manual_pauses).where(manual_pauses.c.scope == scope, manual_pauses.c.name == name)
        async with self._database.write() as connection:
            ended = (await connection.execute(statement)).rowcount > 0
            if ended:
                await note_action(connection, intent, self._clock.now())
        if ended:
            self._resumed.notify()
        return ended


async def forget_pauses(connection: Transaction, targets: Collection[str]) -> None:
    """Drop the pauses of items that are forgotten."""
    gone = delete(manual_pauses).where(manual_pauses.c.scope == "item", manual_pauses.c.name.in_(targets))
    await connection.execute(gone)
