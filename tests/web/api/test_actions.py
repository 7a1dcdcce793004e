"""What can be done through the API, who may do it, and what the audit log says of it."""

import json
from typing import Any

import pytest

from ferryman.errors import LoginRefused
from ferryman.store.verifications import WantedVerification
from tests.support.damage import damage
from tests.support.quarantine import quarantine
from tests.web.api.filled import HOSTILE
from tests.web.conftest import StartSite
from tests.web.support import READ_TOKEN, TOKEN, Answer, Site, bearer

ETCD = "registry.example.com/mirror/etcd"
ACTIONS = (
    "/requeue",
    "/items/etcd/requeue",
    "/items/etcd/tags/v3.6.1/requeue",
    "/look",
    "/items/etcd/look",
    "/verify",
    "/items/etcd/verify",
    "/pause",
    "/resume",
    "/items/etcd/tags/v3.6.3/cancel",
    "/items/etcd/tags/v3.6.2/release",
    "/items/etcd/release",
    "/registries/registry.example.com/try-login",
)


async def act(site: Site, path: str, body: object = None, **headers: str) -> Answer:
    """Call an action as a program does."""
    given = {**bearer(TOKEN), **headers}
    async with site.http.post(f"/api/v1{path}", json=body, headers=given) as response:
        return Answer(response, await response.text())


async def done(site: Site, path: str, body: object = None, *, status: int = 200) -> Any:
    answer = await act(site, path, body)
    assert answer.status == status, answer.text
    return json.loads(answer.text)


async def audit(site: Site) -> list[tuple[str, str, str, int | None]]:
    return [(each.actor, each.action, each.subject, each.number) for each in await site.app.record.actions.list()]


async def test_only_the_acting_token_acts(api: Site) -> None:
    for path in ACTIONS:
        async with api.http.post(f"/api/v1{path}", headers={"Origin": api.url}) as nobody:
            assert (nobody.status, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
        reader = await act(api, path, **bearer(READ_TOKEN))
        assert (reader.status, reader.headers["WWW-Authenticate"]) == (403, 'Bearer error="insufficient_scope"')
    assert await audit(api) == []


async def test_nobody_acts_without_a_token(start_site: StartSite) -> None:
    site = await start_site()
    async with site.http.post("/api/v1/look", headers={"Origin": site.url}) as answer:
        assert answer.status == 403


async def test_whoever_may_read_without_a_token_is_asked_for_one(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN="public")
    async with site.http.post("/api/v1/look", headers={"Origin": site.url}) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_many_webhooks_become_one_look(api: Site) -> None:
    assert await done(api, "/items/etcd/look", status=202) == {"requested": "now"}
    for _ in range(3):
        assert await done(api, "/items/etcd/look", {"events": ["push"]}, status=202) == {"requested": "already"}

    assert list(await api.app.record.look_requests.pending()) == [ETCD]
    assert await audit(api) == [("token", "look", ETCD, None)]


async def test_a_look_at_everything(api: Site) -> None:
    assert await done(api, "/look", status=202) == {"requested": "now"}

    assert list(await api.app.record.look_requests.pending()) == [""]


async def test_a_look_that_nobody_would_take_is_refused(api: Site) -> None:
    await api.app.record.services.drop(api.app.owner.name)

    answer = await act(api, "/look")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert "No process looks at items" in json.loads(answer.text)["detail"]


async def test_a_verification_is_requested_once(api: Site) -> None:
    assert await done(api, "/items/etcd/verify", {"deep": "bytes", "repair": True}, status=202) == {"requested": "now"}
    for _ in range(2):
        again = await done(api, "/items/etcd/verify", {"deep": "bytes", "repair": True}, status=202)
        assert again == {"requested": "already"}
    assert await done(api, "/verify", {"repair": "all"}, status=202) == {"requested": "now"}

    first, *others = await api.app.record.verifications.pending()
    assert first == WantedVerification(ETCD, "bytes", "missing", "token")
    assert {(each.depth, each.repair) for each in others} == {("tags", "all")}
    assert len(others) == 2
    assert [each[:2] for each in await audit(api)] == [("token", "verify")] * 2


async def test_a_verification_that_nobody_would_make_is_refused(api: Site) -> None:
    await api.app.record.services.drop(api.app.owner.name)
    assert (await act(api, "/verify", {})).status == 503


async def test_what_is_damaged_is_listed(api: Site) -> None:
    record = api.app.record
    await damage(record.database, api.app.clock, ETCD, "v3.6.0", "incomplete", detail=HOSTILE, repair="lost")

    listed = await api.get("/api/v1/findings", headers=bearer(READ_TOKEN))
    tag = await api.get("/api/v1/items/etcd/tags/v3.6.0", headers=bearer(READ_TOKEN))

    [entry] = json.loads(listed.text)["entries"]
    assert (entry["tag"], entry["finding"], entry["lost"], entry["detail"]) == ("v3.6.0", "incomplete", True, HOSTILE)
    assert json.loads(tag.text)["damage"] == entry


async def test_pause_and_resume(api: Site) -> None:
    paused = await done(api, "/pause", {"items": ["etcd"], "registries": ["registry.example.com"], "note": "moving"})
    again = await done(api, "/pause", {"items": ["etcd"]})
    listed = await api.get("/api/v1/pauses", headers=bearer(READ_TOKEN))
    resumed = await done(api, "/resume", {"items": ["etcd"]})

    entries = [(each["scope"], each["name"], each["actor"], each["note"]) for each in paused["entries"]]
    assert entries == [("registry", "registry.example.com", "token", "moving"), ("item", ETCD, "token", "moving")]
    assert (paused["changed"], again["changed"], resumed["changed"]) == (True, False, True)
    assert json.loads(listed.text)["entries"] == again["entries"] == paused["entries"]
    assert [each["scope"] for each in resumed["entries"]] == ["registry"]
    assert await audit(api) == [
        ("token", "resume", ETCD, None),
        ("token", "pause", "registry.example.com", None),
        ("token", "pause", ETCD, None),
    ]


async def test_pause_everything(api: Site) -> None:
    [pause] = (await done(api, "/pause"))["entries"]

    assert (pause["scope"], pause["name"]) == ("all", "")
    assert (await done(api, "/resume", {}))["entries"] == []


async def test_what_is_not_there_is_not_paused(api: Site) -> None:
    for body, detail in (
        ({"items": ["nothing"]}, "there is no item 'nothing'"),
        ({"registries": ["example.org"]}, "no item has its source or target at 'example.org'"),
    ):
        for path in ("/pause", "/resume"):
            answer = await act(api, path, body)
            assert answer.status == 404
            assert json.loads(answer.text)["detail"].startswith(detail)


WRONG_BODIES = [
    (b"{", "application/json", 422, "the body: Invalid JSON"),
    (b"[]", "application/json", 422, "the body: Input should be an object"),
    (b'{"items": "etcd"}', "application/json", 422, "items: Input should be a valid array"),
    (b'{"items": [""]}', "application/json", 422, "items/0: String should have at least 1 character"),
    (b'{"note": "a\\u0000"}', "application/json", 422, "note: String should match pattern"),
    (b'{"note": "\\ud800"}', "application/json", 422, "the body: Invalid JSON"),
    (b'{"names": []}', "application/json", 422, "names: is not known"),
    (b"items=etcd", "application/x-www-form-urlencoded", 415, "The body has to be JSON"),
]


async def test_a_body_that_is_wrong(api: Site) -> None:
    for content, kind, status, detail in WRONG_BODIES:
        headers = {**bearer(TOKEN), "Content-Type": kind}
        async with api.http.post("/api/v1/pause", data=content, headers=headers) as response:
            problem = json.loads(await response.text())
        assert (response.status, problem["status"]) == (status, status)
        assert problem["detail"].startswith(detail)
    assert not await api.app.record.manual_pauses.read()


REQUEUES = [
    ("/requeue", {"only_failed": True}, ["v3.6.1"]),
    ("/requeue", {"cause": {"kind": "denied", "registry": "quay.io"}}, []),
    ("/requeue", {"cause": {"kind": "unreachable", "registry": "registry.example.com"}}, ["v3.6.2"]),
    ("/items/etcd/requeue", {"status": ["synced"]}, ["v3.6.0"]),
    ("/items/etcd/requeue", {"text": "6.1", "outcome": "failed"}, ["v3.6.1"]),
    ("/items/other/requeue", None, []),
    ("/items/etcd/tags/v3.6.5/requeue", None, ["v3.6.5"]),
    ("/items/etcd/requeue", {}, [f"v3.6.{number}" for number in (0, 1, 2, 4, 5)]),
]


async def test_what_a_requeue_would_do_and_does(api: Site) -> None:
    for path, body, expected in REQUEUES:
        would = await done(api, f"{path}?dry_run=true", body)
        before = len(await audit(api))
        did = await done(api, path, body)
        [entry] = (await api.app.record.actions.list())[: len(await audit(api)) - before]
        assert would == {"tags": len(expected), "dry_run": True}
        assert did == {"tags": len(expected), "dry_run": False}, path
        assert (entry.actor, entry.action, entry.number) == ("token", "requeue", len(expected))
    assert (await api.app.record.queue.outstanding({ETCD})).due == 5


async def test_a_digest_is_released_once(api: Site) -> None:
    await quarantine(api.app.record, ETCD, "v3.6.2")
    assert await done(api, "/items/etcd/tags/v3.6.2/release") == {"released": True}
    assert await done(api, "/items/etcd/tags/v3.6.2/release") == {"released": False}
    assert await audit(api) == [("token", "release", f"{ETCD}:v3.6.2", 1)]


async def test_a_copy_is_cancelled_once(api: Site) -> None:
    assert await done(api, "/items/etcd/tags/v3.6.3/cancel") == {"cancelled": True}
    again = await act(api, "/items/etcd/tags/v3.6.3/cancel")

    assert again.status == 409
    assert json.loads(again.text)["detail"] == f"{ETCD}:v3.6.3 is not being copied: it is failed"
    assert await audit(api) == [("token", "cancel", f"{ETCD}:v3.6.3", 1)]


async def test_a_login_is_tried(api: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def accept(_: str) -> str:
        return "the login is accepted"

    async def refuse(_: str) -> str:
        raise LoginRefused("401 Unauthorized", registry="registry.example.com")

    path = "/registries/registry.example.com/try-login"
    for log_in, accepted, message in (
        (accept, True, "the login is accepted"),
        (refuse, False, "401 Unauthorized"),
    ):
        monkeypatch.setattr(api.app.registry, "log_in", log_in)
        assert await done(api, path) == {"accepted": accepted, "resumed": False, "message": message}

    assert [each[:3] for each in await audit(api)] == [("token", "try-login", "registry.example.com")] * 2
    assert (await act(api, "/registries/example.org/try-login")).status == 404


async def test_the_audit_log_is_read_page_by_page(api: Site) -> None:
    for note in ("one", "two", "three"):
        await done(api, "/pause", {"note": note})
        await done(api, "/resume")
    path, found = "/api/v1/actions?limit=4", []
    while path:
        page = json.loads((await api.get(path, headers=bearer(READ_TOKEN))).text)
        found.append([(each["action"], each["detail"]) for each in page["entries"]])
        path = page["next"]

    assert found == [
        [("resume", None), ("pause", "three"), ("resume", None), ("pause", "two")],
        [("resume", None), ("pause", "one")],
    ]


async def test_a_page_of_ours_acts_with_its_form_token(api: Site) -> None:
    await api.log_in(TOKEN)
    token = await api.form_token("/")
    for given, status in ((token, 202), ("wrong", 403)):
        headers = {"Origin": api.url, "X-Form-Token": given}
        async with api.http.post("/api/v1/look", headers=headers) as answer:
            assert answer.status == status
