"""One cache of compiled SQL for all databases of a process that tests.

SQLAlchemy keeps what it has compiled with the connection pool and under its dialect object. A program opens one
database; the tests open some for each test, and compiling every statement anew took a third of their time.
"""

from typing import Any

from sqlalchemy import Compiled, Connection, Engine, event
from sqlalchemy.util import LRUCache

_STATEMENTS = 5000  # more than there are, for both databases and both of SQLite's drivers


class _Shared(LRUCache[Any, Compiled]):
    """All dialects of a class count as one: their options are the same in every pool, and so is the server."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_any_pool(key), default)

    def __setitem__(self, key: Any, value: Compiled) -> None:
        super().__setitem__(_of_any_pool(key), value)


def _of_any_pool(key: Any) -> tuple[Any, ...]:
    dialect, *statement = key
    return (type(dialect), *statement)


def share_compiled_statements() -> None:
    """Give every pool of this process the same cache, from now on."""
    shared = _Shared(_STATEMENTS)

    @event.listens_for(Engine, "engine_connect")
    def share(connection: Connection) -> None:
        connection.engine._compiled_cache = shared
