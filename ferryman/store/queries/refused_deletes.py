"""Tags that are to leave their targets, and stay because the registries there refuse to delete."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import missing_capabilities, prunes
from ferryman.store.target_blobs import known_now

# The names of the missing capability: of a registry, and of one of its repositories.
_OF_REGISTRY = "deletes"
_OF_REPOSITORY = "deletes in "


@dataclass(frozen=True, slots=True)
class RefusedDeletes:
    """The marked tags of an item whose registry has refused to delete there."""

    target: str
    tags: int
    since: datetime


async def read_refused_deletes(
    connection: Transaction, targets: Collection[str], now: datetime
) -> list[RefusedDeletes]:
    """Those of these items."""
    of_deletes = or_(
        missing_capabilities.c.name == _OF_REGISTRY, missing_capabilities.c.name.startswith(_OF_REPOSITORY)
    )
    columns = (missing_capabilities.c.registry, missing_capabilities.c.name, missing_capabilities.c.found_at)
    rows = await connection.execute(select(*columns).where(known_now(now), of_deletes))
    # By registry, or by registry and repository.
    refused = {
        registry if name == _OF_REGISTRY else f"{registry}/{name.removeprefix(_OF_REPOSITORY)}": found_at
        for registry, name, found_at in rows
    }
    since = {target: found_at for target in targets if (found_at := _refused_at(target, refused)) is not None}
    counted = select(prunes.c.target, func.count()).group_by(prunes.c.target).order_by(prunes.c.target)
    return [
        RefusedDeletes(target, tags, since[target])
        for chunk in chunks(sorted(since))
        for target, tags in await connection.execute(counted.where(prunes.c.target.in_(chunk)))
    ]


def _refused_at(target: str, refused: dict[str, datetime]) -> datetime | None:
    found = (refused.get(target), refused.get(target.partition("/")[0]))
    return min(filter(None, found), default=None)
