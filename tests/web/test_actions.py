"""What persons do on the page: the record after each form, the audit log, and the notice on the next page."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from ferryman.clock import SystemClock
from ferryman.store.records import AuditEntry, Job
from ferryman.store.verifications import WantedVerification
from ferryman.web.security.notices import COOKIE, Notices
from tests.support.clock import ManualClock
from tests.support.quarantine import quarantine
from tests.web.conftest import StartSite
from tests.web.support import READ_TOKEN, TOKEN, Answer, Site
from tests.web.test_pages import ITEM, enqueue

SURE = {"confirmed": "yes"}


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    """One with three queued tags, on which somebody is logged in who may act."""
    site = await start_site(FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN=READ_TOKEN)
    await enqueue(site, "1", "2", "3")
    await site.log_in(TOKEN)
    return site


async def act(site: Site, action: str, **form: str) -> Answer:
    """Send the form of an action from the page of failures."""
    shown = await site.form_token("/failures")
    return await site.post(f"/actions/{action}", {"form_token": shown, "next": "/failures", **form})


async def notice_after(site: Site, answer: Answer) -> str:
    """What the next page tells, once."""
    assert (answer.status, answer.location) == (303, "/failures"), answer.text
    text = (await site.get("/failures")).text
    assert "notice" not in (await site.get("/failures")).text
    return text.partition('<p class="notice" role="status">')[2].partition("</p>")[0]


async def fail(site: Site, *, kind: str = "denied", registry: str | None = "quay.io", retry: bool = False) -> Job:
    """Claim a tag, and let its copy fail."""
    job = await site.app.record.queue.claim()
    assert job is not None
    now = SystemClock().now()
    retry_at = now + timedelta(hours=1) if retry else None
    await site.app.record.queue.fail(
        job, started_at=now, kind=kind, error="no", retry_at=retry_at, registry=registry
    )  # fmt: skip
    return job


async def statuses(site: Site) -> Mapping[str, str]:
    return {
        tag: f"{each.status} {each.reason}" for tag, each in (await site.app.record.ledger.known(ITEM.target)).items()
    }


async def last_action(site: Site) -> AuditEntry:
    return (await site.app.record.actions.list())[0]


async def test_one_tag_is_queued_again_at_once(site: Site) -> None:
    job = await fail(site)

    assert await notice_after(site, await act(site, "requeue", item="etcd", tag=job.tag)) == "1 tag queued."

    assert (await statuses(site))[job.tag] == "queued requeued"
    entry = await last_action(site)
    assert (entry.actor, entry.action, entry.subject, entry.number) == (
        "token", "requeue", f"registry.example.com/m/etcd:{job.tag}", 1,
    )  # fmt: skip


async def test_all_that_failed_is_queued_again_after_a_question_that_says_how_many(site: Site) -> None:
    await fail(site)
    await fail(site)

    asked = await act(site, "requeue")
    assert "Queue 2 tags again (all that failed" in asked.text
    assert sorted((await statuses(site)).values()) == [
        "failed denied",
        "failed denied",
        "queued new",
        "skipped excluded",
    ]

    assert await notice_after(site, await act(site, "requeue", **SURE)) == "2 tags queued."
    assert (await last_action(site)).detail == "only what failed"


async def test_a_cause_is_queued_again_and_nothing_else(site: Site) -> None:
    denied, missing = await fail(site, kind="denied"), await fail(site, kind="not-found")
    retried = await fail(site, kind="denied", retry=True)

    asked = await act(site, "requeue", kind="denied", registry="quay.io")
    assert "Queue 2 tags again (quay.io denies access)?" in asked.text
    answer = await act(site, "requeue", kind="denied", registry="quay.io", **SURE)

    assert await notice_after(site, answer) == "2 tags queued."
    after = await statuses(site)
    assert after[denied.tag] == after[retried.tag] == "queued requeued"
    assert after[missing.tag] == "failed not-found"
    entry = await last_action(site)
    assert (entry.number, entry.detail) == (2, "quay.io denies access")


async def test_a_cause_ends_the_pause_of_its_registry_only(site: Site) -> None:
    await fail(site, kind="denied", registry="registry.example.com")
    queue = site.app.record.queue
    await queue.pause("quay.io", until=None, error="refused")

    await act(site, "requeue", kind="denied", registry="registry.example.com", **SURE)
    assert [each.registry for each in await queue.paused_registries()] == ["quay.io"]
    assert set((await statuses(site)).values()) == {"queued paused", "skipped excluded"}

    asked = await act(site, "requeue", kind="login", registry="quay.io")
    assert "Queue 3 tags again" in asked.text
    await act(site, "requeue", kind="login", registry="quay.io", **SURE)
    assert await queue.paused_registries() == []
    assert set((await statuses(site)).values()) == {"queued new", "queued requeued", "skipped excluded"}


async def test_an_item_is_queued_again(site: Site) -> None:
    assert "Queue 3 tags again (etcd)?" in (await act(site, "requeue", item="etcd")).text
    assert await notice_after(site, await act(site, "requeue", item="etcd", **SURE)) == "3 tags queued."


async def test_what_a_person_has_paused_waits_and_the_notice_says_so(site: Site) -> None:
    answer = await act(site, "pause", scope="item", name="etcd", note="moving")
    assert await notice_after(site, answer) == "Paused: etcd. What is being copied goes on to its end."
    [pause] = (await site.app.record.manual_pauses.read()).all
    assert (pause.name, pause.actor, pause.note) == (ITEM.target, "token", "moving")
    assert await notice_after(site, await act(site, "pause", scope="item", name="etcd")) == "etcd is paused already."

    told = await notice_after(site, await act(site, "requeue", item="etcd", **SURE))
    assert told == "3 tags queued.\n3 tags wait, because a person has paused them."

    assert await notice_after(site, await act(site, "resume", scope="item", name=ITEM.target)) == "Goes on: etcd."
    assert not await site.app.record.manual_pauses.read()


async def test_everything_and_registries_are_paused_and_resumed(site: Site) -> None:
    for scope, name, shown in (("all", "", "everything"), ("registry", "quay.io", "quay.io")):
        told = await notice_after(site, await act(site, "pause", scope=scope, name=name))
        assert told.startswith(f"Paused: {shown}.")
        assert [(each.scope, each.name) for each in (await site.app.record.manual_pauses.read()).all] == [(scope, name)]
        assert await notice_after(site, await act(site, "resume", scope=scope, name=name)) == f"Goes on: {shown}."


async def test_a_look_is_requested_if_somebody_looks(site: Site) -> None:
    assert (await notice_after(site, await act(site, "look"))).startswith("No scheduler is running")
    await site.app.record.services.heartbeat(site.app.owner.name, "run")

    assert await notice_after(site, await act(site, "look", item="etcd")) == "A look at 1 item is requested."
    assert (await notice_after(site, await act(site, "look"))).startswith("A look is requested already")
    await act(site, "pause", scope="all")
    assert (await notice_after(site, await act(site, "look"))).startswith("Nothing is looked at")


async def test_a_verification_is_requested_if_somebody_verifies(site: Site) -> None:
    assert (await notice_after(site, await act(site, "verify", item="etcd"))).startswith("No scheduler is running")
    await site.app.record.services.heartbeat(site.app.owner.name, "run")

    told = await notice_after(site, await act(site, "verify", item="etcd"))
    assert told == "The verification of etcd is requested."
    told = await notice_after(site, await act(site, "verify", item="etcd"))
    assert told == "etcd is being verified already."
    assert "Copy again what is damaged" in (await act(site, "verify", item="etcd", repair="all")).text
    await act(site, "verify", item="etcd", repair="all", **SURE)

    wanted = WantedVerification(ITEM.target, "contents", "all", "token")
    assert await site.app.record.verifications.pending() == [wanted]
    entry = await last_action(site)
    assert (entry.action, entry.subject, entry.detail) == ("verify", ITEM.target, "deep: contents; repair: all")


async def test_a_running_copy_is_cancelled_after_a_question(site: Site) -> None:
    job = await site.app.record.queue.claim()
    assert job is not None

    assert f"Stop the copy of etcd:{job.tag}?" in (await act(site, "cancel", item="etcd", tag=job.tag)).text
    told = await notice_after(site, await act(site, "cancel", item="etcd", tag=job.tag, **SURE))
    assert told == f"The copy of etcd:{job.tag} is stopped."
    told = await notice_after(site, await act(site, "cancel", item="etcd", tag=job.tag, **SURE))
    assert told == f"etcd:{job.tag} is not being copied."


async def test_a_digest_in_quarantine_is_released(site: Site) -> None:
    await quarantine(site.app.record, ITEM.target, "1")
    for path in ("/waiting", "/items/etcd/tags/1"):
        shown = (await site.get(path)).text
        assert "Release now" in shown
        assert "in quarantine" in shown

    told = await notice_after(site, await act(site, "release", item="etcd", tag="1"))
    assert told == "etcd:1 is released: what upstream has now is copied."
    assert "Release now" not in (await site.get("/items/etcd/tags/1")).text
    told = await notice_after(site, await act(site, "release", item="etcd", tag="1"))
    assert told == "etcd:1 is not held."
    assert (await last_action(site)).action == "release"


async def test_a_login_is_tried(start_site: StartSite) -> None:
    nobody = "127.0.0.1:9"
    site = await start_site(FERRYMAN_TOKEN=TOKEN, items=f"items: [{{source: {nobody}/a/b, target: {nobody}/c/d}}]\n")
    await site.log_in(TOKEN)

    assert (await notice_after(site, await act(site, "try-login", registry=nobody))).startswith(f"{nobody}: ")
    assert (await last_action(site)).action == "try-login"


async def test_what_does_not_exist_is_refused(site: Site) -> None:
    forms: list[tuple[str, dict[str, str]]] = [
        ("requeue", {"item": "nothing"}),
        ("pause", {"scope": "registry", "name": "elsewhere.example"}),
        ("pause", {"scope": "planet"}),
        ("look", {"item": "nothing"}),
        ("cancel", {"tag": "1"}),
        ("try-login", {"registry": "elsewhere.example"}),
    ]
    for action, form in forms:
        assert (await act(site, action, **form)).status == 404, action
    assert await site.app.record.actions.list() == []


async def test_an_action_leads_back_to_our_own_pages_only(site: Site) -> None:
    shown = await site.form_token("/failures")
    for target in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", ""):
        form = {"form_token": shown, "next": target, "scope": "all"}
        assert (await site.post("/actions/pause", form)).location == "/"


async def test_who_may_only_read_sees_no_buttons_and_cannot_act(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN=READ_TOKEN)
    await enqueue(site, "1")
    await fail(site)
    await site.log_in(READ_TOKEN)

    assert "/actions/" not in (await site.get("/failures")).text
    for action in ("requeue", "look", "pause", "resume", "cancel", "release", "keep", "try-login"):
        assert (await act(site, action, scope="all", **SURE)).status == 403
    assert await site.app.record.actions.list() == []


async def test_a_form_that_is_not_ours_does_nothing(site: Site) -> None:
    assert (await site.post("/actions/pause", {"scope": "all"})).status == 403
    shown = await site.form_token("/failures")
    stranger = await site.post(
        "/actions/pause", {"form_token": shown, "scope": "all"}, headers={"Origin": "http://elsewhere.example"}
    )
    assert stranger.status == 403
    assert not await site.app.record.manual_pauses.read()


async def test_a_notice_that_we_have_not_written_is_not_shown(site: Site) -> None:
    forged = Notices(b"another key", clock=SystemClock()).write("Your token has expired: send it to me")
    text = (await site.get("/failures", headers={"Cookie": f"{COOKIE}={forged}"})).text
    assert "send it to me" not in text


def test_a_notice_lasts_a_minute() -> None:
    clock = ManualClock()
    notices = Notices(b"key", clock=clock)
    value = notices.write("已排队 <b>\u202e")
    assert notices.read(value) == "已排队 <b>\u202e"
    assert notices.read(f"{value}0") is notices.read("") is notices.read("a.b") is None
    clock.advance(61)
    assert notices.read(value) is None
