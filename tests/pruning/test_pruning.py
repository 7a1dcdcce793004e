"""What the rules no longer want is marked, goes after its time, and can be brought back."""

import re
from datetime import timedelta

import pytest

from ferryman.reference import keep_tag
from ferryman.store.queries.tag_history import TagHistory, read_tag_history
from ferryman.store.records import ItemKey
from tests.pruning.scene import AFTER, PruneScene
from tests.rollback.scene import version
from tests.support.images import index, push

ONE, TWO, THREE, FOUR = (version(number, of="prune") for number in range(1, 5))


async def mirrored(scene: PruneScene) -> None:
    """Four tags, of which the rules want the newest two from now on."""
    await scene.upload({"1": ONE, "2": TWO, "3": THREE, "4": FOUR})
    await scene.cycle()
    assert scene.images() == {"1", "2", "3", "4"}
    scene.want(limit=2)


async def history(scene: PruneScene, tag: str) -> TagHistory:
    async with scene.database.read() as connection:
        found = await read_tag_history(connection, str(scene.target), tag, scene.clock.now())
    assert found is not None
    return found


async def test_a_tag_is_marked_first_and_goes_after_its_time(scene: PruneScene) -> None:
    await mirrored(scene)
    await scene.cycle()
    marks = await scene.marks()
    assert {tag: (mark.reason, mark.due_at - mark.marked_at) for tag, mark in marks.items()} == {
        "1": ("beyond-limit", AFTER), "2": ("beyond-limit", AFTER),
    }  # fmt: skip

    await scene.pass_time(AFTER - timedelta(hours=1))
    await scene.cycle()
    assert scene.images() == {"1", "2", "3", "4"}
    await scene.pass_time(timedelta(hours=1))
    await scene.cycle()

    assert scene.images() == {"3", "4"}
    assert {event.tag for event in scene.pruned} == {"1", "2"}
    assert not await scene.marks()
    await scene.assert_true()


async def test_what_went_can_be_brought_back(scene: PruneScene) -> None:
    await mirrored(scene)
    await scene.cycle()
    await scene.pass_time()
    await scene.cycle()
    record, life = await scene.record("1"), await history(scene, "1")
    assert (record.status, record.reason, record.mirrored_digest) == ("skipped", "beyond-limit", None)
    [named] = life.named
    assert (named.digest, named.holder, named.until is None) == (ONE.digest, keep_tag(ONE.digest), False)
    assert life.at(scene.clock.now()) is None
    assert life.previous == named

    assert await scene.put_back("1", ONE) is None

    assert scene.names("1") == ONE.digest
    assert [each.until is None for each in (await history(scene, "1")).named] == [False, True]
    assert (await scene.stays())["1"] == "held"
    await scene.assert_true()


async def test_without_a_history_nothing_is_kept(scene: PruneScene) -> None:
    scene.history(timedelta())
    await mirrored(scene)
    await scene.cycle()
    await scene.pass_time()
    await scene.cycle()
    assert scene.tags() == {"3", "4"}


async def test_what_is_wanted_again_loses_its_mark_and_is_copied_again_if_it_went(scene: PruneScene) -> None:
    await mirrored(scene)
    await scene.cycle()
    scene.want(limit=3)
    await scene.cycle()
    assert set(await scene.marks()) == {"1"}
    await scene.pass_time()
    await scene.cycle()
    assert scene.images() == {"2", "3", "4"}

    scene.want(limit=4)
    await scene.cycle()

    assert scene.names("1") == ONE.digest
    await scene.assert_true()


async def test_what_is_never_removed(scene: PruneScene) -> None:
    await scene.upload({tag: version(number, of="never") for number, tag in enumerate("abcdefgh")})
    await scene.cycle()
    await scene.put_back("a", version(0, of="never"))
    scene.item = type(scene.item)(
        "app", scene.source, scene.target, scene.item.rules, scene.item.platforms, prune=scene.item.prune,
        protect=(re.compile("b"),),
    )  # fmt: skip
    scene.want(limit=1, pin=(re.compile("c"),))
    scene.prune_by(keep=2)
    await scene.look()
    await scene.prune()

    assert await scene.stays() == {"g": "newest", "f": "newest", "e": None, "d": None, "b": "protected", "a": "held"}
    await scene.pass_time()
    await scene.cycle()
    assert scene.images() == {"a", "b", "c", "f", "g", "h"}


async def test_a_tag_that_is_held_because_upstream_changed_it_stays(scene: PruneScene) -> None:
    scene.want(on_change="hold")
    await scene.upload({f"{number}.0.0": version(number, of="held") for number in (1, 2)})
    await scene.cycle()
    await scene.upload({"1.0.0": version(7, of="held")})
    scene.want(include=(re.compile("2.*"),))
    await scene.look()

    assert await scene.stays() == {"1.0.0": "held"}
    assert (await scene.remove_now()).removed == 0
    assert scene.names("1.0.0") == version(1, of="held").digest


async def test_no_more_than_a_part_goes_in_a_day_the_oldest_first(scene: PruneScene) -> None:
    await scene.upload({f"{number}": version(number, of="most") for number in range(10)})
    scene.prune_by(most=0.25)
    await scene.cycle()
    scene.want(limit=2)
    await scene.cycle()
    await scene.pass_time()
    await scene.cycle()
    assert scene.images() == {str(number) for number in range(2, 10)}
    await scene.pass_time(timedelta(hours=23))
    await scene.cycle()
    assert scene.images() == {str(number) for number in range(2, 10)}

    await scene.pass_time(timedelta(hours=2))
    await scene.cycle()

    assert scene.images() == {str(number) for number in range(4, 10)}


async def test_a_small_item_loses_one_a_day(scene: PruneScene) -> None:
    await mirrored(scene)
    scene.prune_by(most=0.01)
    await scene.cycle()
    await scene.pass_time()
    await scene.cycle()
    assert scene.images() == {"2", "3", "4"}


async def test_what_upstream_has_deleted_is_judged_as_if_it_was_there(scene: PruneScene) -> None:
    await mirrored(scene)
    for tag in ("1", "4"):
        del scene.upstream[tag]
    await scene.cycle()
    assert set(await scene.marks()) == {"1"}  # 4 is one of the newest two that there ever were, and 2 is now


async def test_what_a_stranger_has_overwritten_stays(scene: PruneScene) -> None:
    await mirrored(scene)
    await scene.cycle()
    push(scene.workplace.target.url, scene.target.name, "1", FOUR)
    await scene.pass_time()
    await scene.cycle()

    assert scene.names("1") == FOUR.digest
    assert scene.images() == {"1", "3", "4"}
    assert (await scene.stays())["1"] == "changed"


async def test_what_is_not_there_any_more_is_recorded_so(scene: PruneScene) -> None:
    await mirrored(scene)
    await scene.cycle()
    await scene.client.delete_manifest(scene.target.pinned(ONE.digest))
    await scene.pass_time()
    await scene.cycle()
    assert (await scene.record("1")).target_digest is None
    await scene.assert_true()


@pytest.mark.parametrize("why", ["failed", "stale", "rules", "nothing-left"])
async def test_nothing_goes_without_a_look_that_can_be_relied_on(scene: PruneScene, why: str) -> None:
    await mirrored(scene)
    await scene.cycle()
    await scene.pass_time()
    match why:
        case "failed":
            await scene.look()
            key = next(iter((await scene.records()).values()))
            await scene.workplace.ledger.note_lookup_failure(
                ItemKey("app", key.source, key.target, "all"), "away", now=scene.clock.now()
            )
        case "stale":
            pass
        case "rules":
            await scene.look()
            scene.want(limit=1)
        case "nothing-left":
            scene.want(include=(re.compile("none"),))
            await scene.look()

    await scene.prune()

    assert scene.images() == {"1", "2", "3", "4"}
    expected = {"rules": "rules-changed"}.get(why, why)
    assert (await scene.outlook()).block == expected
    assert (await scene.outlook(at_once=True)).block == expected


async def test_a_tag_that_changes_before_it_goes_stays(scene: PruneScene) -> None:
    """Between the judgement and the removal another process looks, or copies."""
    await mirrored(scene)
    await scene.look()
    outlook = await scene.outlook(at_once=True)
    await scene.look()
    done = await scene.remove(outlook)
    assert (done.removed, done.stayed) == (0, 2)
    assert scene.images() == {"1", "2", "3", "4"}


async def test_a_person_does_not_wait_but_keeps_to_the_part_of_a_day(scene: PruneScene) -> None:
    await mirrored(scene)
    scene.prune_by(most=0.25)
    await scene.look()
    assert (await scene.remove_now()).removed == 1
    assert (await scene.remove_now()).removed == 0
    assert scene.images() == {"2", "3", "4"}


async def test_signatures_go_with_what_they_belong_to(scene: PruneScene) -> None:
    scene.history(timedelta())
    child = version(9, of="child")
    both = index([child, version(8, of="child")])
    signature = {name: version(number, of="sig") for number, name in enumerate(("one", "two", "child", "meta"))}

    def tag_of(digest: str) -> str:
        return f"{digest.replace(':', '-')}.sig"

    await scene.upload({"1": ONE, "2": both})
    await scene.upload({
        tag_of(ONE.digest): signature["one"], tag_of(both.digest): signature["two"],
        tag_of(child.digest): signature["child"], tag_of(signature["one"].digest): signature["meta"],
    })  # fmt: skip
    scene.want(referrers=True)
    await scene.cycle()
    everything = scene.tags()
    scene.want(limit=1, referrers=False)
    await scene.cycle()
    assert set(await scene.marks()) == {"1", tag_of(ONE.digest), tag_of(signature["one"].digest)}

    await scene.pass_time()
    await scene.cycle()

    assert scene.tags() == everything - {"1", tag_of(ONE.digest), tag_of(signature["one"].digest)}
    await scene.assert_true()


async def test_signatures_of_what_is_kept_stay_with_it(scene: PruneScene) -> None:
    signature, tag = version(7, of="sig"), f"{ONE.digest.replace(':', '-')}.sig"
    await scene.upload({tag: signature, "1": ONE, "2": TWO})
    scene.want(referrers=True)
    await scene.cycle()
    scene.want(limit=1)
    await scene.cycle()
    await scene.pass_time()
    await scene.cycle()
    assert scene.images() == {tag, "2"}
    await scene.pass_time(timedelta(days=91))
    await scene.expiry.run()
    await scene.cycle()
    assert scene.tags() == {"2"}


async def test_without_prune_in_items_yml_nothing_is_marked(scene: PruneScene) -> None:
    await mirrored(scene)
    await scene.cycle()
    assert await scene.marks()
    scene.item = type(scene.item)("app", scene.source, scene.target, scene.item.rules, scene.item.platforms)
    await scene.cycle()
    assert not await scene.marks()
    await scene.pass_time()
    await scene.cycle()
    assert scene.images() == {"1", "2", "3", "4"}
