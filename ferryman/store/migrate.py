"""Alembic, run by the program itself: inside the running loop, from an installed wheel too."""

from pathlib import Path

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import ferryman
from ferryman.errors import StoreError


def is_current(connection: Connection) -> bool:
    """Whether the schema is this version's. Raises StoreError for a newer one's."""
    scripts = ScriptDirectory.from_config(_config())
    found = MigrationContext.configure(connection).get_current_revision()
    head = scripts.get_current_head()
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"the state database was written by a newer Ferryman: its schema version is {found}, and this one,"
            f" {ferryman.__version__}, knows them up to {head}; install the newer Ferryman, or restore an older backup"
        )
    return found == head


def upgrade(connection: Connection) -> None:
    """Bring the schema to this version's, inside the connection's transaction. Raises StoreError for a newer one's."""
    if not is_current(connection):  # asked again, now that nobody else can write: another starter may have been first
        config = _config()
        config.attributes["connection"] = connection  # `env.py` takes it from there: it cannot start a loop in this one
        alembic.command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    return config


def _migrations() -> Path:
    """The folder of the migrations: inside the package in a wheel, beside it in a checkout."""
    package = Path(ferryman.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
