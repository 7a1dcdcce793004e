"""A tag is put back and released on its page and through the API, at a real target."""

import asyncio
import json
import secrets

import pytest

from ferryman.store.records import ItemKey, PlannedTag, SeenTag, Walk
from tests.support.images import Image, digest_at, push
from tests.support.processes import RegistryServer
from tests.support.upstreams import NOON
from tests.support.workplace import tiny
from tests.web.api.test_actions import act, audit, done
from tests.web.conftest import StartSite
from tests.web.support import READ_TOKEN, TOKEN, Answer, Site, bearer

ONE, TWO = tiny("one"), tiny("two")
TAG = "/items/app/tags/latest"
SURE = {"confirmed": "yes"}


class Mirror:
    """A site, and the target that it is about."""

    def __init__(self, site: Site, target: RegistryServer, name: str) -> None:
        self.site, self.target, self.name = site, target, name
        self.repository = f"{target.host}/{name}"

    async def copied(self, what: Image) -> None:
        """As a worker would leave it."""
        await asyncio.to_thread(push, self.target.url, self.name, "latest", what)
        queue, key = self.site.app.record.queue, ItemKey("app", "quay.io/acme/app", self.repository, None)
        await queue.apply(
            key, [SeenTag("latest", what.digest, NOON)], gone=(), planned=[PlannedTag("latest", "copy", "changed")],
            walk=Walk(NOON, NOON, "rules"),
        )  # fmt: skip
        job = await queue.claim()
        assert job is not None
        await queue.succeed(
            job, started_at=NOON, target_digest=what.digest, identical=True, bytes_moved=1, bytes_reused=0
        )

    async def changes(self, what: Image) -> None:
        """Upstream names this now, and `on_change: hold` applies."""
        queue, key = self.site.app.record.queue, ItemKey("app", "quay.io/acme/app", self.repository, None)
        await queue.apply(
            key, [SeenTag("latest", what.digest, NOON)], gone=(),
            planned=[PlannedTag("latest", "copy", "changed", holds_changes=True)], walk=Walk(NOON, NOON, "rules"),
        )  # fmt: skip

    @property
    def digest(self) -> str:
        return digest_at(self.target.url, self.name, "latest")

    async def act(self, action: str, **form: str) -> Answer:
        """Send a form of the tag's page."""
        shown = await self.site.form_token(TAG)
        form = {"item": self.repository, "tag": "latest", "next": TAG, **form}
        return await self.site.post(f"/actions/{action}", {"form_token": shown, **form})


@pytest.fixture
async def mirror(start_site: StartSite, distribution: RegistryServer) -> Mirror:
    name = f"web-{secrets.token_hex(4)}/app"
    items = f"items: [{{source: quay.io/acme/app, target: {distribution.host}/{name}}}]\n"
    site = await start_site(items=items, FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN=READ_TOKEN)
    made = Mirror(site, distribution, name)
    for what in (ONE, TWO):
        await made.copied(what)
    return made


async def test_on_its_page(mirror: Mirror) -> None:
    await mirror.site.log_in(TOKEN)
    page = (await mirror.site.get(TAG)).text
    assert page.count('action="/actions/rollback"') == 1  # not beside what it names now

    asked = await mirror.act("rollback", digest=ONE.digest)
    assert f"Put app:latest back on {ONE.digest}?" in asked.text
    assert mirror.digest == TWO.digest
    assert (await mirror.act("rollback", digest=ONE.digest, **SURE)).location == TAG
    page = (await mirror.site.get(TAG)).text
    assert "app:latest is put back, and stays so until you release it." in page
    assert "a person has put it back, and has not released it" in page
    assert mirror.digest == ONE.digest

    assert (await mirror.act("release")).location == TAG
    page = (await mirror.site.get(TAG)).text
    assert "app:latest is released: what upstream has now is copied." in page
    await mirror.act("release")
    assert "app:latest is not held." in (await mirror.site.get(TAG)).text


async def test_on_its_page_what_does_not_work_is_said(mirror: Mirror) -> None:
    await mirror.site.log_in(TOKEN)
    assert (await mirror.act("rollback", digest=tiny("three").digest, **SURE)).status == 404
    await mirror.site.app.record.queue.requeue(tag="latest")
    assert await mirror.site.app.record.queue.claim()

    await mirror.act("rollback", digest=ONE.digest, **SURE)

    assert "app:latest is being copied: stop the copy first." in (await mirror.site.get(TAG)).text
    assert mirror.digest == TWO.digest


async def test_on_its_page_a_target_that_refuses_is_quoted(mirror: Mirror) -> None:
    await mirror.site.log_in(TOKEN)
    record = mirror.site.app.record
    await mirror.copied(tiny("lost"))
    for blob in tiny("lost").blobs:
        _lose(mirror, blob)
    await mirror.copied(TWO)

    await mirror.act("rollback", digest=tiny("lost").digest, **SURE)

    assert "app:latest was not put back: " in (await mirror.site.get(TAG)).text
    assert (await record.actions.list()) == []


def _lose(mirror: Mirror, blob: str) -> None:
    algorithm, _, encoded = blob.partition(":")
    folder = mirror.target.folder / f"data/docker/registry/v2/repositories/{mirror.name}/_layers/{algorithm}/{encoded}"
    for file in folder.iterdir():
        file.unlink()


async def test_through_the_api(mirror: Mirror) -> None:
    api = "/items/app/tags/latest"
    answer = await mirror.site.get(f"/api/v1{api}/history", headers=bearer(READ_TOKEN))
    history = json.loads(answer.text)
    assert [each["digest"] for each in history["named"]] == [ONE.digest, TWO.digest]
    assert [each["holder"] for each in history["named"]] == [None, "latest"]

    assert await done(mirror.site, f"{api}/rollback") == {"digest": ONE.digest}
    assert mirror.digest == ONE.digest
    assert await done(mirror.site, f"{api}/rollback", {"to": TWO.digest[7:19]}) == {"digest": TWO.digest}
    answer = await mirror.site.get(f"/api/v1{api}/history", headers=bearer(READ_TOKEN))
    assert json.loads(answer.text)["hold"] == "rollback"
    assert await done(mirror.site, f"{api}/release") == {"released": True}
    assert await done(mirror.site, f"{api}/release") == {"released": False}

    subject = f"{mirror.repository}:latest"
    assert await audit(mirror.site) == [
        ("token", "release", subject, 1), ("token", "rollback", subject, 1), ("token", "rollback", subject, 1),
    ]  # fmt: skip


async def test_what_the_api_refuses(mirror: Mirror) -> None:
    api = "/items/app/tags/latest"
    for body, status in (({"to": "abcdef0"}, 404), ({"at": "2020-01-01"}, 404), ({"at": "soon"}, 422)):
        assert (await act(mirror.site, f"{api}/rollback", body)).status == status
    assert (await act(mirror.site, "/items/app/tags/none/rollback")).status == 404
    await mirror.site.app.record.queue.requeue(tag="latest")
    assert await mirror.site.app.record.queue.claim()
    assert (await act(mirror.site, f"{api}/rollback")).status == 409
    assert await audit(mirror.site) == []


async def test_where(mirror: Mirror) -> None:
    async def where(query: str) -> Answer:
        return await mirror.site.get(f"/api/v1/where?{query}", headers=bearer(READ_TOKEN))

    [found] = json.loads((await where("image=app:latest")).text)["entries"]
    assert (found["name"], found["digest"]) == (f"{mirror.repository}:latest", TWO.digest)
    [found] = json.loads((await where("image=quay.io/acme/app")).text)["entries"]
    assert (found["name"], found["tags"]) == (mirror.repository, 1)
    assert (await where("image=redis")).status == 404
    assert (await where("image=app:latest&at=soon")).status == 422


async def test_what_upstream_has_changed_is_kept_or_released_on_its_page(mirror: Mirror) -> None:
    await mirror.changes(tiny("three"))
    await mirror.site.log_in(TOKEN)
    shown = (await mirror.site.get("/items/app?reason=held-changed")).text
    assert "Upstream has changed 1 version tag, which is held until you release or keep it." in shown
    assert f'href="{TAG}"' in shown
    assert "Upstream has changed 1 version tag of 1 item" in (await mirror.site.get("/")).text
    page = (await mirror.site.get(TAG)).text
    assert "upstream has changed it: held until a person releases or keeps it" in page
    assert 'action="/actions/requeue"' not in page

    assert (await mirror.act("keep")).location == TAG
    page = (await mirror.site.get(TAG)).text
    assert "app:latest stays as it is, until upstream changes it again." in page
    assert "upstream has changed it, and a person keeps what was mirrored" in page
    assert 'action="/actions/keep"' not in page
    assert "Upstream has changed" not in (await mirror.site.get("/items/app")).text

    assert (await mirror.act("release")).location == TAG
    assert (await mirror.site.app.record.queue.outstanding()).due == 1
    await mirror.act("keep")
    assert "app:latest is not held." in (await mirror.site.get(TAG)).text


async def test_what_upstream_has_changed_is_kept_or_released_through_the_api(mirror: Mirror) -> None:
    api = "/items/app/tags/latest"
    assert await done(mirror.site, f"{api}/keep") == {"kept": False}
    await mirror.changes(tiny("three"))
    assert json.loads((await mirror.site.get(f"/api/v1{api}", headers=bearer(READ_TOKEN))).text)["hold"] == "changed"
    overview = json.loads((await mirror.site.get("/api/v1/overview", headers=bearer(READ_TOKEN))).text)
    verdict = overview["verdict"]
    assert (verdict["state"], verdict["tags"]["changed"]) == ("incomplete", 1)
    assert await done(mirror.site, f"{api}/keep") == {"kept": True}
    assert json.loads((await mirror.site.get(f"/api/v1{api}", headers=bearer(READ_TOKEN))).text)["hold"] == "kept"
    assert await done(mirror.site, f"{api}/release") == {"released": True}
    subject = f"{mirror.repository}:latest"
    assert await audit(mirror.site) == [("token", "release", subject, 1), ("token", "keep", subject, 1)]
