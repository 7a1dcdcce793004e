"""What looks verify of mirrored tags, at real registries, whose tags others change."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from ferryman.store.database.tables import marks, tags
from ferryman.store.target_checks import BACKUP
from tests.conftest import ReadLog
from tests.support.images import Image, push
from tests.support.proxy import FaultyProxy
from tests.support.workplace import tiny
from tests.verification.site import Site

LONG = timedelta(days=31)
DAY = timedelta(days=1)


def images(names: Collection[str]) -> dict[str, Image]:
    return {name: tiny(f"image {name}") for name in names}


async def look(site: Site, *kept: str, elapsed: timedelta | None = LONG) -> int:
    return await site.look(kept, site.item(), elapsed=elapsed)


async def restore(site: Site) -> None:
    """Mark the database as a restored backup."""
    async with site.database.write() as connection:
        await connection.execute(update(tags).values(target_checked_at=None))
        now = site.workplace.clock.now()
        await connection.execute(marks.insert(), {"name": BACKUP, "value": "1", "set_at": now})


def requests(site: Site, tag: str) -> int:
    return site.target.access_log().count(f"HEAD /v2/{site.name}/manifests/{tag} ")


async def status(site: Site, tag: str) -> tuple[str, str | None]:
    record = await site.workplace.ledger.tag(str(site.repository()), tag)
    assert record is not None
    return record.status, record.reason


async def test_a_copy_is_a_check(site: Site) -> None:
    await site.mirror(images("1"))
    asked = requests(site, "1")

    assert await look(site, "1") == 0
    assert requests(site, "1") == asked


async def test_a_matching_tag_is_not_checked_again_for_long(site: Site) -> None:
    await site.mirror(images("1"))
    site.workplace.clock.advance(LONG.total_seconds())
    asked = requests(site, "1")

    for _ in range(3):
        assert await look(site, "1") == 0

    assert requests(site, "1") == asked + 1
    assert await status(site, "1") == ("synced", None)


async def test_what_the_target_lost_is_copied_again(site: Site, read_log: ReadLog) -> None:
    await site.mirror(images("12"))
    site.lose_tag("1")
    site.lose_tag("2")
    site.workplace.clock.advance(LONG.total_seconds())

    assert await look(site, "1") == 1  # and nobody wants 2

    assert await status(site, "1") == ("queued", "target-missing")
    assert await status(site, "2") == ("synced", None)
    [told] = [line for line in read_log() if line["event"] == "target_damaged"]
    assert (told["tag"], told["finding"], told["repair"]) == ("1", "missing", "queued")
    assert await site.copy() == 1
    assert site.names("1") == tiny("image 1").digest
    assert not await site.findings()


async def test_what_somebody_overwrote_is_told_of_and_left_alone(site: Site, read_log: ReadLog) -> None:
    await site.mirror(images("12"))
    intact_at = site.workplace.clock.now()
    theirs = push(site.target.url, site.name, "2", tiny("somebody else's"))
    site.workplace.clock.advance(LONG.total_seconds())

    for _ in range(2):
        assert await look(site, "1", "2", elapsed=DAY) == 0

    assert await status(site, "2") == ("synced", None)
    [finding] = await site.findings()
    assert (finding.tag, finding.finding, finding.found) == ("2", "changed", theirs)
    assert (finding.expected, finding.intact_at) == (tiny("image 2").digest, intact_at)
    assert [line["tag"] for line in read_log() if line["event"] == "target_damaged"] == ["2"]
    assert await site.look({"1", "2"}, site.item(repair="all"), elapsed=DAY) == 1
    assert await status(site, "2") == ("queued", "target-differs")
    await site.copy()
    assert site.names("2") == tiny("image 2").digest
    assert not await site.findings()


async def test_a_finding_is_over_once_the_tag_is_as_it_was(site: Site) -> None:
    await site.mirror(images("1"))
    push(site.target.url, site.name, "1", tiny("somebody else's"))
    site.workplace.clock.advance(LONG.total_seconds())
    await look(site, "1")
    assert len(await site.findings()) == 1
    push(site.target.url, site.name, "1", tiny("image 1"))

    await look(site, "1", elapsed=None)

    assert not await site.findings()


async def test_after_a_restore_all_tags_are_checked_at_once(site: Site) -> None:
    names = [str(number) for number in range(12)]
    await site.mirror(images(names))
    push(site.target.url, site.name, "0", tiny("a later copy"))
    for name in names[1:]:
        site.lose_tag(name)
    await restore(site)

    assert await look(site, *names, elapsed=None) == 12  # what differs is no stranger's, but a later copy


async def test_rows_of_an_older_schema_are_spread_over_days(site: Site) -> None:
    names = [str(number) for number in range(40)]
    await site.mirror(images(names))
    async with site.database.write() as connection:
        await connection.execute(update(tags).values(target_checked_at=None))
    asked = site.target.access_log().count("HEAD /v2/")

    assert await look(site, *names, elapsed=None) == 0
    for elapsed, expected in ((DAY, 4), (DAY, 4), (DAY / 4, 1)):
        await look(site, *names, elapsed=elapsed)
        now = site.target.access_log().count("HEAD /v2/")
        assert now - asked == expected
        asked = now


async def test_all_tags_are_checked_within_thirty_days(site: Site) -> None:
    names = [str(number) for number in range(10)]
    await site.mirror(images(names))
    for name in names:
        site.lose_tag(name)
    queued = 0
    for _ in range(30):
        site.workplace.clock.advance(DAY.total_seconds())
        queued += await look(site, *names, elapsed=DAY)

    assert queued == 10


async def test_a_check_in_the_future_counts_as_none(site: Site) -> None:
    await site.mirror(images("1"))
    site.lose_tag("1")
    site.workplace.clock.advance(-3600)

    assert await look(site, "1") == 1


async def test_what_upstream_does_not_list_any_more_is_verified_too(site: Site) -> None:
    await site.mirror(images("12"))
    await site.is_gone_upstream("1")
    site.lose_tag("1")
    site.lose_manifest(tiny("image 1").digest)
    site.workplace.clock.advance(LONG.total_seconds())

    assert await look(site, "2") == 0

    [finding] = await site.findings()
    assert (finding.tag, finding.finding, finding.lost) == ("1", "missing", True)


async def test_an_unreadable_tag_is_unchanged_and_checked_again_after_the_others(site: Site, read_log: ReadLog) -> None:
    await site.mirror(images("12"))
    site.lose_tag("1")
    site.lose_tag("2")
    site.workplace.clock.advance(LONG.total_seconds())
    site.target.stop()
    try:
        assert await look(site, "1", "2", elapsed=DAY) == 0
        assert await status(site, "1") == ("synced", None)
        assert [line["tags"] for line in read_log() if line["event"] == "verification_failed"] == [1]
    finally:
        site.target.start()

    assert await look(site, "1", "2", elapsed=DAY) == 1
    assert (await status(site, "2"))[0] == "queued"
    assert await look(site, "1", "2", elapsed=DAY) == 1


async def test_a_look_goes_as_deep_as_items_yml_says(site: Site) -> None:
    image = tiny("image 1")
    await site.mirror({"1": image})
    config = image.config_digest
    site.lose_blob(config)
    site.workplace.clock.advance(LONG.total_seconds())
    assert await look(site, "1") == 0

    assert await site.look({"1"}, site.item(depth="contents"), elapsed=LONG) == 1

    assert await status(site, "1") == ("queued", "target-incomplete")


async def test_a_look_does_not_wait_for_long(
    site: Site, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, read_log: ReadLog
) -> None:
    site.host = proxy.host
    await site.mirror(images("1"))
    site.workplace.clock.advance(LONG.total_seconds())
    monkeypatch.setattr("ferryman.verification.routine._LONGEST", 0.1)
    gate = proxy.hold("^HEAD")

    assert await look(site, "1") == 0

    assert [line["event"] for line in read_log() if line["level"] == "warning"] == ["verification_cut"]
    assert not gate.is_set()


async def test_nothing_is_verified_where_that_is_off(site: Site) -> None:
    await site.mirror(images("1"))
    site.lose_tag("1")
    site.workplace.clock.advance(LONG.total_seconds())
    await restore(site)
    item = replace(site.item(), verify=None)

    assert await site.look(["1"], item, elapsed=LONG) == 0

    assert not await site.findings()
    assert await site.routine.next_due(item, ["1"]) > site.workplace.clock.now() + timedelta(days=365)
