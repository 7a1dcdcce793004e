"""The live view, drawn on terminals of several sizes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from ferryman.events import JobInfo, JobOutcome, JobProgressed, JobStarted
from ferryman.store.records import Outstanding
from ferryman.views.live_view import LiveView
from tests.support.upstreams import NOON
from tests.views.support import JOB, NOTHING_LEFT, end, looking


class Screen:
    """A view, and its text on the screen."""

    def __init__(self, *, width: int, height: int) -> None:
        self._width, self._height = width, height
        self.now = 0.0
        console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width, height=height)
        self.view = LiveView(console, clock=lambda: self.now)

    @property
    def lines(self) -> list[str]:
        """What the view looks like now; raises what the drawing raises."""
        drawn = io.StringIO()
        Console(file=drawn, color_system=None, width=self._width, height=self._height).print(self.view)
        return drawn.getvalue().splitlines()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def live(*, width: int = 160, height: int = 40) -> Iterator[Screen]:
    screen = Screen(width=width, height=height)
    screen.view._live.auto_refresh = False  # drawn when the test looks, and by no thread besides
    with screen.view:
        yield screen


def job(number: int, name: str = "etcd:v3.5.0") -> JobInfo:
    item, _, tag = name.partition(":")
    return replace(JOB, key=str(number), item=item, tag=tag)


def test_while_it_looks_it_says_so() -> None:
    with live() as screen:
        assert "looking at" in screen.text
        looking(screen.view.observe, 3, 18)
        assert "3 of 18 items" in screen.text
        screen.view.queue(NOTHING_LEFT)
        looking(screen.view.observe, 18, 18)
        assert "looking" not in screen.text


def test_it_counts_what_ended_and_what_is_left() -> None:
    with live() as screen:
        view = screen.view
        outcomes: list[JobOutcome] = ["synced", "synced", "failed", "skipped", "again", "stopped"]
        for number, outcome in enumerate(outcomes):
            view.observe(JobStarted(job(number)))
            moved = 1500 if outcome == "synced" else None
            view.observe(end(job(number), outcome, moved))
        view.queue(Outstanding(due=3, waiting=2, held=5, running=1, next_at=NOON))
        screen.now = 83.0
        text = screen.text
    assert "4 of 10 tags" in text
    assert "2 synced, 1 failed, 1 skipped, 4 queued, 2 waiting until 12:00:00 UTC, 5 held, 3.0 kB at 0 bytes/s" in text
    assert "for 0:01:23" in text


def test_it_shows_the_remaining_time_once_it_can_be_estimated() -> None:
    with live() as screen:
        looking(screen.view.observe, 0, 1)
        screen.view.queue(Outstanding(due=4, waiting=0, held=0, running=0, next_at=None))
        screen.view.observe(JobStarted(job(1)))
        screen.view.observe(end(job(1), "synced"))
        screen.now = 60.0
        assert "left" not in screen.text
        looking(screen.view.observe, 1, 1)
        assert "for 0:01:00, about 0:03:00 left" in screen.text


def test_a_running_tag_has_a_bar_with_its_bytes() -> None:
    with live() as screen:
        screen.view.queue(NOTHING_LEFT)
        screen.view.observe(JobStarted(JOB))
        assert "etcd:v3.5.0" in screen.text
        screen.view.observe(JobProgressed(JOB, "copy:a", 0, 1_000_000))
        screen.view.observe(JobProgressed(JOB, "copy:b", 500_000, 1_000_000))
        [bar] = [line for line in screen.lines if "etcd:v3.5.0" in line]
        assert bar.split()[-4:] == ["25%", "copy", "500.0", "kB"]
        screen.view.observe(end(JOB, "synced"))
        assert "etcd:v3.5.0" not in screen.text


def test_names_in_a_bar_are_not_taken_for_markup() -> None:
    with live() as screen:
        screen.view.observe(JobStarted(job(1, "[/] [red]etcd:v3.5.0")))
        assert "[/] [red]etcd:v3.5.0" in screen.text


def test_a_tag_can_be_tried_again() -> None:
    with live() as screen:
        outcomes: list[JobOutcome] = ["again", "synced"]
        for number, outcome in enumerate(outcomes):
            screen.view.observe(JobStarted(job(number)))
            screen.view.observe(JobProgressed(job(number), "pull:a", 1, 10))
            screen.view.observe(end(job(number), outcome))
        screen.view.queue(NOTHING_LEFT)
        assert "1 of 1 tag" in screen.text


def test_the_last_warning_is_shown_below_in_one_line() -> None:
    with live(width=80) as screen:
        screen.view.notice("error: the Docker Engine is away; waiting for it: " + "a long sentence " * 9 + "the end")
        assert screen.lines[-1].startswith("error: the Docker Engine is away")
        assert screen.lines[-1].rstrip().endswith("the end")
        screen.view.notice("warning: [bold]")
        assert screen.lines[-1].rstrip() == "warning: [bold]"


@pytest.mark.parametrize("width", [24, 40, 80, 120, 200])
@pytest.mark.parametrize("height", [8, 24])
def test_nothing_wraps_and_nothing_is_taller_than_the_terminal(width: int, height: int) -> None:
    with live(width=width, height=height) as screen:
        looking(screen.view.observe, 3, 18_000)
        screen.view.queue(
            Outstanding(due=123_456, waiting=98_765, held=45_678, running=12, next_at=NOON)
        )  # fmt: skip
        for number in range(30):
            names = ["a:1", "镜像仓库同步:最新版本", "nginx-ingress-controller:v1.11.0-rc.0-linux-amd64-debian-12" * 2]
            screen.view.observe(JobStarted(job(number, names[number % 3])))
            screen.view.observe(JobProgressed(job(number, names[number % 3]), "2/3 push:a", 10**12, 10**13))
        screen.view.notice("a warning " * 30)
        screen.now = 10**6
        lines = screen.lines
    assert max(map(cell_len, lines)) <= width - 3  # the ^C of a terminal has room
    assert len(lines) < height
    if width >= 80:
        assert "… and " in "\n".join(lines)
        assert any("3 of 18,000 items" in line for line in lines)
        assert any("0 of 222,233 tags" in line for line in lines)


amounts = st.one_of(st.integers(-1, 3), st.integers(0, 2**62))


@given(st.lists(st.tuples(st.sampled_from("ab"), amounts, st.one_of(st.none(), amounts)), max_size=8))
def test_any_sequence_of_progress_can_be_drawn(told: list[tuple[str, int, int | None]]) -> None:
    with live() as screen:
        screen.view.queue(NOTHING_LEFT)
        screen.view.observe(JobStarted(JOB))
        for part, done, total in told:
            screen.view.observe(JobProgressed(JOB, part, done, total))
            assert screen.lines
        screen.view.observe(end(JOB, "synced"))


def test_progress_that_comes_late_is_ignored() -> None:
    with live() as screen:
        screen.view.queue(NOTHING_LEFT)
        screen.view.observe(JobStarted(JOB))
        screen.view.observe(end(JOB, "stopped"))
        screen.view.observe(JobProgressed(JOB, "pull:a", 1, 2))
        assert "etcd:v3.5.0" not in screen.text
