"""Tags that the targets alone have, as far as the targets were asked for them: others have put them there.

Such a tag is a row of `tags`: see `TagRecord.is_foreign`.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import and_, delete, exists, select, update

from ferryman.clock import Clock
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import digests, item_columns, name_columns, prunes, status_is, tags
from ferryman.store.queue.statements import FOREIGN
from ferryman.store.records import ItemKey

_IS_FREE = and_(status_is(FOREIGN["status"]), tags.c.mirrored_digest.is_(None), tags.c.hold.is_(None))
_IS_KNOWN_OTHERWISE = (
    tags.c.source_digest.is_not(None)
    | tags.c.first_seen_at.is_not(None)
    | exists(select(digests.c.id).where(digests.c.tag_id == tags.c.id))
    | exists(select(prunes.c.tag_id).where(prunes.c.tag_id == tags.c.id, prunes.c.state == "leaving"))
)


@dataclass(frozen=True, slots=True)
class ForeignTag:
    """A tag of a target that Ferryman did not mirror."""

    tag: str
    digest: str
    reason: str  # `foreign`; `signature`: it lists the referrers of what Ferryman has mirrored


class ForeignTags:
    """Records them. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def had(self, target: str) -> set[str]:
        """The digests that tags of the target named by Ferryman's doing."""
        query = select(digests.c.digest).distinct().join_from(digests, tags)
        here = and_(tags.c.target == target, digests.c.side != "source")
        async with self._database.read() as connection:
            return set((await connection.execute(query.where(here))).scalars())

    async def note(self, item: ItemKey, present: Collection[ForeignTag], absent: Collection[str]) -> None:
        """Record those that are there, and the names of those that are not there any more.

        A tag that was queued, copied or put back meanwhile stays as it is.
        """
        now, here = self._clock.now(), tags.c.target == item.target
        async with self._database.write() as connection:
            for each in present:
                row = {**item_columns(item), **name_columns(each.tag), **FOREIGN, "gone_at": now}
                row |= {"target_digest": each.digest, "reason": each.reason}
                insert = connection.insert(tags).values(row)
                await connection.execute(
                    insert.on_conflict_do_update(
                        index_elements=["target", "tag"], set_={"target_digest": each.digest}, where=_IS_FREE
                    )
                )
            for chunk in chunks(sorted(absent)):
                gone = and_(here, tags.c.tag.in_(chunk), _IS_FREE)
                await connection.execute(update(tags).where(gone).values(target_digest=None))
                forgotten = and_(gone, tags.c.target_digest.is_(None), ~_IS_KNOWN_OTHERWISE)
                ids = select(tags.c.id).where(forgotten)
                await connection.execute(delete(prunes).where(prunes.c.tag_id.in_(ids)))
                await connection.execute(delete(tags).where(forgotten))
