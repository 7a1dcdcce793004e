"""One stream, several observers, and none of them can hurt the work."""

import asyncio
import logging
import typing
from datetime import UTC, datetime

import pytest

from ferryman.events import (
    CycleEnded,
    CycleStarted,
    Event,
    Events,
    ItemLooked,
    JobEnded,
    JobInfo,
    JobProgressed,
    JobStarted,
    LookStarted,
    RegistryPaused,
    RegistryResumed,
    RequestDone,
    RequestRetried,
    TagPruned,
    WorkPaused,
    WorkResumed,
)
from tests.conftest import ReadLog

JOB = JobInfo("token", "etcd", "quay.io/coreos/etcd", "registry.example.com/etcd", "v3.5.0", 1)
EACH: list[Event] = [
    CycleStarted(1),
    LookStarted("etcd", "quay.io/coreos/etcd", "registry.example.com/etcd"),
    ItemLooked("etcd", "quay.io/coreos/etcd", "registry.example.com/etcd", "looked"),
    CycleEnded("done", 1),
    JobStarted(JOB),
    JobProgressed(JOB, "copy:a", 1, 2),
    JobEnded(JOB, "synced"),
    RegistryPaused("quay.io", datetime(2026, 5, 1, tzinfo=UTC), "slow down", tags=2),
    RegistryResumed("quay.io", 2, "check"),
    WorkPaused("registry", "quay.io", datetime(2026, 5, 1, tzinfo=UTC), "cli:me@here", "maintenance"),
    WorkResumed("registry", "quay.io"),
    TagPruned("etcd", "registry.example.com/etcd", "v3.5.0", None, "beyond-limit", None),
    RequestDone("quay.io", "GET", 200, 0.1),
    RequestRetried("quay.io"),
]


def raising(event: Event) -> None:
    raise RuntimeError("a slip")


def test_no_kind_of_event_is_left_out_here() -> None:
    assert {type(event) for event in EACH} == set(typing.get_args(Event))


def test_everybody_gets_every_event_in_order_until_he_has_enough() -> None:
    events = Events()
    first: list[Event] = []
    second: list[Event] = []
    events.subscribe(first.append)
    enough = events.subscribe(second.append)
    for event in EACH[:4]:
        events.emit(event)
    enough()
    enough()  # once more does nothing
    for event in EACH[4:]:
        events.emit(event)
    assert (first, second) == (EACH, EACH[:4])


def test_who_unsubscribes_while_he_is_called_keeps_the_event_from_nobody() -> None:
    events = Events()
    got: list[Event] = []
    enough = events.subscribe(lambda _: enough())
    events.subscribe(got.append)
    for event in EACH[:2]:
        events.emit(event)
    assert got == EACH[:2]


@pytest.mark.parametrize("event", EACH, ids=lambda event: type(event).__name__)
def test_an_observer_that_raises_is_logged_once_a_kind_and_hurts_nobody(event: Event, read_log: ReadLog) -> None:
    events = Events()
    got: list[Event] = []
    events.subscribe(raising)
    events.subscribe(got.append)
    for _ in range(3):
        events.emit(event)
    assert got == [event] * 3
    [line] = read_log()
    assert (line["level"], line["observer"], line["observed"]) == ("error", "raising", type(event).__name__)
    assert "RuntimeError: a slip" in line["exception"]


def test_each_kind_is_logged_by_itself(read_log: ReadLog) -> None:
    events = Events()
    events.subscribe(raising)
    for event in EACH * 2:
        events.emit(event)
    assert [line["observed"] for line in read_log()] == [type(event).__name__ for event in EACH]


async def test_a_cancelled_task_that_an_observer_looks_at_stops_nobody(read_log: ReadLog) -> None:
    cancelled = asyncio.create_task(asyncio.Event().wait())
    cancelled.cancel()
    await asyncio.wait([cancelled])
    events = Events()
    events.subscribe(lambda _: cancelled.result())
    events.emit(JobStarted(JOB))
    assert [line["observed"] for line in read_log()] == ["JobStarted"]


@pytest.fixture
def broken_log(untouched_logging: None) -> list[str]:
    tried: list[str] = []

    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tried.append(record.msg["observer"])  # type: ignore[index]
            raise OSError("no room")

    logging.getLogger().handlers = [Failing()]
    return tried


def test_a_log_that_fails_hurts_nobody_either(broken_log: list[str]) -> None:
    events = Events()
    events.subscribe(raising)
    for _ in range(2):
        events.emit(JobStarted(JOB))
    assert broken_log == ["raising"]
