"""Without a terminal: a log line a minute."""

from dataclasses import replace

from ferryman.events import JobOutcome, JobProgressed, JobStarted
from ferryman.store.records import Outstanding
from ferryman.views.log_view import LogView
from tests.conftest import ReadLog
from tests.views.support import JOB, end, looking


def test_a_line_a_minute_shows_the_progress(read_log: ReadLog) -> None:
    now = 1000.0
    with LogView(clock=lambda: now) as view:
        looking(view.observe, 3, 18)
        outcomes: list[JobOutcome] = ["synced", "failed"]
        for number, outcome in enumerate(outcomes):
            job = replace(JOB, key=str(number))
            view.observe(JobStarted(job))
            moved = 3_000_000 if outcome == "synced" else None
            view.observe(end(job, outcome, moved))
        view.observe(JobStarted(JOB))
        view.observe(JobProgressed(JOB, "copy:a", 600_000, 1_000_000))
        left = Outstanding(due=5, waiting=2, held=1, running=1, next_at=None)
        view.queue(left)
        now += 59
        view.queue(left)
        assert read_log() == []
        now += 1
        view.queue(left)
        [line] = read_log()
        assert {name: value for name, value in line.items() if name not in {"time", "level"}} == {
            "event": "sync_progress", "message": "progress",
            "looked": "3/18", "synced": 1, "failed": 1, "skipped": 0, "running": 1, "queued": 5,
            "waiting": 2, "held": 1, "paused": 0, "moved": 3_600_000, "rate": 60_000,
        }  # fmt: skip
        view.queue(left)
        assert read_log() == []
        view.observe(JobProgressed(JOB, "copy:a", 900_000, 1_000_000))
        now += 60
        view.queue(left)
        [line] = read_log()
        assert (line["moved"], line["rate"]) == (3_900_000, 5_000)


def test_it_prints_nothing(read_log: ReadLog) -> None:
    with LogView() as view:
        view.queue(Outstanding(due=0, waiting=0, held=0, running=0, next_at=None))
    assert read_log() == []
