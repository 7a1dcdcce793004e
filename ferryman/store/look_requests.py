"""Requests to look at items now, by a person or a webhook: a row of each until a scheduler takes it."""

from collections.abc import Collection

from sqlalchemy import delete, select

from ferryman.clock import Clock
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import look_requests
from ferryman.store.queue.audit import note_action
from ferryman.store.records import Intent
from ferryman.wakeup import Wakeup

ALL_ITEMS = ""  # the target of a request to look at all items


class LookRequests:
    """The requests of all processes on the same database. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.added = Wakeup()  # notified when this process has added a request

    async def add(self, targets: Collection[str], *, intent: Intent) -> bool:
        """Request a look at these items. False: all of that is requested already."""
        now = self._clock.now()
        rows = [{"target": target, "requested_at": now, "actor": intent.actor} for target in sorted(targets)]
        new = 0
        async with self._database.write() as connection:
            for chunk in chunks(rows):
                statement = connection.insert(look_requests).values(chunk).on_conflict_do_nothing()
                new += (await connection.execute(statement)).rowcount
            if new:
                await note_action(connection, intent, now)
        if new:
            self.added.notify()
        return new > 0

    async def pending(self) -> dict[str, str]:
        """Who asks for which target, the oldest request first."""
        query = select(look_requests.c.target, look_requests.c.actor).order_by(look_requests.c.requested_at)
        async with self._database.read() as connection:
            return {target: actor for target, actor in await connection.execute(query)}  # noqa: C416 - rows are Any

    async def take(self, targets: Collection[str] | None = None) -> list[str]:
        """Remove the requests for these targets, because a look at them begins. None: all of them.

        Returns those that this call has removed: another scheduler may have taken the others.
        """
        statement = delete(look_requests).returning(look_requests.c.target)
        taken: list[str] = []
        async with self._database.write() as connection:
            for chunk in chunks(sorted(targets)) if targets is not None else [None]:
                one = statement if chunk is None else statement.where(look_requests.c.target.in_(chunk))
                taken += (await connection.execute(one)).scalars()
        return taken
