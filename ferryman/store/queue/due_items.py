"""The first due tag of each item, without reading the rest of the queue.

For claims while persons have paused some of the items: a query for the first due tag of all others would read every
tag of the paused ones that comes before it. This one jumps from item to item in an index (a loose index scan, for which
both databases need a recursive query), so its cost is that of the number of items, not of tags.
"""

from sqlalchemy import and_, bindparam, func, select

from ferryman.store.database.tables import status_is, tags

_timed = and_(status_is("queued"), tags.c.run_at.is_not(None))
# A due tag, so that the index of the items is used. With the bare column SQLite takes the index (target, run_at), and
# sorts all tags of the item.
DUE_OF_ITEM = and_(_timed, func.coalesce(tags.c.run_at, tags.c.run_at) <= bindparam("now", type_=tags.c.run_at.type))

# With a rank, which all have: otherwise SQLite takes the index (target, status, run_at), and passes all that is held.
_ranked = and_(_timed, tags.c.rank.is_not(None))
_first_target = select(func.min(tags.c.target).label("target")).where(_ranked).cte("items", recursive=True)
_next_target = select(func.min(tags.c.target)).where(_ranked, tags.c.target > _first_target.c.target).scalar_subquery()
_items = _first_target.union_all(select(_next_target).where(_first_target.c.target.is_not(None)))
_first = (
    select(tags.c.id)
    .where(DUE_OF_ITEM, tags.c.target == _items.c.target)
    .order_by(tags.c.rank, tags.c.run_at, tags.c.id)
    .limit(1)
    .correlate(_items)
    .scalar_subquery()
)
_tag = tags.alias("tag")
# Rows (target, source registry), in the order of the queue. Parameter: now.
FIRST_DUE_OF_ITEMS = (
    select(_tag.c.target, _tag.c.source_registry)
    .join_from(_items, _tag, _tag.c.id == _first)
    .order_by(_tag.c.rank, _tag.c.run_at, _tag.c.id)
)
