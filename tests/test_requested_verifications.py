"""Verifications that people ask a service for: taken up once, resumed, and given up after a day."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferryman.application import Application, open_application
from ferryman.reference import Repository
from ferryman.requested_verifications import RequestedVerifications
from ferryman.settings import Settings
from ferryman.store.records import Intent, ItemKey, PlannedTag, SeenTag, Walk
from tests.conftest import ReadLog
from tests.support.clock import PatientClock
from tests.support.faulty import Faulty, says
from tests.support.images import OCI_MANIFEST
from tests.support.upstreams import made_up_digest

VERIFY = Intent("token:ci", "verify", "something")
HEAD = "HEAD /v2/m/etcd/manifests/v1"


@pytest.fixture
async def server() -> AsyncIterator[Faulty]:
    async with Faulty() as started:
        yield started


@pytest.fixture
async def app(tmp_path: Path, server: Faulty) -> AsyncIterator[Application]:
    """One with a mirrored tag."""
    items = tmp_path / "items.yml"
    items.write_text(f"items: [{{source: quay.io/coreos/etcd, target: {server.host}/m/}}]")
    environment = {"FERRYMAN_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"}
    settings = Settings.load(environment).model_copy(update={"items": items})
    async with open_application(settings, engine=False) as app:
        app.clock = PatientClock()
        now = app.clock.now()
        await app.record.queue.apply(
            ItemKey("etcd", "quay.io/coreos/etcd", target(app), None), [SeenTag("v1", made_up_digest("v1"), now)],
            gone=(), planned=[PlannedTag("v1", "adopt", "up-to-date")], walk=Walk(now, now, "rules"),
        )  # fmt: skip
        yield app


def target(app: Application) -> str:
    return str(app.configuration.items[0].target)


def has(digest: str) -> object:
    return says(200, b"", Docker_Content_Digest=digest, Content_Type=OCI_MANIFEST)


async def test_a_request_is_taken_up_once(app: Application, server: Faulty, read_log: ReadLog) -> None:
    server.on(HEAD, has(made_up_digest("v1")))  # type: ignore[arg-type]
    service = RequestedVerifications(app)
    await app.record.verifications.request([target(app)], "tags", "missing", intent=VERIFY)

    for _ in range(2):
        await service.take_up()

    assert [each.method for each in server.asked] == ["HEAD"]
    [ended] = [line for line in read_log() if line["event"] == "verification_ended"]
    assert (ended["checked"], ended["damaged"], ended["actor"]) == (1, 0, "token:ci")
    assert not await app.record.verifications.pending()


async def test_a_target_that_refuses_is_asked_again_later_and_given_up_after_a_day(
    app: Application, server: Faulty
) -> None:
    server.on(HEAD, says(429, Retry_After="7200"))
    service, clock = RequestedVerifications(app), app.clock
    assert isinstance(clock, PatientClock)
    await app.record.verifications.request([target(app)], "tags", "missing", intent=VERIFY)
    for _ in range(3):
        await service.take_up()
    asked = len(server.asked)
    assert asked >= 1
    assert len(await app.record.verifications.pending()) == 1


async def test_a_new_request_with_another_repair_is_not_lost(app: Application) -> None:
    runs = app.record.verifications
    await runs.request([target(app)], "tags", "nothing", intent=VERIFY)
    [first] = await runs.pending()
    assert not await runs.request([target(app)], "tags", "nothing", intent=VERIFY)
    assert await runs.request([target(app)], "tags", "all", intent=VERIFY)

    await runs.end(first, by_service=True)

    assert [each.repair for each in await runs.pending()] == ["all"]
    assert Repository.parse(first.target).name == "m/etcd"
