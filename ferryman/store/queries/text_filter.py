"""Names that contain a text that a person types."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

_ESCAPE = "/"


def contains(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether the column contains the text, in upper or lower case."""
    escaped = "".join(f"{_ESCAPE}{each}" if each in {_ESCAPE, "%", "_"} else each for each in text)
    return _Matches(column, bindparam(None, f"%{escaped}%"))


class _Matches(GenericFunction[bool]):
    """ILIKE. SQLite's LIKE is one for ASCII, which names are of: with lower() around both it takes twice as long."""

    name = "matches_any_case"
    type = Boolean()
    inherit_cache = True


@compiles(_Matches)
def _ilike(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    return _written(element, compiler, "ILIKE", options)


@compiles(_Matches, "sqlite")
def _like(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    return _written(element, compiler, "LIKE", options)


def _written(element: _Matches, compiler: SQLCompiler, operator: str, options: dict[str, Any]) -> str:
    column, pattern = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} {operator} {pattern} ESCAPE '{_ESCAPE}'"
