"""When a tag's digest is asked for again: by its name and its history, over weeks, and under clocks that jump."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.kinds import ProbeMode, ProbeReason
from ferryman.probing import ProbeRules, next_probe
from ferryman.store.records import TagRecord
from tests.support.upstreams import made_up_digest

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
CYCLE = 6 * HOUR
LEARNED = ProbeRules()
SIGNATURE = f"sha256-{'a1' * 32}.sig"
IMMUTABLE = ProbeRules((re.compile(r"v?\d+\.\d+\.\d+"),))


def tag(name: str = "1.27.3", **known: object) -> TagRecord:
    """A synced tag that was first seen, and asked for, now."""
    record = TagRecord(
        id=1, item="nginx", source="r.io/nginx", target="r.io/mirror/nginx", tag=name, status="synced", reason=None,
        source_digest=made_up_digest(name), pushed_at=None, platform_digests=None, first_seen_at=NOW, last_seen_at=NOW,
        gone_at=None, mirrored_digest=made_up_digest(name), mirrored_platforms=None, target_digest=None, identical=None,
        degraded=None, referrers=None, synced_at=NOW, attempts=1, run_at=None, error=None, error_kind=None,
        probed_at=NOW,
    )  # fmt: skip
    return replace(record, **known)  # type: ignore[arg-type]  # a test's own words


def reason(record: TagRecord, rules: ProbeRules = LEARNED, *, now: datetime = NOW) -> ProbeReason:
    return next_probe(record, rules, cycle=CYCLE, now=now).reason


def is_due(record: TagRecord, rules: ProbeRules = LEARNED, *, cycle: timedelta = CYCLE, now: datetime = NOW) -> bool:
    return next_probe(record, rules, cycle=cycle, now=now).is_due(now)


def asked_at(
    record: TagRecord, cycles: list[datetime], rules: ProbeRules = LEARNED, *, cycle: timedelta = CYCLE
) -> list[datetime]:
    """The cycles that ask for the tag."""
    asked = []
    for now in cycles:
        if is_due(record, rules, cycle=cycle, now=now):
            asked.append(now)
            record = replace(record, probed_at=now)
    return asked


def a_week(cycle: timedelta = CYCLE) -> list[datetime]:
    return [NOW + cycle * number for number in range(1, int(7 * DAY / cycle) + 1)]


# By the name


@pytest.mark.parametrize(
    "name",
    ["1.27.3", "v1.2.3", "1.2.3-alpine3.19", "v1.30.0-rc.1", "1.2.3.4", "20240131", "2024-01-31", "2024.01.31-slim",
     "v20240131-1a2b3c4", "1a2b3c4", "sha-1a2b3c4"],
)  # fmt: skip
def test_a_name_of_one_build_is_asked_for_once_a_day(name: str) -> None:
    assert reason(tag(name)) == "build"
    assert not is_due(tag(name))


@pytest.mark.parametrize("name", ["latest", "stable", "alpine", "main", "latest-amd64", "Stable-2", "bookworm-slim"])
def test_a_name_for_what_changes_is_asked_for_in_every_cycle_however_long_it_rests(name: str) -> None:
    for now in (NOW, NOW + 10 * YEAR):
        record = tag(name, probed_at=now)
        assert reason(record, now=now) == "floating"
        assert is_due(record, now=now)


@pytest.mark.parametrize("name", ["1.27", "v1", "1.27-alpine", "3", "8u202", "ubuntu-22.04", "build-12", SIGNATURE])
def test_another_name_rests_once_it_has_not_moved_for_long(name: str) -> None:
    assert reason(tag(name)) == "young"
    assert is_due(tag(name))
    still = tag(name, first_seen_at=NOW - 30 * DAY)
    assert reason(still) == "still"
    assert not is_due(still)


def test_an_image_that_was_built_long_ago_does_not_make_its_tag_rest() -> None:
    assert reason(tag("1.27", pushed_at=NOW - 10 * YEAR)) == "young"


# By the history


@pytest.mark.parametrize("rules", [LEARNED, IMMUTABLE])
@pytest.mark.parametrize("name", ["1.27", "v1.2.3", "20240131"])
def test_what_moved_lately_is_asked_for_in_every_cycle(name: str, rules: ProbeRules) -> None:
    moved = tag(name, first_seen_at=NOW - YEAR, moved_at=NOW - 29 * DAY)
    assert reason(moved, rules) == "moved"
    assert is_due(moved, rules)
    assert not is_due(replace(moved, moved_at=NOW - 30 * DAY), rules)


@pytest.mark.parametrize("record", [tag(probed_at=None), tag(source_digest=None)])
def test_what_is_not_known_is_asked_for_at_once(record: TagRecord) -> None:
    assert reason(record) == "unknown"
    assert is_due(record)


@pytest.mark.parametrize(
    "record", [tag(status="queued"), tag(status="running"), tag(status="failed"), tag(error="not found")]
)
def test_what_waits_or_failed_is_asked_for_in_every_cycle(record: TagRecord) -> None:
    assert reason(record) == "waiting"
    assert is_due(record)


def test_what_lacks_the_platform_rests_as_well() -> None:
    assert not is_due(tag(status="skipped", reason="platform", error="for linux/s390x only"))


@pytest.mark.parametrize("mode", ["learned", "always"])
def test_everything_is_asked_for_always_where_items_yml_says_so(mode: ProbeMode) -> None:
    rules = ProbeRules(IMMUTABLE.immutable, mode)
    assert is_due(tag("v1.2.3"), rules) == (mode == "always")


# Over time


@given(name=st.from_regex(r"v?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True), minutes=st.integers(1, 2 * 1440))
def test_no_day_passes_without_a_question_however_long_the_cycles_are(name: str, minutes: int) -> None:
    cycle = timedelta(minutes=minutes)
    cycles = [NOW + cycle * number for number in range(1, int(5 * DAY / cycle) + 2)]
    asked = [NOW, *asked_at(tag(name), cycles, cycle=cycle)]
    assert max(later - earlier for earlier, later in pairwise(asked)) <= max(cycle, DAY + cycle / 10)
    assert cycles[-1] - asked[-1] <= max(cycle, DAY + cycle / 10)


@given(late=st.lists(st.integers(-300, 300), min_size=28, max_size=28), number=st.integers(0, 999))
def test_cycles_that_come_a_little_late_cost_no_day(late: list[int], number: int) -> None:
    cycles = [at + timedelta(seconds=seconds) for at, seconds in zip(a_week(), late, strict=True)]
    asked = [NOW, *asked_at(tag(f"1.2.{number}"), cycles)]
    assert max(later - earlier for earlier, later in pairwise(asked)) <= DAY + timedelta(minutes=10)


def test_a_thousand_tags_are_asked_for_seven_times_a_week_and_never_all_at_once() -> None:
    asked = [asked_at(tag(f"1.2.{number}"), a_week()) for number in range(1000)]
    assert {len(each) for each in asked} == {7}
    by_cycle = Counter(at for each in asked for at in each)
    assert len(by_cycle) == 28
    assert max(by_cycle.values()) < 300


def test_a_thousand_immutable_tags_are_asked_for_once_a_week_spread_over_its_cycles() -> None:
    asked = [asked_at(tag(f"1.2.{number}"), a_week(), IMMUTABLE) for number in range(1000)]
    assert {len(each) for each in asked} == {1}
    assert max(Counter(at for each in asked for at in each).values()) < 60


def test_daily_cycles_ask_for_everything() -> None:
    assert len(asked_at(tag(), a_week(DAY), cycle=DAY)) == 7


# Clocks that jump


@given(years=st.integers(-20, 20), number=st.integers(0, 999))
def test_a_clock_that_jumps_costs_one_question_and_no_rest_without_an_end(years: int, number: int) -> None:
    record, jumped = tag(f"1.2.{number}"), NOW + years * YEAR + CYCLE
    cycles = [jumped + CYCLE * following for following in range(8)]
    asked = asked_at(record, cycles)
    assert len(asked) in {2, 3}
    assert asked[0] - jumped < DAY
    back = asked_at(replace(record, probed_at=asked[-1]), a_week()[:8])  # and it is set right
    assert len(back) in {2, 3}
    assert back[0] - NOW <= DAY


def test_a_move_under_a_clock_that_was_ahead_does_not_count_for_years() -> None:
    assert reason(tag("1.2.3", moved_at=NOW + 10 * YEAR)) == "build"
