"""Metrics on a real database, with two items and a queue whose clock the test moves."""

import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ferryman.events import Events
from ferryman.items.model import Configuration, Item
from ferryman.metrics.exposition import Metrics
from ferryman.reference import Repository
from ferryman.registry.limits.host_limits import HostLimits
from ferryman.settings import Schedule
from ferryman.store.database.database import Database
from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from ferryman.store.services import Services
from tests.metrics.samples import Samples, parsed
from tests.store.scene import LEASE, MAX_ATTEMPTS, ManualClock, Scene
from tests.support.databases import open_new_database

ETCD = Item("etcd", Repository("quay.io", "coreos/etcd"), Repository("registry.example.com", "mirror/etcd"))
NGINX = Item("nginx", Repository("docker.io", "library/nginx"), Repository("registry.example.com", "mirror/nginx"))


Promtool = Callable[..., str]  # what it prints; it must succeed


@dataclass
class Bench:
    """What metrics are made of."""

    database: Database
    clock: ManualClock
    scene: Scene
    limits: HostLimits
    services: Services
    events: Events
    configuration: Configuration
    metrics: Metrics
    copies: int | None = None  # at once

    async def samples(self) -> Samples:
        """What a scrape finds."""
        body, _ = await self.metrics.render()
        return parsed(body)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    database = await open_new_database(tmp_path / "ferryman.db")
    clock, events = ManualClock(), Events()
    limits = HostLimits(clock=clock)
    queue = Queue(database, owner="me", clock=clock, lease=LEASE, max_attempts=MAX_ATTEMPTS)
    metrics = Metrics(
        database=database,
        limits=limits.present,
        copies=lambda: made.copies,
        configuration=lambda: made.configuration,
        schedule=Schedule("6h"),
        clock=clock,
    )
    events.subscribe(metrics.observe)
    made = Bench(
        database=database,
        clock=clock,
        scene=Scene(queue, Ledger(database, clock=clock), clock),
        limits=limits,
        services=Services(database, clock=clock),
        events=events,
        configuration=Configuration((ETCD, NGINX), {}),
        metrics=metrics,
    )
    yield made
    await metrics.aclose()
    await database.close()


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Debian's promtool."""

    def call(*arguments: str | Path) -> str:
        done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call
