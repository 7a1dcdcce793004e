"""Heartbeats of processes, on both databases."""

from datetime import timedelta

from ferryman import __version__
from ferryman.store.database.database import Database
from ferryman.store.services import Cycles, Service, Services
from tests.store.scene import START, ManualClock


async def test_heartbeats(database: Database, clock: ManualClock) -> None:
    services = Services(database, clock=clock)
    await services.heartbeat("one", "worker")
    later = clock.advance(timedelta(seconds=15))
    await services.heartbeat("two", "run", cycles=Cycles(ended_at=later, next_at=START + timedelta(hours=6)))
    assert await services.list() == [
        Service("two", "run", later, later, START + timedelta(hours=6), cycle_ended_at=later, version=__version__),
        Service("one", "worker", START, START, None, version=__version__),
    ]
    clock.advance(timedelta(seconds=15))
    await services.heartbeat("one", "worker", details={"jobs": []})
    assert (await services.list())[0] == Service(
        "one", "worker", START, clock.now(), None, version=__version__, details={"jobs": []}
    )
    await services.drop("one")
    await services.drop("one")
    assert [service.owner for service in await services.list()] == ["two"]


async def test_killed_processes_are_forgotten_in_time(database: Database, clock: ManualClock) -> None:
    services = Services(database, clock=clock)
    await services.heartbeat("killed", "run")
    later = clock.advance(timedelta(days=1))
    await services.heartbeat("alive", "run")
    await services.forget(later, existing=["killed"])
    assert {service.owner for service in await services.list()} == {"alive", "killed"}, "its process hangs"
    await services.forget(later)
    assert [service.owner for service in await services.list()] == ["alive"]
