"""Marks of tags that are to leave their target, as a cycle would leave them."""

from datetime import datetime, timedelta

from ferryman.clock import Clock
from ferryman.store.database.database import Database
from ferryman.store.ledger import Ledger
from ferryman.store.prunes import Prunes
from ferryman.store.records import PruneMark

AFTER = timedelta(days=30)


async def mark(database: Database, clock: Clock, target: str, *tags: str) -> datetime:
    """Mark these tags of the target, and no others. Returns when they are due."""
    records, now = await Ledger(database, clock=clock).known(target), clock.now()
    marks = [PruneMark(records[tag].id, target, tag, "beyond-limit", now, now + AFTER) for tag in tags]
    await Prunes(database, clock=clock).settle(target, marks)
    return now + AFTER
