"""What verifications find, on both databases: findings, their end, and the verifications that are not at theirs."""

from dataclasses import replace
from datetime import timedelta

from ferryman.store.database.database import Database
from ferryman.store.queries.findings import DamagedTags, Finding, count_damaged, read_findings
from ferryman.store.records import Checked, Damage, Intent
from ferryman.store.target_checks import TargetChecks
from ferryman.store.verifications import Verifications, WantedVerification
from ferryman.wakeup import Wakeup
from tests.store.scene import ITEM, ManualClock, Scene, digest
from tests.support.damage import damage

VERIFY = Intent("token:ci", "verify", "something")


async def mirrored(scene: Scene, *names: str) -> None:
    await scene.walk({name: digest("a") for name in names})
    for _ in names:
        await scene.succeed(await scene.claimed())


async def found(database: Database) -> list[Finding]:
    async with database.read() as connection:
        return await read_findings(connection, [ITEM.target])


async def counted(database: Database) -> list[DamagedTags]:
    async with database.read() as connection:
        return await count_damaged(connection)


async def test_a_finding_lasts_until_the_tag_is_copied(database: Database, clock: ManualClock, scene: Scene) -> None:
    await mirrored(scene, "v1", "v2", "v3")
    intact, since = clock.now(), clock.advance(timedelta(hours=1))
    await damage(database, clock, ITEM.target, "v1", repair="lost")
    await damage(database, clock, ITEM.target, "v2", "changed", found=digest("b"))
    await damage(database, clock, ITEM.target, "v3", "incomplete", detail="a blob", repair="queued")

    first, second, third = await found(database)
    assert (first.finding, first.lost, first.expected, first.found) == ("missing", True, digest("f"), None)
    assert (first.intact_at, first.since, first.checked_at) == (intact, since, since)
    assert (second.found, second.status, third.status, third.detail) == (digest("b"), "synced", "queued", "a blob")
    assert await counted(database) == [
        DamagedTags(ITEM.target, "changed", 1, since), DamagedTags(ITEM.target, "lost", 1, since),
    ]  # fmt: skip

    await scene.succeed(await scene.claimed())
    assert [each.tag for each in await found(database)] == ["v1", "v2"]
    records = await scene.ledger.known(ITEM.target)
    assert {name: each.finding for name, each in records.items()} == {"v1": "missing", "v2": "changed", "v3": None}


async def test_a_finding_keeps_its_beginning_as_long_as_it_is_the_same(
    database: Database, clock: ManualClock, scene: Scene
) -> None:
    await mirrored(scene, "v1")
    intact = clock.now()
    for number, (theirs, is_same) in enumerate((("b", False), ("b", True), ("c", False))):
        now = clock.advance(timedelta(hours=1))
        await damage(database, clock, ITEM.target, "v1", "changed", found=digest(theirs))
        [finding] = await found(database)
        assert (finding.since == now, finding.checked_at, finding.intact_at) == (not is_same, now, intact), number


async def test_a_tag_that_was_copied_during_its_check_is_left_alone(
    database: Database, clock: ManualClock, scene: Scene
) -> None:
    await mirrored(scene, "v1")
    checks = TargetChecks(database, clock=clock, queued=Wakeup())
    [held], restored = await checks.unchecked(ITEM.target, "tags", before=clock.advance(timedelta(hours=1)))
    assert not restored
    await scene.walk({"v1": digest("b")})
    await scene.succeed(await scene.claimed())

    await checks.record([Checked(held, Damage("missing"), "queued")], "tags")

    assert not await found(database)


async def test_requests_for_services_and_runs_of_commands_are_apart(database: Database, clock: ManualClock) -> None:
    runs = Verifications(database, clock=clock)
    wanted = WantedVerification(ITEM.target, "tags", "nothing", "cli:me")
    began = await runs.begin(wanted)
    clock.advance(timedelta(hours=1))
    assert await runs.request([ITEM.target, "r.io/other"], "tags", "missing", intent=VERIFY)
    assert not await runs.request([ITEM.target], "tags", "missing", intent=VERIFY)
    assert await runs.begin(wanted) == began

    pending = await runs.pending()
    assert {each.target for each in pending} == {ITEM.target, "r.io/other"}
    await runs.end(wanted)
    assert len(await runs.pending()) == 2
    assert await runs.request([ITEM.target], "tags", "all", intent=VERIFY)
    ended = replace(wanted, repair="missing")
    await runs.end(ended, by_service=True)  # not what was asked for since
    assert {each.repair for each in await runs.pending()} == {"missing", "all"}
    clock.advance(timedelta(days=1))
    assert await runs.pending() == []
