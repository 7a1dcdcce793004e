"""Requests to look at items now, by a person or a webhook: a row of each until a scheduler takes it."""

from collections.abc import Collection
from datetime import datetime

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
        """Request a look at these items that asks for every tag. False: all of that is requested already."""
        now = self._clock.now()
        new = 0
        async with self._database.write() as connection:
            for chunk in chunks(_rows(targets, intent.actor, now, every_tag=True)):
                insert = connection.insert(look_requests).values(chunk)
                more = {"every_tag": True, "actor": intent.actor}
                narrower = look_requests.c.every_tag.is_(False)
                statement = insert.on_conflict_do_update(index_elements=["target"], set_=more, where=narrower)
                new += (await connection.execute(statement)).rowcount
            if new:
                await note_action(connection, intent, now)
        if new:
            self.added.notify()
        return new > 0

    async def add_for_due_tags(self, targets: Collection[str], *, actor: str) -> None:
        """Request a look at these items that asks for the tags that are due: what is queued again is."""
        async with self._database.write() as connection:
            for chunk in chunks(_rows(targets, actor, self._clock.now(), every_tag=False)):
                await connection.execute(connection.insert(look_requests).values(chunk).on_conflict_do_nothing())
        self.added.notify()

    async def pending(self) -> dict[str, str]:
        """Who asks for which target, the oldest request first."""
        query = select(look_requests.c.target, look_requests.c.actor).order_by(look_requests.c.requested_at)
        async with self._database.read() as connection:
            return {target: actor for target, actor in await connection.execute(query)}  # noqa: C416 - rows are Any

    async def take(self, targets: Collection[str] | None = None) -> dict[str, bool]:
        """Remove the requests for these targets, because a look at them begins. None: all of them.

        Returns those that this call has removed, and whether they ask for every tag: another scheduler may have taken
        the others.
        """
        statement = delete(look_requests).returning(look_requests.c.target, look_requests.c.every_tag)
        taken: dict[str, bool] = {}
        async with self._database.write() as connection:
            for chunk in chunks(sorted(targets)) if targets is not None else [None]:
                one = statement if chunk is None else statement.where(look_requests.c.target.in_(chunk))
                taken.update((row.target, row.every_tag) for row in await connection.execute(one))
        return taken


def _rows(targets: Collection[str], actor: str, now: datetime, *, every_tag: bool) -> list[dict[str, object]]:
    common = {"requested_at": now, "actor": actor, "every_tag": every_tag}
    return [{"target": target, **common} for target in sorted(targets)]
