"""What is told when: once, again after a day, once when it is over; gathered; and nothing in quiet hours."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ferryman.daytime import PartOfDay
from ferryman.items.model import FAILURES, Recipient
from ferryman.kinds import NotifyEvent
from ferryman.notify.causes import Cause
from ferryman.notify.decisions import decide, due, is_told
from ferryman.store.notices import Notice, Phase

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SUBJECTS = {"", "r.io", "r.io/a", "r.io/b"}


def cause(key: str = "login r.io", event: NotifyEvent = "login", subject: str = "r.io", **options: object) -> Cause:
    return Cause(key, event, subject, NOON, {"n": 1}, **options)  # type: ignore[arg-type]


def item(name: str, **options: object) -> Cause:
    return cause(f"incomplete r.io/{name}", "incomplete", f"r.io/{name}", gathered="denied quay.io", **options)


class Book:
    """The notices as they are recorded from one decision to the next."""

    def __init__(self) -> None:
        self.notices: dict[str, Notice] = {}

    def told(self, now: datetime, *causes: Cause, subjects: set[str] = SUBJECTS) -> list[tuple[str, Phase]]:
        decided = decide(self.notices.values(), causes, subjects, now)
        self.notices |= {notice.key: notice for notice in decided.changed}
        for key in decided.forgotten:
            self.notices.pop(key, None)
        return [(notice.key, phase) for notice, phase in decided.told]


@pytest.fixture
def book() -> Book:
    return Book()


def test_a_cause_is_told_once_and_again_after_a_day_and_once_when_it_is_over(book: Book) -> None:
    assert book.told(NOON, cause()) == [("login r.io", "began")]
    assert book.told(NOON + DAY - MINUTE, cause()) == []
    assert book.told(NOON + DAY, cause()) == [("login r.io", "again")]
    assert book.told(NOON + DAY + MINUTE, cause()) == []
    assert book.told(NOON + 2 * DAY) == [("login r.io", "over")]
    assert book.told(NOON + 2 * DAY + MINUTE) == []


def marked(at: datetime) -> Cause:
    return replace(cause("prune r.io/a", "prune", "r.io/a"), facts={"last": at.timestamp()})


def test_marked_tags_are_told_again_when_there_are_more_and_not_after_a_day(book: Book) -> None:
    assert book.told(NOON, marked(NOON)) == [("prune r.io/a", "began")]
    assert book.told(NOON + 2 * DAY, marked(NOON)) == []
    assert book.told(NOON + 3 * DAY, marked(NOON - HOUR)) == []  # the newest is wanted again
    assert book.told(NOON + 3 * DAY, marked(NOON + 3 * DAY)) == [("prune r.io/a", "began")]
    assert book.told(NOON + 4 * DAY) == [("prune r.io/a", "over")]


def test_more_marked_tags_are_told_once_the_gathering_is_over(book: Book) -> None:
    book.told(NOON, marked(NOON))
    assert book.told(NOON + MINUTE, marked(NOON + MINUTE)) == []
    assert book.told(NOON + 15 * MINUTE, marked(NOON + MINUTE)) == [("prune r.io/a", "began")]


def test_marks_of_a_clock_that_was_ahead_hide_none_that_follow(book: Book) -> None:
    book.told(NOON + DAY, marked(NOON + DAY))
    assert book.told(NOON, marked(NOON + DAY)) == []
    later = NOON + HOUR
    assert book.told(later, marked(later)) == [("prune r.io/a", "began")]
    assert book.told(later + HOUR, marked(later)) == []


def test_what_begins_again_is_told_again(book: Book) -> None:
    book.told(NOON, cause())
    book.told(NOON + HOUR)
    assert book.told(NOON + 2 * HOUR, cause()) == [("login r.io", "began")]
    assert book.notices["login r.io"].over_at is None


def test_what_is_not_certain_neither_begins_nor_ends(book: Book) -> None:
    trying = item("a", is_certain=False)
    assert book.told(NOON, trying) == []
    assert book.told(NOON + MINUTE, item("a")) == [("incomplete r.io/a", "began")]
    assert book.told(NOON + 2 * DAY, trying) == []
    assert book.told(NOON + 2 * DAY + MINUTE) == [("incomplete r.io/a", "over")]


def test_others_of_a_cause_are_gathered(book: Book) -> None:
    assert book.told(NOON, item("a")) == [("incomplete r.io/a", "began")]
    assert book.told(NOON + MINUTE, item("a"), item("b")) == []
    assert book.told(NOON + 15 * MINUTE, item("a"), item("b")) == [("incomplete r.io/b", "began")]
    assert book.told(NOON + HOUR, item("b")) == [("incomplete r.io/a", "over")]
    assert book.told(NOON + HOUR + MINUTE) == []
    assert book.told(NOON + HOUR + 15 * MINUTE) == [("incomplete r.io/b", "over")]


def test_what_was_never_told_is_never_over(book: Book) -> None:
    book.told(NOON, item("a"))
    assert book.told(NOON + MINUTE, item("a"), item("b")) == []
    assert book.told(NOON + 2 * MINUTE, item("a")) == []
    assert book.told(NOON + HOUR, item("a")) == []


def test_a_removed_item_is_forgotten_silently(book: Book) -> None:
    book.told(NOON, item("a"))
    assert book.told(NOON + HOUR, subjects={"", "r.io"}) == []
    assert book.notices == {}


def test_what_is_over_is_forgotten_after_a_day(book: Book) -> None:
    book.told(NOON, cause())
    book.told(NOON + HOUR)
    book.told(NOON + HOUR + DAY)
    assert book.notices == {}


def test_changes_upstream_are_news_that_never_end(book: Book) -> None:
    def changed(number: int) -> Cause:
        return replace(cause("changed", "changed", ""), facts={"last": number})

    assert book.told(NOON, changed(1)) == [("changed", "began")]
    assert book.told(NOON + MINUTE) == []
    assert book.told(NOON + 2 * MINUTE, changed(2)) == []  # gathered
    assert book.notices["changed"].facts == {"last": 1}
    assert book.told(NOON + HOUR, changed(3)) == [("changed", "began")]
    assert book.notices["changed"].facts == {"last": 3}


def test_facts_stay_fresh_while_it_lasts(book: Book) -> None:
    book.told(NOON, cause())
    book.told(NOON + MINUTE, replace(cause(), facts={"n": 2}))
    assert book.notices["login r.io"].facts == {"n": 2}
    assert book.notices["login r.io"].since == NOON


def test_times_of_a_clock_that_was_ahead_count_as_now(book: Book) -> None:
    book.told(NOON + 1000 * DAY, cause())
    assert book.told(NOON, cause()) == []
    assert book.told(NOON + DAY, cause()) == [("login r.io", "again")]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (["login"], ["began", "again"]),
        (["login", "recovered"], ["began", "again", "over"]),
        (FAILURES, ["began", "again", "over"]),
        (["disk", "recovered"], []),
    ],
)
def test_a_recipient_is_told_of_its_events_and_of_their_end_if_it_wants(
    events: Sequence[NotifyEvent], told: Sequence[Phase]
) -> None:
    notice = Notice("k", "login", "r.io", "g", NOON, {}, NOON)
    phases: list[Phase] = ["began", "again", "over"]
    assert [each for each in phases if is_told(Recipient("x://", frozenset(events)), notice, each)] == told


@pytest.mark.parametrize(
    ("event", "phase", "hour", "at"),
    [
        ("incomplete", "began", 12, NOON.replace(hour=12, second=7)),
        ("incomplete", "began", 23, NOON.replace(hour=8) + DAY),
        ("login", "began", 23, NOON.replace(hour=23, second=7)),
        ("login", "again", 2, NOON.replace(hour=2, second=7)),
        ("login", "over", 2, NOON.replace(hour=8)),
    ],
)
def test_quiet_hours_hold_back_all_but_a_refused_login(
    monkeypatch: pytest.MonkeyPatch, event: NotifyEvent, phase: Phase, hour: int, at: datetime
) -> None:
    monkeypatch.setattr("ferryman.daytime.minute_of_day", lambda moment: moment.hour * 60 + moment.minute)
    recipient = Recipient("x://", quiet=PartOfDay.parse("22:00-08:00"))
    notice = Notice("k", event, "r.io", "g", NOON, {}, NOON)
    assert due(recipient, notice, phase, NOON.replace(hour=hour, second=7)) == at
