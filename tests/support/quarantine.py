"""A queued tag whose digest is too young, as a look would leave it."""

from datetime import timedelta

from sqlalchemy import update

from ferryman.clock import SystemClock
from ferryman.record import Record
from ferryman.store.database.tables import tags
from ferryman.store.records import QUARANTINE


async def quarantine(record: Record, target: str, tag: str) -> None:
    """Let a queued tag wait for three days."""
    until = SystemClock().now() + timedelta(days=3)
    here = update(tags).where(tags.c.target == target, tags.c.tag == tag, tags.c.status == "queued")
    async with record.database.write() as connection:
        changed = await connection.execute(here.values(run_at=until, quarantined_until=until, reason=QUARANTINE))
    assert changed.rowcount == 1
