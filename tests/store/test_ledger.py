"""The record of tags, and import and export of the old history, on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta

from ferryman.store.ledger import ItemSummary, Ledger
from ferryman.store.records import HistoryLine, ItemKey, PlannedTag, SeenTag, Status, Walk
from tests.store.scene import ITEM, START, Scene, digest

HUB = ItemKey("traefik", "docker.io/library/traefik", "registry.example.com/mirror/traefik", None)
DAY = timedelta(days=1)


async def test_tags_by_item_newest_first(scene: Scene) -> None:
    await scene.walk({"undated": digest("a")})
    await scene.walk({"old": digest("a")}, pushed_at=START - DAY)
    await scene.walk({"new": digest("a")}, pushed_at=START)
    await scene.walk({"another": digest("a")}, item=HUB, pushed_at=START)
    await scene.fail(await scene.claimed())
    found = [each async for each in scene.ledger.tags()]
    assert [(record.item, record.tag) for record in found] == [
        ("etcd", "new"), ("etcd", "old"), ("etcd", "undated"), ("traefik", "another"),
    ]  # fmt: skip
    assert [record.tag async for record in scene.ledger.tags(targets=[HUB.target])] == ["another"]
    assert [record.tag async for record in scene.ledger.tags(failed=True)] == ["undated"]
    assert [each async for each in scene.ledger.tags(targets=[])] == []


async def test_within_an_item_tags_stand_by_status_and_then_newest_first(scene: Scene) -> None:
    for day, tag in enumerate(["2.9", "2.10"]):  # each is its walk's first
        await scene.walk({tag: digest("a")}, pushed_at=START + day * DAY)
        await scene.succeed(await scene.claimed())
    await scene.fail(await scene.running("1.0"))
    queued = ["3.2", "3.10", "3.1"]  # in the order of their rank
    await scene.walk(dict.fromkeys(queued, digest("a")), pushed_at=START)
    left_out = ["edge", "4.9-rc1", "4.10-rc1", "4.10-rc2"]
    await scene.walk(dict.fromkeys(left_out, digest("a")), planned=dict.fromkeys(left_out, "skip"))
    assert [(record.status, record.tag) async for record in scene.ledger.tags()] == [
        ("synced", "2.10"), ("synced", "2.9"), ("queued", "3.2"), ("queued", "3.10"), ("queued", "3.1"),
        ("failed", "1.0"), ("skipped", "4.10-rc2"), ("skipped", "4.10-rc1"), ("skipped", "4.9-rc1"),
        ("skipped", "edge"),
    ]  # fmt: skip


async def test_what_the_rules_leave_out_is_left_out_on_request(scene: Scene) -> None:
    await scene.walk({"ruled-out": digest("a")}, planned={"ruled-out": "skip"})
    await scene.skip(await scene.running("skipped"))
    await scene.succeed(await scene.running("synced"))
    assert len([each async for each in scene.ledger.tags()]) == 3
    shown = [each async for each in scene.ledger.tags(excluded_reasons=["a rule", "another"])]
    assert {record.tag for record in shown} == {"skipped", "synced"}
    assert [each async for each in scene.ledger.tags(failed=True, excluded_reasons=["a rule"])] == []


async def test_the_summary(scene: Scene) -> None:
    await scene.succeed(await scene.running("v1"))
    later = scene.clock.advance(DAY)
    await scene.succeed(await scene.running("v2"))
    await scene.walk({"v3": digest("a")})
    await scene.walk(gone=["v1"])
    await scene.walk({"1.0": digest("a")}, item=HUB, planned={"1.0": "skip"})
    counts: dict[Status, int] = {"synced": 2, "queued": 1, "running": 0, "failed": 0, "skipped": 0}
    etcd = ItemSummary("etcd", ITEM.source, ITEM.target, counts, 1, later)
    assert list(etcd.counts) == ["synced", "queued", "running", "failed", "skipped"]
    assert (await scene.ledger.summary())[0] == etcd
    assert [each.name for each in await scene.ledger.summary()] == ["etcd", "traefik"]
    assert await scene.ledger.summary([ITEM.target]) == [etcd]
    assert await scene.ledger.summary([]) == []


async def test_old_attempts_are_forgotten(scene: Scene) -> None:
    await scene.fail(await scene.running(), retry_at=START)
    scene.clock.advance(DAY)
    await scene.succeed(await scene.claimed())
    record = await scene.record()
    assert await scene.ledger.forget_attempts(START) == 0
    assert await scene.ledger.forget_attempts(START + DAY) == 1
    assert [attempt.outcome for attempt in await scene.ledger.attempts(record.id)] == ["synced"]


async def test_a_line_for_every_digest_that_was_mirrored(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")}, pushed_at=START)
    await scene.succeed(await scene.claimed())
    await scene.walk({"v1": digest("b")}, pushed_at=START + DAY)
    await scene.succeed(await scene.claimed())
    await scene.queue.requeue(targets=[ITEM.target])
    await scene.succeed(await scene.claimed())
    assert await scene.history() == [
        (ITEM.source, HistoryLine("v1", digest("b"), START + DAY)),
        (ITEM.source, HistoryLine("v1", digest("a"), START)),
    ]


async def test_a_line_for_a_digest_that_upstream_left_behind_meanwhile(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")}, pushed_at=START)
    job = await scene.claimed()
    await scene.walk({"v1": digest("b")}, pushed_at=START + DAY)
    await scene.succeed(job)
    assert await scene.history() == [(ITEM.source, HistoryLine("v1", digest("a"), None))]


async def test_lines_of_docker_hub_name_the_image_for_amd64(scene: Scene) -> None:
    told = {"linux/amd64": digest("c"), "linux/arm64": None}
    await scene.walk({"1.0": digest("a")}, item=HUB, platforms=told)
    await scene.walk({"v1": digest("a")}, platforms=told)
    for _ in range(2):
        await scene.succeed(await scene.claimed())
    assert await scene.history() == [
        (HUB.source, HistoryLine("1.0", digest("c"), None)),
        (ITEM.source, HistoryLine("v1", digest("a"), None)),
    ]


def _lines(*lines: tuple[str, str, datetime | None]) -> list[HistoryLine]:
    return [HistoryLine(*line) for line in lines]


async def test_lines_of_two_targets_of_one_source_are_sorted_together(scene: Scene) -> None:
    other = replace(ITEM, target="registry.example.com/second/etcd")
    await scene.ledger.import_history(
        other, _lines(("3.6", digest("c"), START + DAY), ("3.4", digest("a"), None)), now=START
    )
    await scene.ledger.import_history(ITEM, _lines(("3.5", digest("b"), START)), now=START)
    assert [(source, line.tag) for source, line in await scene.history()] == [
        (ITEM.source, "3.6"), (ITEM.source, "3.5"), (ITEM.source, "3.4"),
    ]  # fmt: skip


async def test_importing_a_file(scene: Scene) -> None:
    lines = _lines(
        ("3.5", digest("c"), START),
        ("3.5", digest("b"), START),
        ("latest", "Unknown", START),
        ("3.4", digest("a"), None),
    )
    assert await scene.ledger.import_history(ITEM, lines, now=START) == 3
    assert await scene.ledger.import_history(ITEM, lines, now=START + DAY) == 0
    assert await scene.history() == [(ITEM.source, line) for line in lines]
    known = await scene.ledger.known(ITEM.target)
    assert {record.status for record in known.values()} == {"synced"}
    assert {record.synced_at for record in known.values()} == {None}
    assert {tag: record.mirrored_digest for tag, record in known.items()} == {
        "3.5": digest("c"), "latest": None, "3.4": digest("a"),
    }  # fmt: skip
    assert await scene.queue.claim() is None


async def test_an_import_does_not_overwrite_what_the_record_knows(scene: Scene) -> None:
    await scene.succeed(await scene.running("synced"))
    await scene.fail(await scene.running("failed"))
    await scene.walk({"skipped": digest("a")}, planned={"skipped": "skip"})
    job = await scene.running("running")
    await scene.walk({"queued": digest("a")})
    names = ("synced", "failed", "skipped", "running", "queued")
    lines = _lines(*((tag, digest("e"), START) for tag in names))
    assert await scene.ledger.import_history(ITEM, lines, now=START) == 3
    known = await scene.ledger.known(ITEM.target)
    assert {tag: (record.status, record.mirrored_digest) for tag, record in known.items()} == {
        "synced": ("synced", digest("a")), "failed": ("synced", digest("e")), "skipped": ("synced", digest("e")),
        "running": ("running", None), "queued": ("synced", digest("e")),
    }  # fmt: skip
    assert known["failed"].error is None
    assert await scene.succeed(job)


async def test_an_imported_tag_is_adopted_or_copied_anew(scene: Scene) -> None:
    lines = _lines(("same", digest("c"), START), ("unknown", "Unknown", START), ("other", digest("d"), START))
    await scene.ledger.import_history(ITEM, lines, now=START)
    await scene.walk(
        dict.fromkeys(("same", "unknown", "other"), digest("a")),
        planned={"same": "adopt", "unknown": "adopt", "other": "copy"},
    )
    assert (await scene.record("same")).mirrored_digest == digest("a")
    assert (await scene.record("unknown")).mirrored_digest == digest("a")
    assert (await scene.claimed()).tag == "other"
    assert await scene.queue.claim() is None
    assert {line.digest for _, line in await scene.history()} == {digest("c"), "Unknown", digest("d")}


async def test_an_imported_tag_that_was_never_seen_cannot_be_requeued(scene: Scene) -> None:
    await scene.ledger.import_history(ITEM, _lines(("3.5", digest("c"), START)), now=START)
    assert await scene.queue.requeue(targets=[ITEM.target]) == 0


async def test_importing_thousands_of_lines_keeps_their_order(ledger: Ledger) -> None:
    lines = _lines(*((f"v{number % 1500}", digest("abcdef"[number // 1500]), START) for number in range(4500)))
    assert await ledger.import_history(ITEM, lines, now=START) == 1500
    pages = [page async for _, page in ledger.history()]
    assert [line for page in pages for line in page] == lines
    assert len(pages) > 1, "a large record is read in pages"
    assert (await ledger.known(ITEM.target))["v7"].mirrored_digest == digest("a")


async def test_targets_where_a_copy_found_a_tag_lacking_platforms_since_the_last_lookup(scene: Scene) -> None:
    began_at = scene.clock.now()
    job = await scene.running("v1")
    scene.clock.advance(timedelta(seconds=1))
    await scene.skip(job)
    assert await scene.ledger.targets_lacking_platforms([ITEM.target, HUB.target], since=began_at) == {ITEM.target}
    assert await scene.ledger.targets_lacking_platforms([HUB.target], since=began_at) == set()
    later = scene.clock.advance(timedelta(seconds=1))
    assert await scene.ledger.targets_lacking_platforms([ITEM.target], since=later) == set()
    await scene.walk({"v1": digest("a")}, planned={"v1": "skip"})
    assert await scene.ledger.targets_lacking_platforms([ITEM.target], since=began_at) == set()


async def test_what_was_mirrored_and_cannot_be_read_is_among_what_failed(scene: Scene) -> None:
    await scene.succeed(await scene.running("v1"))
    now = scene.clock.advance(timedelta(seconds=1))
    missed = PlannedTag("v1", "fail", "unreadable", error="answered 500", error_kind="unreachable")
    await scene.queue.apply(
        ITEM, [SeenTag("v1", None, None)], gone=(), planned=[missed, replace(missed, tag="pinned")],
        walk=Walk(now, now, "rules"),
    )  # fmt: skip
    found = {record.tag: (record.status, record.error) async for record in scene.ledger.tags(failed=True)}
    assert found == {"v1": ("synced", "answered 500"), "pinned": ("failed", "answered 500")}
    assert await scene.queue.requeue(failed=True) == 0  # it has no digest: the next look reads it again
    await scene.queue.withdraw_items([])
    assert [each async for each in scene.ledger.tags(failed=True)] == []
