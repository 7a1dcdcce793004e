"""Whether anything has happened since: a few values at the ends of indexes, instead of all that a page shows.

Whatever changes what failures, the queue and activity show leaves one of them different: the end of a copy is an
attempt, a look is recorded with what it enqueued, what people do is an action. Only time does not: who keeps something
by its stamp makes it anew every now and then.
"""

from collections.abc import Hashable

from sqlalchemy import func, select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import (
    actions,
    attempts,
    cycles,
    deliveries,
    looks,
    registries,
    services,
    status_is,
    tags,
)

_VALUES = [
    select(value).scalar_subquery()
    for value in (
        func.max(attempts.c.id),
        func.max(looks.c.id),
        func.max(actions.c.id),
        func.max(cycles.c.id),
        func.max(cycles.c.ended_at),
        func.max(registries.c.since),
        func.max(registries.c.until),
        func.max(registries.c.tried_at),
        func.count(registries.c.registry),
        func.max(services.c.started_at),
        func.count(services.c.owner),
        func.max(deliveries.c.id),
        func.sum(deliveries.c.tries),
        func.count(deliveries.c.id),
    )
]
_RUNNING = [
    select(value).where(status_is("running")).scalar_subquery() for value in (func.count(), func.max(tags.c.claimed_at))
]
_STAMP = select(*_VALUES, *_RUNNING)


async def read_change_stamp(connection: Transaction) -> Hashable:
    """The stamp of this moment. Equal ones: nothing has happened between them."""
    return tuple((await connection.execute(_STAMP)).one())
