"""INSERT with ON CONFLICT, which SQLite and PostgreSQL spell alike, and SQLAlchemy has once for each."""

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert(dialect: str, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT to which ON CONFLICT can be added. `dialect`: its name."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - a twentieth of the start, and rarely needed

    return postgresql.insert(table)


@cache
def insert_missing(dialect: str, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT that skips the rows whose key the table has. Built once: that takes longer than running it."""
    return insert(dialect, table).on_conflict_do_nothing()
