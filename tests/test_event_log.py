"""What the log says of each event that it writes down; the lines of whole runs are tested where those run."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ferryman import event_log
from ferryman.events import (
    CycleEnded,
    CycleStarted,
    Event,
    ItemLooked,
    JobEnded,
    JobProgressed,
    JobStarted,
    RegistryPaused,
    RequestDone,
    RequestRetried,
    WorkPaused,
    WorkResumed,
)
from ferryman.events import RegistryResumed as Resumed
from tests.conftest import ReadLog
from tests.test_events import EACH, JOB

UNTIL = datetime(2026, 5, 1, 12, 5, tzinfo=UTC)
SOURCE, TARGET = "quay.io/coreos/etcd", "registry.example.com/etcd"


def line(level: str, event: str, message: str, **fields: Any) -> dict[str, Any]:
    """A line of the log, but for its time."""
    return {"level": level, "event": event, "message": message, **fields}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            JobEnded(JOB, "synced", digest="sha256:a", bytes_moved=2, bytes_reused=1, seconds=1.26),
            line("info", "tag_synced", "synced", digest="sha256:a", moved=2, reused=1, seconds=1.3),
        ),
        (
            JobEnded(JOB, "skipped", "windows only", "platform"),
            line("info", "tag_skipped", "skipped", reason="windows only"),
        ),
        (
            JobEnded(JOB, "failed", "not allowed", "denied"),
            line("error", "tag_failed", "failed", kind="denied", error="not allowed"),
        ),
        (
            JobEnded(JOB, "failed", "defect in Ferryman", "defect", "Traceback …"),
            line("error", "tag_failed", "failed by a defect in Ferryman", exception="Traceback …"),
        ),
        (
            JobEnded(JOB, "again", "cut", "unreachable", retry_at=UNTIL),
            line(
                "warning",
                "tag_retry_scheduled",
                "will be tried again",
                at=UNTIL.isoformat(),
                kind="unreachable",
                error="cut",
            ),
        ),
        (JobEnded(JOB, "stopped"), line("info", "tag_handed_back", "queued again without a result")),
        (JobEnded(JOB, "stopped", "lease lost: …", "lease-lost"), line("warning", "lease_lost", "lease lost: …")),
        (
            JobEnded(JOB, "stopped", "the disk is full", "unrecorded"),
            line(
                "error",
                "result_not_recorded",
                "cannot record the result: the tag will be copied again",
                error="the disk is full",
            ),
        ),
        (
            ItemLooked("etcd", SOURCE, TARGET, "looked", tags=9, enqueued=2, withdrawn=1, gone=3, complete=True),
            line("info", "item_listed", "looked", tags=9, enqueued=2, withdrawn=1, gone=3, complete=True),
        ),
        (
            ItemLooked("etcd", SOURCE, TARGET, "failed", "no route", "unreachable"),
            line(
                "error", "item_failed", "cannot look at the source", source=SOURCE, kind="unreachable", error="no route"
            ),
        ),
        (
            ItemLooked("etcd", SOURCE, TARGET, "failed", "defect", "defect", "Traceback …"),
            line("error", "item_failed", "cannot look at the source: a defect in Ferryman", exception="Traceback …"),
        ),
        (
            CycleEnded("done", 3, enqueued=2, items_failed=1),
            line("info", "cycle_ended", "cycle done", enqueued=2, items_failed=1, items_paused=0),
        ),
        (
            WorkPaused("registry", "quay.io", UNTIL, "cli:me@here", "maintenance"),
            line(
                "warning",
                "work_paused",
                "paused by a person",
                scope="registry",
                name="quay.io",
                actor="cli:me@here",
                note="maintenance",
            ),
        ),
        (
            WorkPaused("all", "", UNTIL, "cli:me@here", None),
            line("warning", "work_paused", "paused by a person", scope="all", actor="cli:me@here", note=None),
        ),
        (
            WorkResumed("item", "registry.example.com/etcd"),
            line("info", "work_resumed", "resumed by a person", scope="item", name="registry.example.com/etcd"),
        ),
        (
            RegistryPaused("docker.io", UNTIL, "slow down", tags=1),
            line(
                "warning",
                "registry_rate_limited",
                "1 tag waits for Docker Hub's limit; next at 12:05 UTC",
                registry="docker.io",
                until=UNTIL.isoformat(),
                error="slow down",
            ),
        ),
        (
            RegistryPaused("quay.io", None, "wrong password"),
            line(
                "error",
                "registry_paused",
                "registry paused: its login is tried again in later cycles, or change it, or `ferryman requeue`",
                registry="quay.io",
                error="wrong password",
            ),
        ),
        (
            Resumed("quay.io", 2, "login-accepted"),
            line(
                "info", "registry_resumed", "the login is accepted again: registry resumed", registry="quay.io", tags=2
            ),
        ),
        (
            Resumed("quay.io", 2, "login-retried"),
            line("info", "registry_resumed", "registry resumed, to try it again", registry="quay.io", tags=2),
        ),
        (
            Resumed("quay.io", 2, "check"),
            line("info", "registry_resumed", "registry resumed", registry="quay.io", tags=2),
        ),
        (
            Resumed("quay.io", 2, "credentials-changed"),
            line("info", "registry_resumed", "credentials changed: registry resumed", registry="quay.io", tags=2),
        ),
    ],
)
def test_an_event_is_one_line(event: Event, expected: dict[str, Any], read_log: ReadLog) -> None:
    event_log.write(event)
    [written] = read_log()
    del written["time"]
    assert written == expected


def test_what_a_target_refuses_is_a_line_of_its_own(read_log: ReadLog) -> None:
    event_log.write(JobEnded(JOB, "synced", degraded="attestations are left out"))
    assert [(line["level"], line.get("left_out")) for line in read_log()] == [
        ("info", None),
        ("warning", "attestations are left out"),
    ]


@pytest.mark.parametrize(
    "event",
    [
        *(event for event in EACH if isinstance(event, CycleStarted | JobProgressed | RequestDone | RequestRetried)),
        JobStarted(JOB),
        CycleStarted(3),
        CycleEnded("done", 3, again=True),  # the rest of a cycle that has its line
        CycleEnded("failed", 3, error="the disk is full"),  # whoever asked for the cycle says so
        JobEnded(JOB, "again", "slow down", "rate-limit"),  # the registry's pause has a line
        ItemLooked("etcd", SOURCE, TARGET, "paused", "wrong password", "login"),
    ],
)
def test_what_is_often_or_is_said_elsewhere_is_no_line(event: Event, read_log: ReadLog) -> None:
    event_log.write(event)
    assert read_log() == []
