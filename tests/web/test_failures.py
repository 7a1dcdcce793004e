"""The page of failures: one group for each cause, with what mends it."""

from datetime import timedelta

import pytest

from ferryman.clock import SystemClock
from ferryman.kinds import NotifyEvent
from ferryman.remedies import remedy_for
from ferryman.store.notices import Delivery, Notice
from tests.web.conftest import StartSite
from tests.web.support import TOKEN, Site
from tests.web.test_actions import fail
from tests.web.test_pages import ITEM, enqueue

REFUSED = "quay.io: the login of 'me' was refused: check the credentials of this registry"


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    """Somebody is logged in who may act."""
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await site.log_in(TOKEN)
    return site


async def causes(site: Site) -> list[str]:
    """The text of each group, its heading first."""
    return (await site.get("/failures")).text.split('<section class="card cause"')[1:]


async def test_nothing_fails(site: Site) -> None:
    await enqueue(site, "1")
    text = (await site.get("/failures")).text
    assert "Nothing fails" in text
    assert "/actions/requeue" not in text


async def test_a_group_for_each_cause_the_newest_first(site: Site) -> None:
    await enqueue(site, "1", "2", "3", "4")
    first, second = await fail(site, kind="denied"), await fail(site, kind="denied", retry=True)
    third = await fail(site, kind="not-found", registry="registry.example.com")

    newest, older = await causes(site)

    assert "registry.example.com does not have it" in newest
    assert "1 tag failed" in newest
    assert f"etcd:{third.tag}" in newest
    assert "quay.io denies access" in older
    for text in (
        "1 tag failed",
        "1 tag is tried again",
        f"etcd:{first.tag}",
        f"etcd:{second.tag}",
        "Queue 2 tags again",
    ):
        assert text in older
    assert older.count("<pre>") == 1  # both say the same


async def test_a_refused_login_is_a_cause_with_what_waits_and_what_mends_it(site: Site) -> None:
    await enqueue(site, "1", "2")
    await site.app.record.queue.pause("quay.io", until=None, error=REFUSED)
    await site.app.record.ledger.note_lookup_failure(
        ITEM, REFUSED, now=SystemClock().now(), kind="login", registry="quay.io"
    )

    [text] = await causes(site)

    for part in ("quay.io refuses the login", "2 tags wait for this registry", "1 item cannot be looked at"):
        assert part in text
    assert remedy_for(REFUSED) in text
    assert "Try the login now" in text
    assert 'href="/items/etcd"' in text


async def test_each_error_of_a_cause_has_its_remedy_in_the_reader_s_language(site: Site) -> None:
    await site.app.record.ledger.note_lookup_failure(
        ITEM, "quay.io: no such host", now=SystemClock().now(), kind="unreachable", registry="quay.io"
    )
    text = (await site.get("/failures", headers={"Accept-Language": "zh"})).text
    assert "仓库或通往它的网络中断或被拦截" in text
    assert "quay.io 无法连接" in text


async def test_messages_that_do_not_arrive_are_shown(site: Site) -> None:
    now = SystemClock().now()
    event: NotifyEvent = "incomplete"
    notices = site.app.record.notices
    await notices.record(
        [Notice("key", event, ITEM.target, "group", now, {}, now)],
        forgotten=(),
        telling=[Delivery("hash", "the chat", "key", event, "began", now, {}, now)],
    )
    claimed = await notices.claim("hash", lease=timedelta(minutes=1))
    assert claimed is not None
    await notices.failed(claimed, "no <b>route</b>", retry_at=now + timedelta(minutes=5))

    text = (await site.get("/failures")).text

    assert "Messages that do not arrive" in text
    assert "the chat" in text
    assert "no &lt;b&gt;route&lt;/b&gt;" in text
