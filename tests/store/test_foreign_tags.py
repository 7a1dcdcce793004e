"""Tags that a target alone has, on record: without touching what is queued, copied, or known from upstream."""

from datetime import timedelta

import pytest

from ferryman.store.database.database import Database
from ferryman.store.foreign_tags import ForeignTag, ForeignTags
from ferryman.store.records import TagRecord
from tests.store.scene import ITEM, ManualClock, Scene, digest


@pytest.fixture
def foreign(database: Database, clock: ManualClock) -> ForeignTags:
    return ForeignTags(database, clock=clock)


def tag(name: str, letter: str = "f") -> ForeignTag:
    return ForeignTag(name, digest(letter), "foreign")


async def record_of(scene: Scene, name: str) -> TagRecord:
    found = await scene.ledger.tag(ITEM.target, name)
    assert found is not None
    return found


async def test_what_is_unknown_becomes_a_row(scene: Scene, foreign: ForeignTags) -> None:
    await foreign.note(ITEM, [tag("theirs")], ())

    record = await record_of(scene, "theirs")
    assert (record.is_foreign, record.reason, record.target_digest) == (True, "foreign", digest("f"))
    assert (record.source_digest, record.first_seen_at) == (None, None)
    assert await scene.queue.claim() is None


async def test_what_the_rules_leave_out_gets_the_digest_alone(scene: Scene, foreign: ForeignTags) -> None:
    await scene.walk({"old": digest("a")}, planned={"old": "skip"})
    before = await record_of(scene, "old")

    await foreign.note(ITEM, [tag("old")], ())

    record = await record_of(scene, "old")
    assert (record.is_foreign, record.reason, record.source_digest) == (True, before.reason, digest("a"))
    await foreign.note(ITEM, (), ["old"])
    assert await record_of(scene, "old") == before


async def test_what_is_queued_copied_or_mirrored_stays_as_it_is(
    scene: Scene, foreign: ForeignTags, clock: ManualClock
) -> None:
    await scene.succeed(await scene.running("mirrored"))
    await scene.walk({"mirrored": digest("a"), "queued": digest("b")})
    before = [await record_of(scene, name) for name in ("mirrored", "queued")]
    clock.advance(timedelta(hours=1))

    await foreign.note(ITEM, [tag("mirrored"), tag("queued")], ())
    await foreign.note(ITEM, (), ["mirrored", "queued"])

    assert [await record_of(scene, name) for name in ("mirrored", "queued")] == before


async def test_what_went_is_forgotten(scene: Scene, foreign: ForeignTags) -> None:
    await foreign.note(ITEM, [tag("theirs"), tag("stays")], ())
    await foreign.note(ITEM, (), ["theirs"])
    assert set(await scene.ledger.known(ITEM.target)) == {"stays"}


async def test_the_digests_that_were_mirrored(scene: Scene, foreign: ForeignTags) -> None:
    await foreign.note(ITEM, [tag("theirs")], ())
    assert not await foreign.had(ITEM.target)
    await scene.succeed(await scene.running("mirrored"))
    record = await record_of(scene, "mirrored")
    assert await foreign.had(ITEM.target) == {record.target_digest}
    assert not await foreign.had("elsewhere.example.com/app")
