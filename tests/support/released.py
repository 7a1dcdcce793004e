"""State databases as released versions of Ferryman left them."""

from datetime import UTC, datetime

import alembic.command
from alembic.config import Config
from sqlalchemy import Connection, insert

from ferryman.store.database.database import migrating
from ferryman.store.database.tables import services, tags
from tests.support.sources import CHECKOUT

SCHEMA_OF_1_0_0 = "0002"
_THEN = datetime(2026, 11, 24, 3, 38, tzinfo=UTC)


async def make_database_of_1_0_0(url: str) -> None:
    """In an empty place: the schema of 1.0.0, a tag that is synced, and a process that once ran."""
    async with migrating(url) as connection:
        await connection.run_sync(_upgrade)
        await connection.execute(
            insert(tags).values(
                item="app", source="quay.io/acme/app", source_registry="quay.io", tag="1.0",
                target="registry.example.com/m/app", target_registry="registry.example.com",
                status="synced", rank=0, withdrawn=False, attempts=1, source_digest="sha256:a",
                mirrored_digest="sha256:a", target_digest="sha256:b", synced_at=_THEN, first_seen_at=_THEN,
            )
        )  # fmt: skip
        await connection.execute(
            insert(services).values(owner="elsewhere.7.0a1b2c3d", role="run", started_at=_THEN, beat_at=_THEN)
        )


def _upgrade(connection: Connection) -> None:
    config = Config(str(CHECKOUT / "alembic.ini"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, SCHEMA_OF_1_0_0)
