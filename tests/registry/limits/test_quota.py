"""Pull quota: what is left, and when the next tag may be pulled."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.registry.limits.host_limits import HostLimits
from ferryman.registry.limits.quota import PULLS, PullQuotas, Quota
from tests.registry.conftest import Connect
from tests.registry.test_client import DIGEST, PATH, reference
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, says

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
WINDOW = timedelta(hours=6)
HUB = "docker.io"


def quota(remaining: int, *, ago: timedelta = timedelta(), seen_ago: timedelta = timedelta()) -> Quota:
    """A quota that was seen a while ago, and whose pulls have become fewer for a while."""
    return Quota(100, remaining, WINDOW, seen_at=NOON - seen_ago, since=NOON - ago)


def headers(remaining: int, *, limit: int = 100, window: str = ";w=21600") -> dict[str, str]:
    return {"ratelimit-limit": f"{limit}{window}", "ratelimit-remaining": f"{remaining}{window}"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"}, Quota(100, 76, WINDOW, NOON, NOON)),
        ({"ratelimit-limit": "100", "ratelimit-remaining": "0"}, Quota(100, 0, None, NOON, NOON)),
        ({"ratelimit-limit": "lots", "ratelimit-remaining": "-1"}, None),
        ({}, None),
    ],
)
def test_reading_the_headers(headers: dict[str, str], expected: Quota | None) -> None:
    limits = HostLimits(clock=ManualClock(NOON))
    limits.observe_quota(HUB, headers)
    assert limits.quota(HUB) == expected


@pytest.mark.parametrize("remaining", [100, 50, 21])
def test_with_enough_pulls_left_nothing_waits(remaining: int) -> None:
    assert quota(remaining).next_tag(now=NOON, last_at=NOON) == NOON


def test_remaining_pulls_are_spread_evenly_over_the_window() -> None:
    left = quota(18, ago=timedelta(hours=2))  # four hours to go; two pulls are reserved: eight tags
    assert left.tags_left() == 8
    assert left.next_tag(now=NOON, last_at=NOON) == NOON + timedelta(minutes=30)
    assert left.next_tag(now=NOON, last_at=NOON - timedelta(minutes=20)) == NOON + timedelta(minutes=10)
    assert left.next_tag(now=NOON, last_at=NOON - timedelta(hours=1)) == NOON
    assert left.next_tag(now=NOON) == NOON  # none has gone yet


@pytest.mark.parametrize("remaining", [0, 1, 2, 3])
def test_with_no_pulls_left_it_waits_until_one_is_returned(remaining: int) -> None:
    again = WINDOW / 100 * PULLS
    assert quota(remaining).next_tag(now=NOON) == NOON + again
    assert quota(remaining, seen_ago=again).next_tag(now=NOON) == NOON


def test_tags_granted_since_the_answer_are_counted() -> None:
    assert quota(22).next_tag(now=NOON, granted=1, last_at=NOON) > NOON
    assert quota(5).next_tag(now=NOON, granted=1) > NOON


@pytest.mark.parametrize("quota", [Quota(100, 0, None, NOON, NOON), Quota(0, 0, WINDOW, NOON, NOON)])
def test_without_a_window_nothing_waits(quota: Quota) -> None:
    assert quota.next_tag(now=NOON, last_at=NOON) == NOON


def test_an_old_answer_is_ignored() -> None:
    assert quota(0, seen_ago=WINDOW).next_tag(now=NOON, last_at=NOON) == NOON


def test_a_window_starts_with_the_first_answer_and_again_when_pulls_are_returned() -> None:
    pulls = PullQuotas()
    for minutes, remaining in ((0, 100), (10, 40), (20, 12), (30, 30), (40, 29)):
        pulls.read(HUB, headers(remaining), now=NOON + timedelta(minutes=minutes))
    found = pulls.quota(HUB)
    assert found is not None
    assert found.since == NOON + timedelta(minutes=30)
    pulls.read(HUB, headers(29), now=NOON + timedelta(minutes=30) + WINDOW)
    found = pulls.quota(HUB)
    assert found is not None
    assert found.since == found.seen_at


def test_a_registry_without_quota_headers_is_not_limited() -> None:
    pulls = PullQuotas()
    pulls.read("quay.io", {}, now=NOON)
    assert pulls.grant("quay.io", now=NOON) is None
    assert not pulls.is_outdated("quay.io", now=NOON)


def test_concurrent_workers_do_not_share_one_pull() -> None:
    pulls = PullQuotas()
    pulls.read(HUB, headers(14), now=NOON)  # six tags in six hours
    assert pulls.grant(HUB, now=NOON) is None
    assert {pulls.grant(HUB, now=NOON) for _ in range(3)} == {NOON + timedelta(hours=1)}


@given(st.sampled_from([100, 200]), st.integers(0, 400), st.integers(1, PULLS), st.integers(0, 100))
def test_no_pull_is_refused_in_a_sliding_window(limit: int, tags: int, cost: int, before: int) -> None:
    """Tags one after the other as soon as they may, a fake Hub that counts; some pulls were made by others before."""
    now, pulls = NOON, PullQuotas()
    made = [NOON - timedelta(minutes=1)] * min(before, limit)
    pulls.read(HUB, headers(limit - len(made), limit=limit), now=now)
    for _ in range(tags):
        for _ in range(3):  # a wait, and a free question after it
            if pulls.is_outdated(HUB, now=now):
                made = [each for each in made if each > now - WINDOW]
                pulls.read(HUB, headers(limit - len(made), limit=limit), now=now)
            at = pulls.grant(HUB, now=now)
            if at is None:
                made = [each for each in made if each > now - WINDOW] + [now] * cost
                assert len(made) <= limit
                pulls.read(HUB, headers(limit - len(made), limit=limit), now=now)
                break
            now = at
    assert now - NOON <= tags * WINDOW


async def test_a_used_up_quota_is_asked_for_by_head_before_a_pull(
    faulty: Faulty, connect: Connect, clock: ManualClock
) -> None:
    answers = [
        says(200, Docker_Content_Digest=DIGEST, Content_Type="x/y", ratelimit_limit="100;w=21600",
             ratelimit_remaining=f"{remaining};w=21600")
        for remaining in (1, 1, 60)
    ]  # fmt: skip
    faulty.on(f"HEAD {PATH}", *answers)
    client, again = connect(), WINDOW / 100 * PULLS
    assert await client.pull_at(reference(faulty)) is None
    await client.head_manifest(reference(faulty))
    for _ in range(2):
        assert await client.pull_at(reference(faulty)) == clock.now() + again
    clock.advance(again.total_seconds())
    assert await client.pull_at(reference(faulty)) == clock.now() + again
    clock.advance(again.total_seconds())
    assert await client.pull_at(reference(faulty)) is None
    assert [asked.method for asked in faulty.asked] == ["HEAD"] * 3


def test_setting_the_clock_back_makes_the_quota_unknown() -> None:
    clock = ManualClock(NOON)
    pulls = PullQuotas()
    pulls.read(HUB, headers(0), now=clock.now())
    waits_until = pulls.grant(HUB, now=clock.now())
    assert waits_until is not None
    clock.set_by(-8 * 3600)
    assert pulls.is_outdated(HUB, now=clock.now()), "a question is free"
    assert pulls.grant(HUB, now=clock.now()) is None
    pulls.read(HUB, headers(0), now=clock.now())
    again = pulls.grant(HUB, now=clock.now())
    assert again is not None
    assert again - clock.now() == waits_until - NOON
