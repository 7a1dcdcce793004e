"""How SQLite executes the queries of a page: the plan of every statement that reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import CacheStats

from ferryman.store.database.database import Database


@dataclass
class Statements:
    """The statements that were executed, with their parameters."""

    seen: list[tuple[str, Any]] = field(default_factory=list)
    compiled: int = 0  # anew, not found in SQLAlchemy's cache

    async def plans(self, database: Database) -> list[str]:
        """The steps of their plans."""
        steps = []
        async with database.read() as connection:
            for statement, parameters in list(self.seen):
                explained = await connection.run_sync(_explained(statement, parameters))
                steps += [str(row[-1]) for row in explained]
        return steps


@contextmanager
def captured(database: Database) -> Iterator[Statements]:
    """Capture the SELECTs that this database executes."""
    statements = Statements()

    def note(_: Connection, __: object, statement: str, parameters: Any, context: Any, ___: bool) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            statements.seen.append((statement, parameters))
            statements.compiled += context.cache_hit is not CacheStats.CACHE_HIT

    engine = database._reader
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _explained(statement: str, parameters: Any) -> Any:
    def explain(connection: Connection) -> list[Any]:
        return list(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))

    return explain
