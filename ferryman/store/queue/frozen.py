"""What a freeze of an item means to its queue: see `store/freezes.py`."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, select

from ferryman.store.database.tables import freezes, lost_tags

FROZEN = freezes.c.released_at.is_(None)  # an item of which nothing is claimed
_FREEZE = select(FROZEN, freezes.c.looked_at).where(freezes.c.target == bindparam("of_target"))


def thaw(connection: Connection, target: str, *, walked_at: datetime, now: datetime) -> bool:
    """A look has found upstream as it was, or as a person has accepted it. False: a later look has frozen the item.

    A look in the future was recorded under a clock that was ahead, and does not count as a later one.
    """
    freeze = connection.execute(_FREEZE, {"of_target": target}).one_or_none()
    if freeze is None:
        return True
    is_frozen, looked_at = freeze
    if is_frozen and walked_at < looked_at <= now:
        return False
    forget_freezes(connection, freezes.c.target == target)
    return True


def forget_freezes(connection: Connection, which: ColumnElement[bool]) -> None:
    """Drop these freezes. `which`: a condition on rows of `freezes`."""
    ended = select(freezes.c.target).where(which)
    connection.execute(delete(lost_tags).where(lost_tags.c.target.in_(ended)))
    connection.execute(delete(freezes).where(which))
