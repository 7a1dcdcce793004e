"""Alembic's entry: the program hands its connection over; the command line opens one by FERRYMAN_DATABASE_URL."""

import asyncio
import os
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from ferryman.settings import Settings
from ferryman.store.database.database import migrating
from ferryman.store.database.tables import UtcDateTime, metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,  # SQLite alters a table by making it anew
        render_item=spell,
    )
    with context.begin_transaction():
        context.run_migrations()


def spell(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """A migration is history: it must not change when a class of ours does."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


async def run_from_command_line() -> None:
    settings = Settings.load(os.environ)
    async with migrating(settings.database_url.get_secret_value()) as connection:
        await connection.run_sync(run)


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_from_command_line())
