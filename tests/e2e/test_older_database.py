"""A newer Ferryman on the state database of release 1.0.0: who only asks leaves it as it is, and says so."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferryman.store.database.tables import VERSION
from tests.support.ferryman import Ferryman
from tests.support.postgresql import PostgresServer
from tests.support.released import SCHEMA_OF_1_0_0, make_database_of_1_0_0
from tests.support.starting import Starter

ASKING = (
    ["status"], ["status", "--json"], ["status", "app:1.0"], ["health"], ["plan"], ["check"], ["export-history"],
    ["requeue", "failed"], ["forget", "--yes"],
)  # fmt: skip


@pytest.fixture
def ferryman(tmp_path: Path, starter: Starter) -> Iterator[Ferryman]:
    made = Ferryman(tmp_path / "ferryman", engine="unix:///nowhere", starter=starter)
    made.items.write_text("items: [{source: quay.io/acme/app, target: registry.example.com/m/}]")
    yield made
    made.close()


def test_who_only_asks_leaves_an_older_database_as_it_is(ferryman: Ferryman) -> None:
    asyncio.run(make_database_of_1_0_0(f"sqlite+aiosqlite:///{ferryman.database}"))
    before = hashlib.sha256(ferryman.database.read_bytes()).hexdigest()

    for done in ferryman.run_all(*ASKING):
        assert done.code == 3
        assert "the state database data/ferryman.db has the schema of an older Ferryman" in done.err
        assert f"its version is {SCHEMA_OF_1_0_0}" in done.err
        assert f"needs {VERSION}; `ferryman migrate` upgrades it" in done.err
    assert hashlib.sha256(ferryman.database.read_bytes()).hexdigest() == before

    assert ferryman.run("backup", "before.db").out == "before.db: 1 tag\n"
    assert ferryman.run("migrate").out == f"state database data/ferryman.db: schema {VERSION}\n"
    assert ferryman.status()["app:1.0"]["status"] == "synced"


def test_on_a_server_too(ferryman: Ferryman, postgresql: PostgresServer) -> None:
    url = postgresql.create_database("released")
    asyncio.run(make_database_of_1_0_0(url))
    ferryman.environment["FERRYMAN_DATABASE_URL"] = url

    for _ in range(2):  # the first one has not migrated it
        for done in ferryman.run_all(["status"], ["health"]):
            assert done.code == 3
            assert f"its version is {SCHEMA_OF_1_0_0}" in done.err

    assert ferryman.run("migrate").code == 0
    assert ferryman.status()["app:1.0"]["status"] == "synced"
