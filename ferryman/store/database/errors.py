"""Translate the errors of SQLAlchemy and its drivers to StoreError, with a hint and without passwords."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NoSuchModuleError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ferryman.errors import StoreError, Unstorable

_SQLITE = {
    sqlite3.SQLITE_BUSY: "another program has held it locked for too long; stop that program and try again",
    sqlite3.SQLITE_LOCKED: "another program has held it locked for too long; stop that program and try again",
    sqlite3.SQLITE_FULL: "the disk is full; free some room, nothing of the record is lost",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup, or move it away and import the history again",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database; move it away, or set FERRYMAN_DATABASE_URL",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; its folder must exist and be writable",
    sqlite3.SQLITE_READONLY: "the file, or its folder, cannot be written; correct the permissions",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write; see the system's log, and whether the disk is full",
}
_POSTGRESQL = {  # by SQLSTATE, or by its class (the first two characters)
    "08": "the connection was lost",
    "28": "the server refuses the login; correct FERRYMAN_DATABASE_URL",
    "3D": "the server has no such database; create it, or correct FERRYMAN_DATABASE_URL",
    "42501": "the user may not do this; grant it the rights on its schema",
    "53100": "the server's disk is full; free some room, nothing of the record is lost",
    "53300": "the server has no connection left; raise its max_connections",
    "57": "the server stops or starts; try again",
    "55P03": "another program has held it locked for too long; stop that program and try again",
}
_LONGEST = 300
# Secrets in a URL that a driver quotes. A password may contain "@" and "/" unencoded, so match up to the last "@".
_LOGIN = re.compile(r"//\S*@")
_PASSWORD = re.compile(r"(\w*passw(?:or)?d=)[^&\s'\"]+", re.IGNORECASE)


@contextmanager
def as_store_errors(database: str) -> Iterator[None]:
    """Raise StoreError for the driver's errors inside. `database`: its name, without secrets."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreError(f"the state database {database}: too many operations wait for a connection at once") from error
    except StatementError as error:  # of the driver, or of a column type that refuses the value
        kind = Unstorable if _is_caused_by_value(error) else StoreError
        raise kind(f"the state database {database}: {_explain(error.orig)}") from error
    except (OverflowError, UnicodeError) as error:  # SQLite's driver, when it binds a value
        raise Unstorable(f"the state database {database} does not take a value: {brief(error)}") from error
    except sqlite3.Error as error:  # from BEGIN, which does not use SQLAlchemy's cursor
        raise StoreError(f"the state database {database}: {_explain(error)}") from error
    except ModuleNotFoundError as error:
        raise StoreError(f"the state database {database}: install ferryman[postgresql] for it") from error
    except NoSuchModuleError as error:
        raise StoreError(f"the state database {database}: only SQLite and PostgreSQL are supported") from error
    except TimeoutError as error:  # asyncpg's timeouts
        raise StoreError(
            f"the state database {database} has not answered for long: the server or the way to it hangs,"
            " or another program has held it locked"
        ) from error
    except OSError as error:  # from asyncpg's connect, not wrapped by SQLAlchemy
        raise StoreError(f"the state database {database} cannot be reached: {brief(error)}") from error


def _is_caused_by_value(error: StatementError) -> bool:
    if not isinstance(error, DBAPIError) or isinstance(error, DataError | IntegrityError):
        return True
    refused_by_asyncpg = error.orig is not None and isinstance(error.orig.__cause__, ValueError)
    return refused_by_asyncpg or _state_of(error.orig).startswith("22")  # data exceptions


def _explain(error: BaseException | None) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and (known := _SQLITE.get(code & 0xFF)):
        return f"{known} ({brief(error)})"
    state = _state_of(error)
    if known := _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2]):
        return f"{known} ({brief(error)})"
    return brief(error)


def _state_of(error: BaseException | None) -> str:
    """PostgreSQL's SQLSTATE, or an empty string."""
    return getattr(error, "sqlstate", None) or ""


def brief(error: BaseException | None) -> str:
    """The error in one line, without asyncpg's class name in front, with passwords redacted."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = re.sub(r"^<class '[^']*'>: ", "", text)
    text = _LOGIN.sub("//***@", text)
    return _PASSWORD.sub(r"\1***", text)[:_LONGEST]
