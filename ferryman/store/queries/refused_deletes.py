"""Tags that are to leave their targets, and stay because the registries there refuse to delete."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from ferryman.reference import Repository
from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import missing_capabilities, prunes
from ferryman.store.target_blobs import known_now, refusal_names

_MARKED = select(prunes.c.target, func.count()).group_by(prunes.c.target).order_by(prunes.c.target)


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
    marked = [(target, tags) for target, tags in await connection.execute(_MARKED) if target in targets]
    if not marked:
        return []
    columns = (missing_capabilities.c.registry, missing_capabilities.c.name, missing_capabilities.c.found_at)
    rows = await connection.execute(select(*columns).where(known_now(now)))
    lacking = {(registry, name): found_at for registry, name, found_at in rows}
    refused = ((target, tags, _refused_at(Repository.parse(target), lacking)) for target, tags in marked)
    return [RefusedDeletes(target, tags, since) for target, tags, since in refused if since is not None]


def _refused_at(target: Repository, lacking: dict[tuple[str, str], datetime]) -> datetime | None:
    found = [lacking.get((target.registry, name)) for name in refusal_names(target)]
    return min(filter(None, found), default=None)
