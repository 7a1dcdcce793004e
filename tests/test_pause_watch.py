"""A process tells its observers of pauses that any process records."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferryman.events import Event, Events, WorkPaused, WorkResumed
from ferryman.pause_watch import PauseWatch
from ferryman.store.database.database import open_database
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.records import Intent
from ferryman.wakeup import Wakeup
from tests.support.clock import ManualClock

BY_ME = Intent("cli:me@here", "pause", "something", "a note")


@pytest.fixture
async def pauses(tmp_path: Path) -> AsyncIterator[ManualPauses]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path}/ferryman.db")
    yield ManualPauses(database, clock=ManualClock(), resumed=Wakeup())
    await database.close()


async def test_each_change_is_told_once_and_what_is_paused_at_the_start(pauses: ManualPauses) -> None:
    told: list[Event] = []
    events = Events()
    events.subscribe(told.append)
    await pauses.pause("registry", "quay.io", intent=BY_ME)
    watch = PauseWatch(manual_pauses=pauses, events=events)
    now = ManualClock().now()
    await watch.check()
    assert told == [WorkPaused("registry", "quay.io", now, "cli:me@here", "a note")]
    await watch.check()
    await pauses.pause("all", "", intent=BY_ME)
    await pauses.resume("registry", "quay.io", intent=BY_ME)
    await watch.check()
    assert told[1:] == [WorkResumed("registry", "quay.io"), WorkPaused("all", "", now, "cli:me@here", "a note")]
