"""Items as rows of a query, for one step into an index for each of them."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import CTE, String, column, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


def as_rows(targets: Collection[str]) -> CTE:
    """Rows with the column `target`.

    One parameter brings all of them: SQLAlchemy compiles a VALUES anew each time, which takes longer than the query.
    """
    listed = _Elements(literal(json.dumps(list(targets)))).table_valued(column("value", String), name="listed")
    return select(listed.c.value.label("target")).cte("items")


class _Elements(GenericFunction[str]):
    """The texts of a JSON array. Both databases call their column `value`."""

    name = "elements_of_json"
    inherit_cache = True


@compiles(_Elements)
def _postgresql(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements_text(CAST({_written(element, compiler, options)} AS json))"


@compiles(_Elements, "sqlite")
def _sqlite(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({_written(element, compiler, options)})"


def _written(element: _Elements, compiler: SQLCompiler, options: dict[str, Any]) -> str:
    [array] = element.clauses
    return compiler.process(array, **options)
