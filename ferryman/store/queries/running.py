"""The tags that are copied now."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import status_is, tags


@dataclass(frozen=True, slots=True)
class RunningTag:
    """A tag under a lease."""

    id: int
    item: str
    source: str
    target: str
    tag: str
    source_digest: str
    attempts: int  # with this one
    claimed_at: datetime
    lease_owner: str  # the process: see lease_owners.py
    lease_expires_at: datetime
    withdrawn: bool  # not wanted any more: after this job it leaves the queue


async def read_running(connection: Transaction, targets: Collection[str]) -> list[RunningTag]:
    """All of these items, the longest first. As many as there are workers."""
    columns = [tags.c[each.name] for each in fields(RunningTag)]
    query = select(*columns).where(status_is("running"), tags.c.target.in_(targets))
    return [RunningTag(*row) for row in await connection.execute(query.order_by(tags.c.claimed_at, tags.c.id))]
