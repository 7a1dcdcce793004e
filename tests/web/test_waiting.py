"""The page of the queue: in which order tags go, what each waits for, and when it is expected."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ferryman.bandwidth import Bandwidth
from ferryman.clock import SystemClock
from ferryman.operations.waiting import Supplies
from ferryman.registry.limits.quota import Quota
from ferryman.store.records import Intent, ManualPause, Paused, WaitingTag
from ferryman.store.samples import Sample
from ferryman.web.waiting_rows import Rate, rate_of, rows
from tests.web.conftest import StartSite
from tests.web.support import TOKEN, Site
from tests.web.test_actions import fail
from tests.web.test_pages import ITEM, enqueue

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
QUOTA = "quay.io: 3 of 100 pulls are left; the rest of them is spread over time"


def waiting(
    name: str, run_at: datetime | None, *, reason: str = "new", kind: str | None = None, error: str = ""
) -> WaitingTag:
    return WaitingTag(
        1, "etcd", ITEM.source, ITEM.target, name, 0, run_at, reason, 0, error or None, kind, "quay.io", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "why", "expected"),
    [
        (waiting("1", NOW), "waits for a free worker", NOW),
        (waiting("1", None, reason="paused"), "waits until quay.io accepts the login", None),
        (waiting("1", LATER, reason="paused"), "waits for the rate limit of quay.io", LATER),
        (
            waiting("1", LATER, reason="rate-limited", kind="rate-limited", error=QUOTA),
            "waits for the pull quota of quay.io",
            LATER,
        ),
        (
            waiting("1", LATER, reason="unreachable", kind="unreachable"),
            "tried again after a failure: quay.io cannot be reached",
            LATER,
        ),
    ],
    ids=["worker", "login", "limit", "quota", "retry"],
)  # fmt: skip
def test_what_a_tag_waits_for(tag: WaitingTag, why: str, expected: datetime | None) -> None:
    [row] = rows([tag], Paused(), Rate(12, timedelta(hours=1)), Supplies(), now=NOW, before=0)
    assert (row.why, row.expected) == (why, expected)


def test_what_a_person_has_paused_waits_for_that_person_whatever_else() -> None:
    pause = ManualPause("item", ITEM.target, NOW, "token", "moving")
    [row, other] = rows(
        [waiting("1", NOW), waiting("2", None)],
        Paused.of([pause]),
        Rate(1, timedelta(hours=1)),
        Supplies(),
        now=NOW,
        before=0,
    )
    assert row.why == other.why == "paused by token: moving"
    assert (row.place, row.expected) == (None, None)


def test_the_forecast_goes_by_the_place_among_those_that_may_run() -> None:
    later = waiting("later", NOW + timedelta(days=1))
    made = rows(
        [waiting("1", NOW), later, waiting("2", NOW)],
        Paused(),
        Rate(6, timedelta(hours=1)),
        Supplies(),
        now=NOW,
        before=3,
    )
    assert [row.place for row in made] == [4, None, 5]
    assert made[2].expected == NOW + timedelta(minutes=40)

    [row] = rows([waiting("1", NOW)], Paused(), rate_of([]), Supplies(), now=NOW, before=0)
    assert row.expected is None


def test_pulls_that_are_left_and_bandwidth_are_told_and_delay_the_forecast() -> None:
    quota = Quota(100, 5, timedelta(hours=5), seen_at=NOW, since=NOW)  # of which two are left for others: one tag
    supplies = Supplies({"quay.io": quota}, Bandwidth(5e6))
    tags = [waiting(name, NOW) for name in "12"]
    first, second = rows(tags, Paused(), Rate(60, timedelta(hours=1)), supplies, now=NOW, before=0)

    assert (first.why, first.slowed) == ("waits for a free worker", "all copies get 4.8 MiB a second now")
    tag = timedelta(hours=5) / 50
    assert [row.expected for row in (first, second)] == [NOW, NOW + tag]

    used_up = replace(quota, remaining=0)
    [row] = rows(tags[:1], Paused(), rate_of([]), Supplies({"quay.io": used_up}), now=NOW, before=0)
    assert (row.why, row.expected) == ("waits for the pull quota of quay.io", NOW + tag)


def test_the_rate_is_that_of_all_attempts() -> None:
    sample = Sample(NOW, 0, 0, 0, 0, 0.0, copies=4, failures=2, bytes_moved=0, bytes_reused=0)
    assert rate_of([sample, sample]) == Rate(12, timedelta(minutes=10))
    stuck, resting = (replace(sample, due=due, copies=0, failures=0) for due in (3, 0))
    assert rate_of([resting, sample, stuck, resting]) == Rate(6, timedelta(minutes=10))


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    """Somebody is logged in who may act."""
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await site.log_in(TOKEN)
    return site


async def test_the_queue_is_shown_in_its_order_and_paged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.web.pages.waiting._ROWS", 2)
    await enqueue(site, *(f"v{number}" for number in range(5)))
    retried = await fail(site, retry=True)

    first = (await site.get("/waiting")).text
    assert names(first) == ["etcd:v1", "etcd:v2"]
    second = (await site.get(next_of(first))).text
    assert names(second) == ["etcd:v3", "etcd:v4"]
    assert '<td class="number">4</td>' in second
    third = (await site.get(next_of(second))).text
    assert names(third) == [f"etcd:{retried.tag}"]
    assert "tried again after a failure: quay.io denies access" in third
    assert 'rel="next"' not in third
    assert (await site.get("/waiting?after=broken")).status == 400


def names(text: str) -> list[str]:
    return [cell.partition("</a>")[0].rpartition(">")[2] for cell in text.split('<th scope="row" class="name">')[1:]]


def next_of(text: str) -> str:
    link = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    return f"/waiting{link}"


async def test_what_holds_the_queue_is_shown_with_what_ends_it(site: Site) -> None:
    await enqueue(site, "1", "2")
    record = site.app.record
    await record.queue.pause("quay.io", until=SystemClock().now() + timedelta(hours=1), error="429")
    await record.manual_pauses.pause(
        "item", ITEM.target, intent=Intent("token", "pause", ITEM.target, "moving the <b>registry</b>")
    )

    text = (await site.get("/waiting")).text

    for part in (
        "etcd is paused",
        "moving the &lt;b&gt;registry&lt;/b&gt;",
        "quay.io limits requests",
        "2 queued tags wait.",
    ):
        assert part in text
    assert "/actions/resume" in text
    assert "Queue 2 tags again (quay.io limits requests)?" in text
    assert "No service is running." in text


async def test_nothing_waits_and_a_filter_by_item(site: Site) -> None:
    assert "Nothing waits." in (await site.get("/waiting")).text
    await enqueue(site, "1")
    assert names((await site.get("/waiting?item=ETC")).text) == ["etcd:1"]
    assert "Nothing waits." in (await site.get("/waiting?item=other")).text
