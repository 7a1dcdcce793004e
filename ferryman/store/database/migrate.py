"""Run Alembic's migrations from the program: inside the running event loop, also from an installed wheel."""

from pathlib import Path

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import ferryman
from ferryman.errors import StoreError
from ferryman.store.database.tables import VERSION


def require_current_schema(connection: Connection, *, name: str) -> None:
    """Raise StoreError for an older or newer schema. `name`: the database, for messages."""
    found = _revision(connection, name)
    if found != VERSION:
        raise StoreError(
            f"the state database {name} has the schema of an older Ferryman: its version is {found}, and this one,"
            f" {ferryman.__version__}, needs {VERSION}; `ferryman migrate` upgrades it, and so do `run`, `scheduler`,"
            " `worker` and `sync` when they start"
        )


def upgrade(connection: Connection, *, name: str) -> None:
    """Migrate the schema to this version's, in the connection's transaction. Raises StoreError for a newer schema."""
    # Check again, now that no other process can write: another one may have migrated first.
    if _revision(connection, name) != VERSION:
        config = _config()
        config.attributes["connection"] = connection  # for `env.py`, which cannot start a loop inside this one
        alembic.command.upgrade(config, "head")


def _revision(connection: Connection, name: str) -> str | None:
    """The schema's version; None: there is none yet. Raises StoreError for a newer one than this version's."""
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
    """The folder of the migrations: inside the package in a wheel, next to it in a checkout."""
    package = Path(ferryman.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
