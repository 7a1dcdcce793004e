"""Alembic, run by the program itself: inside the running loop, from an installed wheel too."""

from pathlib import Path

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import ferryman
from ferryman.errors import StoreError
from ferryman.store.database.tables import VERSION


def demand_current(connection: Connection, *, name: str) -> None:
    """Raises StoreError for the schema of another version, older or newer. `name`: the database's, for people."""
    found = _revision(connection, name)
    if found != VERSION:
        raise StoreError(
            f"the state database {name} has the schema of an older Ferryman: its version is {found}, and this one,"
            f" {ferryman.__version__}, needs {VERSION}; `ferryman migrate` upgrades it, and so do `run`, `scheduler`,"
            " `worker` and `sync` when they start"
        )


def upgrade(connection: Connection, *, name: str) -> None:
    """Bring the schema to this version's, inside the connection's transaction. Raises StoreError for a newer one's."""
    # Asked again, now that nobody else can write: another starter may have been first.
    if _revision(connection, name) != VERSION:
        config = _config()
        config.attributes["connection"] = connection  # `env.py` takes it from there: it cannot start a loop in this one
        alembic.command.upgrade(config, "head")


def _revision(connection: Connection, name: str) -> str | None:
    """The schema's version; None: there is none yet. Raises StoreError for a newer one than ours."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in _known():
        raise StoreError(
            f"the state database {name} was written by a newer Ferryman: its schema version is {found}, and this one,"
            f" {ferryman.__version__}, knows them up to {VERSION}; install the newer Ferryman, or restore an older"
            " backup"
        )
    return found


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    return config


def _migrations() -> Path:
    """The folder of the migrations: inside the package in a wheel, beside it in a checkout."""
    package = Path(ferryman.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
