"""When upstream's list last showed a tag.

A quiet look writes to no tag. It saw again what the last other look had seen: the rows with the time of that one.
"""

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from ferryman.store.database.tables import tags, walks

_quiet_since = select(walks.c.walked_at).where(
    walks.c.target == tags.c.target, walks.c.listed_at == tags.c.last_seen_at, walks.c.walked_at > walks.c.listed_at
)
LAST_SEEN_AT = func.coalesce(_quiet_since.scalar_subquery(), tags.c.last_seen_at).label(tags.c.last_seen_at.name)


def write_last_seen(connection: Connection, target: str, *, listed_at: datetime, walked_at: datetime) -> None:
    """Write the time of the last quiet look to the tags that it saw: a look that sees others comes next."""
    seen = update(tags).where(tags.c.target == target, tags.c.last_seen_at == listed_at)
    connection.execute(seen.values(last_seen_at=walked_at))
