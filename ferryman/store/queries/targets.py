"""Items as rows of a query, for one step into an index for each of them."""

from collections.abc import Collection

from sqlalchemy import CTE, String, column, values


def as_rows(targets: Collection[str]) -> CTE:
    """Rows with the column `target`; of one target at least."""
    return values(column("target", String), name="items").data([(target,) for target in targets]).cte("items")
