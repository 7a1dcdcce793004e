"""What a freeze of an item means to its queue: see `store/freezes.py`."""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import freezes, lost_tags

FROZEN = freezes.c.released_at.is_(None)  # an item of which nothing is claimed


async def thaw(connection: Transaction, target: str, *, walked_at: datetime, now: datetime) -> bool:
    """A look has found upstream as it was, or as a person has accepted it. False: a later look has frozen the item.

    A look in the future was recorded under a clock that was ahead, and does not count as a later one.
    """
    is_later = freezes.c.looked_at > walked_at, freezes.c.looked_at <= now
    if await connection.scalar(select(freezes.c.target).where(freezes.c.target == target, FROZEN, *is_later)):
        return False
    await forget_freezes(connection, freezes.c.target == target)
    return True


async def forget_freezes(connection: Transaction, which: ColumnElement[bool]) -> None:
    """Drop these freezes. `which`: a condition on rows of `freezes`."""
    ended = select(freezes.c.target).where(which)
    await connection.execute(delete(lost_tags).where(lost_tags.c.target.in_(ended)))
    await connection.execute(delete(freezes).where(which))
