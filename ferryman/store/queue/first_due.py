"""The first due tag of each item, or of each route, without reading the rest of the queue.

A route is a pair of registries: a source's and a target's. For claims while something is paused, or a registry has its
share of workers: a query for the first due tag of all others would read every tag that comes before it and may not be
claimed. These jump through an index (a loose index scan, for which both databases need a recursive query), so their
cost is that of the number of items or routes, not of tags.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, ScalarSelect, and_, bindparam, func, select

from ferryman.store.database.tables import status_is, tags

_timed = and_(status_is("queued"), tags.c.run_at.is_not(None))
# A due tag, so that the index of the items, or of the routes, is used. With the bare column SQLite takes the index
# (target, run_at), and sorts all tags of the item.
DUE = and_(_timed, func.coalesce(tags.c.run_at, tags.c.run_at) <= bindparam("now", type_=tags.c.run_at.type))
_in_order = (tags.c.rank, tags.c.run_at, tags.c.id)
_tag = tags.alias("tag")


def _first(of: FromClause, *where: ColumnElement[bool], order: Sequence[ColumnElement[Any]]) -> ScalarSelect[int]:
    """The id of the first of these tags, for each row of another part of the query."""
    query = select(tags.c.id).where(*where).order_by(*order).limit(1)
    return query.correlate(of).scalar_subquery()


# With a rank, which all have: otherwise SQLite takes the index (target, status, run_at), and passes all that is queued.
_ranked = and_(_timed, tags.c.rank.is_not(None))
_first_target = select(func.min(tags.c.target).label("target")).where(_ranked).cte("items", recursive=True)
_next_target = select(func.min(tags.c.target)).where(_ranked, tags.c.target > _first_target.c.target).scalar_subquery()
_items = _first_target.union_all(select(_next_target).where(_first_target.c.target.is_not(None)))
_first_of_item = _first(_items, DUE, tags.c.target == _items.c.target, order=_in_order)
# Rows (target, source registry), in the order of the queue. Parameter: now.
FIRST_DUE_OF_ITEMS = (
    select(_tag.c.target, _tag.c.source_registry)
    .join_from(_items, _tag, _tag.c.id == _first_of_item)
    .order_by(_tag.c.rank, _tag.c.run_at, _tag.c.id)
)

_registries = (tags.c.source_registry, tags.c.target_registry)
_some = tags.alias("some")  # a tag of a route
_of_first_route = select(tags.c.id).where(_timed).order_by(*_registries).limit(1).scalar_subquery()
_first_route = select(_of_first_route.label("some_id")).cte("routes", recursive=True)
# In two steps: for `(source, target) > (…, …)` SQLite passes all tags of that route.
_of_next_target = _first(
    _some,
    _timed,
    tags.c.source_registry == _some.c.source_registry,
    tags.c.target_registry > _some.c.target_registry,
    order=[tags.c.target_registry],
)
_of_next_source = _first(_some, _timed, tags.c.source_registry > _some.c.source_registry, order=_registries)
_of_next_route = func.coalesce(_of_next_target, _of_next_source)
_routes = _first_route.union_all(
    select(_of_next_route).join_from(_first_route, _some, _some.c.id == _first_route.c.some_id)
)
_first_of_route = _first(
    _some,
    DUE,
    tags.c.source_registry == _some.c.source_registry,
    tags.c.target_registry == _some.c.target_registry,
    order=_in_order,
)
# Rows (source registry, target registry), in the order of the queue. Parameter: now.
FIRST_DUE_OF_ROUTES = (
    select(_tag.c.source_registry, _tag.c.target_registry)
    .join_from(_routes, _some, _some.c.id == _routes.c.some_id)
    .join(_tag, _tag.c.id == _first_of_route)
    .order_by(_tag.c.rank, _tag.c.run_at, _tag.c.id)
)
# Rows (source registry, target registry) of all that is queued.
ROUTES = select(_some.c.source_registry, _some.c.target_registry).join_from(
    _routes, _some, _some.c.id == _routes.c.some_id
)
