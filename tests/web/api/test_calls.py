"""What all calls have in common: entity tags, problems, pages, and who may call."""

import json
from datetime import timedelta
from typing import Any

from yarl import URL

from ferryman.events import JobInfo, JobProgressed, JobStarted, LookStarted
from ferryman.store.records import Intent, ItemKey
from tests.web.api.filled import HOSTILE
from tests.web.conftest import StartSite
from tests.web.support import READ_TOKEN, TOKEN, Answer, Site, bearer

ETCD = "registry.example.com/mirror/etcd"


async def read(api: Site, path: str, **headers: str) -> Answer:
    return await api.get(f"/api/v1{path}", headers={**bearer(READ_TOKEN), **headers})


async def document(api: Site, path: str) -> Any:
    answer = await read(api, path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer.text
    return json.loads(answer.text)


async def test_an_answer_that_the_client_has_is_not_sent_again(api: Site) -> None:
    first = await read(api, "/cycles")
    tag = first.headers["ETag"]

    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await read(api, "/cycles", **{"If-None-Match": known})
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
    assert (await read(api, "/cycles", **{"If-None-Match": '"other"'})).status == 200
    assert first.headers["Cache-Control"] == "private, no-cache"


async def test_the_entity_tag_changes_with_the_content(api: Site) -> None:
    before = (await read(api, "/cycles")).headers["ETag"]
    await api.app.record.cycles.begin("other.1.x", items=1, now=api.app.clock.now())

    assert (await read(api, "/cycles")).headers["ETag"] != before


WRONG_PARAMETERS = [
    ("/cycles?limit=201", "query", "limit", "Input should be less than or equal to 200"),
    ("/cycles?limit=1_0", "query", "limit", "should be a number"),
    ("/cycles?cursor=x", "query", "cursor", "no page has given this cursor"),
    ("/cycles?cursor=WyJ4Il0", "query", "cursor", "no page has given this cursor"),
    ("/cycles?of=1", "query", "of", "is not known"),
    ("/cycles?limit=1&limit=2", "query", "limit", "is given twice"),
    ("/items/etcd/tags/v3.6.0?name=other", "query", "name", "is given twice"),
    ("/items/a%00/plan", "path", "name", "String should match pattern"),
]


async def test_a_wrong_parameter_is_named(api: Site) -> None:
    for path, place, name, detail in WRONG_PARAMETERS:
        answer = await read(api, path)
        assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json; charset=utf-8")
        problem = json.loads(answer.text)
        [mistake] = problem["errors"]
        assert (mistake["place"], mistake["name"]) == (place, name)
        assert mistake["detail"].startswith(detail)
        assert problem["detail"] == f"{name}: {mistake['detail']}"
        assert problem["instance"] == URL(f"/api/v1{path}", encoded=True).path


async def test_nobody_reads_without_a_token(api: Site) -> None:
    answer = await api.get("/api/v1/cycles", headers={"Accept": "application/json"})

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert json.loads(answer.text)["title"] == "Unauthorized"


async def test_anybody_may_read_how_to_call_it(api: Site) -> None:
    answer = await api.get("/api/v1/openapi.json")

    assert answer.status == 200
    assert json.loads(answer.text)["openapi"].startswith("3.1")


async def test_pages_of_a_list_lead_to_one_another(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_BASE_PATH="/ferryman", FERRYMAN_READ_TOKEN=READ_TOKEN)
    for number in range(5):
        await site.app.record.cycles.begin(f"owner{number}", items=1, now=site.app.clock.now())
    path, found = "/api/v1/cycles?limit=2", []
    while path:
        answer = await site.get(path, headers=bearer(READ_TOKEN))
        page = json.loads(answer.text)
        found.append([each["owner"] for each in page["entries"]])
        path = page["next"]
        assert path is None or path.startswith("/ferryman/api/v1/cycles?limit=2&cursor=")

    assert found == [["owner4", "owner3"], ["owner2", "owner1"], ["owner0"]]


async def test_an_item_is_named_by_name_source_or_target(api: Site) -> None:
    source = str(api.app.configuration.items[0].source)
    for name in ("etcd", source.replace("/", "%2F"), source.replace(":", "%3A").replace("/", "%2f"),
                 "registry.example.com%2Fmirror%2Fetcd"):  # fmt: skip
        assert (await document(api, f"/items/{name}/tags/v3.6.0"))["target"] == "registry.example.com/mirror/etcd"


async def test_an_unknown_item_is_told_with_the_one_that_was_meant(api: Site) -> None:
    answer = await read(api, "/items/etdc/tags/v3.6.0")

    assert answer.status == 404
    assert json.loads(answer.text)["detail"] == "there is no item 'etdc': did you mean 'etcd'?"
    unrecorded = await read(api, "/items/etcd/tags/v9")
    assert json.loads(unrecorded.text)["detail"] == "nothing is recorded of registry.example.com/mirror/etcd:v9"


async def test_a_name_of_several_items_is_refused(start_site: StartSite) -> None:
    items = [f"- {{source: quay.io/{name}/etcd, target: r.example.com/{name}/etcd}}\n" for name in "ab"]
    site = await start_site(items="".join(["items:\n", *items]))

    answer = await site.get("/api/v1/items/etcd/plan", headers={"Accept": "application/json"})

    assert answer.status == 409
    assert "r.example.com/a/etcd, r.example.com/b/etcd" in json.loads(answer.text)["detail"]


async def test_a_tag_comes_with_its_attempts_and_what_a_stranger_wrote_does_no_harm(api: Site) -> None:
    answer = await read(api, "/items/etcd/tags/v3.6.1")

    tag = json.loads(answer.text)
    assert (tag["status"], tag["error_kind"], tag["error"]) == ("failed", "denied", f"no: {HOSTILE}")
    assert [each["outcome"] for each in tag["attempt_log"]] == ["failed"]
    assert [(each["side"], each["digest"]) for each in tag["digests"]] == [("source", tag["source_digest"])]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Injected" not in answer.headers


async def test_a_hostile_name_comes_back_escaped(api: Site) -> None:
    name = URL.build(path=f"/{HOSTILE}").raw_path[1:].replace("/", "%2F")
    answer = await read(api, f"/items/{name}/plan")

    problem = json.loads(answer.text)
    assert answer.status == 404
    assert "X-Injected" not in answer.headers
    assert "script" in problem["detail"]
    assert answer.text.isascii()
    assert answer.text.isprintable()


async def test_the_plan_of_an_item(api: Site) -> None:
    plan = await document(api, "/items/etcd/plan")

    assert [(each["tag"], each["action"], each["reason"]) for each in plan["entries"]][:2] == [
        ("1.3", "copy", "new"), ("1.2", "copy", "new"),
    ]  # fmt: skip


async def test_a_source_that_cannot_be_listed(api: Site) -> None:
    answer = await read(api, "/items/other/plan")

    assert answer.status == 502
    assert "127.0.0.1:9" in json.loads(answer.text)["detail"]


async def test_processes_and_what_they_do(api: Site) -> None:
    tag = (await api.app.record.ledger.known(ETCD))["v3.6.3"]
    before = await document(api, "/running")
    job = JobInfo("k", tag.item, tag.source, tag.target, tag.tag, 1)
    for event in (JobStarted(job), JobProgressed(job, "copy:x", 10, 20), LookStarted("etcd", tag.source, ETCD)):
        api.app.events.emit(event)

    [service] = (await document(api, "/services"))["entries"]
    running = await document(api, "/running")

    [copy], [look] = running["copies"], running["looks"]
    assert (service["owner"], service["role"], service["alive"]) == (api.app.owner.name, "run", True)
    assert (copy["owner"], copy["tag"], copy["attempt"]) == (api.app.owner.name, "v3.6.3", 1)
    assert (copy["progress"]["doing"], copy["progress"]["fraction"], copy["progress"]["bytes_moved"]) == (
        "copy",
        0.5,
        10,
    )
    assert (look["item"], look["target"]) == ("etcd", ETCD)
    assert before == {"copies": [{**copy, "progress": None}], "looks": []}


async def test_registries_with_troubles_come_first(api: Site) -> None:
    until = api.app.clock.now() + timedelta(minutes=5)
    await api.app.record.queue.pause("registry.example.com", until=until, error="429 Too Many Requests")

    first, *others = (await document(api, "/registries"))["entries"]

    assert (first["host"], first["status"], first["error"]) == (
        "registry.example.com", "limited", "429 Too Many Requests",
    )  # fmt: skip
    assert (first["is_source"], first["is_target"], first["items"]) == (False, True, 2)
    assert {each["status"] for each in others} == {"fine"}
    assert {each["undeleted"] for each in (first, *others)} == {0}


async def test_tags_are_filtered_sorted_and_paged(api: Site) -> None:
    async def names(query: str) -> list[str]:
        path, found = f"/items/etcd/tags?{query}", []
        while path:
            page = await document(api, path)
            found += [each["tag"] for each in page["entries"]]
            path = (page["next"] or "").removeprefix("/api/v1")
        return found

    assert await names("") == [f"v3.6.{number}" for number in (5, 4, 3, 2, 1, 0)]
    assert await names("limit=2&sort=name&ascending=true") == [f"v3.6.{number}" for number in range(6)]
    assert await names("status=queued&status=failed&limit=1") == ["v3.6.4", "v3.6.2", "v3.6.1"]
    assert await names("outcome=synced") == ["v3.6.0"]
    assert await names("kind=denied") == ["v3.6.1"]
    assert await names("reason=excluded") == ["v3.6.5"]
    assert await names("text=6.3") == ["v3.6.3"]
    assert await names("text=%25") == []


async def test_activity_is_filtered_and_paged(api: Site) -> None:
    first = await document(api, "/activity?limit=2")
    second = await document(api, first["next"].removeprefix("/api/v1"))

    assert [each["tag"] for each in (*first["entries"], *second["entries"])] == ["v3.6.2", "v3.6.1", "v3.6.0"]
    for query, tags in (
        ("outcome=failed&item=etcd", ["v3.6.2", "v3.6.1"]),
        ("kind=unreachable", ["v3.6.2"]),
        ("item=other", []),
    ):
        assert [each["tag"] for each in (await document(api, f"/activity?{query}"))["entries"]] == tags


async def test_what_waits_comes_in_the_order_of_the_queue(api: Site) -> None:
    first = await document(api, "/waiting?limit=1")
    second = await document(api, first["next"].removeprefix("/api/v1"))

    found = [*first["entries"], *second["entries"]]
    assert [(each["tag"], each["waits_for"], each["error_kind"]) for each in found] == [
        ("v3.6.4", "due", None), ("v3.6.2", "retry", "unreachable"),
    ]  # fmt: skip
    assert second["next"] is None
    assert (await document(api, "/waiting?item=other"))["entries"] == []
    await api.app.record.manual_pauses.pause("item", ETCD, intent=Intent("token", "pause", ETCD))
    paused = (await document(api, "/waiting"))["entries"]
    assert [(each["waits_for"], each["paused_by"]) for each in paused] == [("paused", "token")] * 2


async def test_the_images_of_a_tag_that_the_target_cannot_be_asked_for(api: Site) -> None:
    assert await document(api, "/items/etcd/tags/v3.6.1/images") == {"entries": []}
    answer = await read(api, "/items/etcd/tags/v3.6.0/images")
    assert answer.status == 502


async def test_samples_for_charts(api: Site) -> None:
    [sample] = (await document(api, "/samples?hours=1"))["entries"]

    assert (sample["running"], sample["failed"], sample["queued"]) == (1, 1, 2)


async def test_a_worker_has_no_api(start_site: StartSite) -> None:
    worker = await start_site(role="worker", FERRYMAN_TOKEN=TOKEN)

    assert (await worker.get("/api/v1/services", headers=bearer(TOKEN))).status == 404


async def test_the_overview_says_the_verdict(api: Site) -> None:
    overview = await document(api, "/overview")

    assert overview["verdict"]["state"] == "incomplete"
    assert overview["verdict"]["tags"]["failed"] == 1
    assert overview["verdict"]["items"] == 2


async def test_items_come_page_by_page_and_alone_with_their_rules(api: Site) -> None:
    first = await document(api, "/items?limit=1")
    second = await document(api, first["next"].removeprefix("/api/v1"))
    etcd = await document(api, "/items/etcd")

    assert [each["name"] for each in (*first["entries"], *second["entries"])] == ["etcd", "other"]
    assert second["next"] is None
    assert {**first["entries"][0], "rules": etcd["rules"]} == etcd
    assert (etcd["tags"]["synced"], etcd["tags"]["queued"], etcd["looks"][0]["tags"]) == (1, 2, 6)
    assert etcd["rules"]["order"] == "newest"


async def test_failures_come_by_cause_with_what_mends_them(api: Site) -> None:
    await api.app.record.ledger.note_lookup_failure(
        ItemKey("other", "127.0.0.1:9/library/other", "registry.example.com/other", None),
        "no Docker Engine at /run/docker.sock", now=api.app.clock.now(), kind="engine",
    )  # fmt: skip
    entries = (await document(api, "/failures"))["entries"]

    found = {each["kind"]: each for each in entries}
    denied, retried, engine = (found[kind] for kind in ("denied", "unreachable", "engine"))
    assert (denied["failed"], denied["requeueable"], denied["targets"]) == (1, 1, [ETCD])
    assert denied["examples"][0]["error"] == f"no: {HOSTILE}"
    assert (retried["registry"], retried["retried"], retried["failed"]) == ("registry.example.com", 1, 0)
    assert (engine["meaning"], engine["remedies"]) == (
        "the Docker Engine does not answer", ["Start the engine, or set DOCKER_HOST."],
    )  # fmt: skip
    assert [each["item"] for each in engine["lookups"]] == ["other"]
