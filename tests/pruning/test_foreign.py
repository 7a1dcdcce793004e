"""`foreign: true`: tags of the target that Ferryman did not put there are judged, marked and removed like its own."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from ferryman.operations.prune import block_or_doubt_of
from ferryman.reference import Repository, keep_tag, referrers_tag
from tests.pruning.scene import AFTER, PruneScene
from tests.rollback.scene import version
from tests.support.images import Image, push

ONE, TWO, THREE, FOUR, FIVE = (version(number, of="foreign") for number in range(1, 6))


def stranger_pushes(scene: PruneScene, tag: str, what: Image) -> None:
    push(scene.workplace.target.url, scene.target.name, tag, what)


@pytest.fixture
async def shared(scene: PruneScene) -> PruneScene:
    """Upstream has four tags, of which two are wanted; a stranger has pushed an old one, and two of their own."""
    scene.want(limit=2)
    await scene.upload({"1": ONE, "2": TWO, "3": THREE, "4": FOUR})
    stranger_pushes(scene, "1", ONE)
    stranger_pushes(scene, "theirs", FIVE)
    stranger_pushes(scene, "test", ONE)
    scene.prune_by(foreign=True)
    return scene


async def test_what_others_put_there_is_not_touched_unless_wished(shared: PruneScene) -> None:
    shared.prune_by(foreign=False)
    await shared.cycle()
    await shared.pass_time()
    await shared.cycle()

    assert shared.images() == {"1", "3", "4", "test", "theirs"}
    assert not await shared.stays()
    assert not (await shared.remove_now()).removed


async def test_what_was_wished_once_is_not_for_ever(shared: PruneScene) -> None:
    await shared.cycle()
    await shared.cycle()
    shared.prune_by(foreign=False)
    await shared.pass_time()

    await shared.cycle()

    assert shared.images() == {"1", "3", "4", "test", "theirs"}
    assert not await shared.marks()


async def test_it_is_marked_first_and_goes_after_its_time(shared: PruneScene) -> None:
    await shared.cycle()  # the first copies: no wanted tag is mirrored before
    await shared.cycle()
    assert {tag: mark.reason for tag, mark in (await shared.marks()).items()} == {
        "1": "beyond-limit", "test": "foreign", "theirs": "foreign",
    }  # fmt: skip
    assert shared.images() == {"1", "3", "4", "test", "theirs"}

    await shared.pass_time()
    await shared.cycle()

    assert shared.images() == {"3", "4"}
    assert {(event.tag, event.digest) for event in shared.pruned} == {
        ("1", ONE.digest), ("test", ONE.digest), ("theirs", FIVE.digest),
    }  # fmt: skip
    assert not await shared.marks()
    await shared.assert_true()


async def test_it_can_be_brought_back(shared: PruneScene) -> None:
    await shared.cycle()
    await shared.remove(await shared.pruner.outlook(shared.item, at_once=True, note=True))
    assert shared.names(keep_tag(FIVE.digest)) == FIVE.digest

    assert await shared.put_back("theirs", FIVE) is None

    assert shared.names("theirs") == FIVE.digest
    assert (await shared.stays())["theirs"] == "held"


async def test_a_person_sees_it_before_anything_is_recorded(shared: PruneScene) -> None:
    shared.prune_by(foreign=False)
    await shared.cycle()
    shared.prune_by(foreign=True)
    shown = await shared.outlook(at_once=True)
    assert "theirs" not in await shared.records()

    noted = await shared.pruner.outlook(shared.item, at_once=True, note=True)

    assert (await shared.records())["theirs"].target_digest == FIVE.digest
    assert [(step.mark.tag, step.action) for step in shown.steps] == [
        (step.mark.tag, step.action) for step in noted.steps
    ]


async def test_pins_and_protected_names_stay(shared: PruneScene) -> None:
    stranger_pushes(shared, "pinned", TWO)
    shared.want(pin=(re.compile("pinned"),))
    shared.item = replace(shared.item, protect=(re.compile("the.*"),))
    await shared.cycle()

    assert await shared.stays() == {"1": None, "pinned": "pinned", "test": None, "theirs": "protected"}


async def test_they_do_not_count_as_the_newest_that_stay(shared: PruneScene) -> None:
    await shared.cycle()
    shared.want(limit=1)
    shared.prune_by(keep=1)
    await shared.cycle()

    stays = await shared.stays()
    assert (stays["3"], stays["theirs"], stays["test"]) == ("newest", None, None)


async def test_what_is_pushed_again_waits_anew(shared: PruneScene) -> None:
    await shared.cycle()
    await shared.cycle()
    await shared.pass_time()
    stranger_pushes(shared, "theirs", TWO)

    await shared.cycle()

    assert shared.images() == {"3", "4", "theirs"}
    mark = (await shared.marks())["theirs"]
    assert mark.due_at - shared.clock.now() > AFTER - timedelta(hours=1)
    assert (await shared.records())["theirs"].target_digest == TWO.digest
    await shared.pass_time()
    await shared.cycle()
    assert shared.images() == {"3", "4"}
    assert {shared.names(keep_tag(each.digest)) for each in (TWO,)} == {TWO.digest}


async def test_what_its_owner_deletes_is_forgotten(shared: PruneScene) -> None:
    await shared.cycle()
    await shared.cycle()
    shared.workplace.target.lose_tag(shared.target.name, "theirs")
    shared.workplace.target.lose_tag(shared.target.name, "1")

    await shared.cycle()

    assert set(await shared.marks()) == {"test"}
    records = await shared.records()
    assert "theirs" not in records
    assert (records["1"].status, records["1"].target_digest) == ("skipped", None)


async def test_what_upstream_wants_there_is_copied_over_and_kept(shared: PruneScene) -> None:
    await shared.cycle()
    await shared.cycle()
    await shared.upload({"theirs": TWO})

    await shared.cycle()

    assert shared.names("theirs") == TWO.digest
    assert shared.names(keep_tag(FIVE.digest)) == FIVE.digest
    assert "theirs" not in await shared.marks()
    await shared.assert_true()


async def test_nothing_goes_while_the_target_cannot_be_listed(shared: PruneScene) -> None:
    await shared.cycle()
    shared.want(limit=1)
    await shared.cycle()
    await shared.pass_time()
    shared.proxy.answer("GET .*/tags/list", 500)

    await shared.cycle()

    assert (await shared.outlook()).block == "unlisted"
    assert shared.images() == {"1", "3", "4", "test", "theirs"}
    shared.proxy.mend()
    await shared.cycle()
    assert shared.images() == {"4"}


async def test_signatures_of_others_go_with_what_they_sign(shared: PruneScene) -> None:
    for number, image in enumerate((FOUR, FIVE)):
        tag = f"{image.digest.replace(':', '-')}.sig"
        stranger_pushes(shared, tag, version(number, of="signatures"))
    await shared.cycle()
    await shared.cycle()
    await shared.pass_time()
    shared.history(timedelta())

    await shared.cycle()
    await shared.cycle()

    assert shared.images() == {"3", "4", f"{FOUR.digest.replace(':', '-')}.sig"}


async def test_a_part_a_day(shared: PruneScene) -> None:
    await shared.cycle()
    await shared.cycle()
    await shared.pass_time()
    shared.prune_by(most=0.4)  # of the five that are there

    await shared.cycle()
    assert len(shared.images()) == 3
    await shared.cycle()
    assert len(shared.images()) == 3
    await shared.pass_time(timedelta(days=1))
    await shared.cycle()
    assert shared.images() == {"3", "4"}


async def test_lists_of_referrers_go_with_what_they_are_about(scene: PruneScene) -> None:
    """A registry without the referrers API wants them as tags, which upstream's registry may not have."""
    scene.want(limit=1, referrers=True)
    scene.client.capabilities(scene.target.registry).lists_referrers = False
    await scene.upload({"1": ONE, "2": TWO})
    lists = {number: referrers_tag(what.digest) for number, what in {1: ONE, 2: TWO, 5: FIVE}.items()}
    for number, tag in lists.items():
        stranger_pushes(scene, tag, version(number, of="lists"))
    scene.want(limit=2, referrers=True)
    await scene.cycle()
    scene.want(limit=1, referrers=True)
    await scene.cycle()
    assert await scene.stays() == {"1": None, lists[1]: None, lists[2]: "referred"}
    await scene.pass_time()

    await scene.cycle()
    assert scene.images() == {"2", *lists.values()}, "a digest that is kept keeps what refers to it"
    scene.history(timedelta())
    scene.client.capabilities(scene.target.registry).lists_referrers = False
    await scene.expiry.run()  # it is kept no longer
    await scene.cycle()

    assert scene.images() == {"2", lists[2], lists[5]}, "nobody has mirrored the third image here"


async def test_a_target_that_lists_nothing_keeps_its_lists_of_referrers_and_nothing_else(scene: PruneScene) -> None:
    scene.want(limit=2, referrers=True)
    scene.client.capabilities(scene.target.registry).lists_referrers = False
    await scene.upload({"1": ONE, "2": TWO})
    await scene.cycle()
    scene.want(limit=1, referrers=True)
    scene.proxy.answer("GET .*/target/tags/list", 403)
    await scene.cycle()
    await scene.pass_time()

    await scene.cycle()

    assert (await scene.outlook()).block is None
    assert scene.images() == {"2"}


@pytest.mark.parametrize(("status", "goes_on"), [(403, True), (500, False)])
async def test_one_repository_that_cannot_be_listed_does_not_hold_up_the_others(
    shared: PruneScene, status: int, *, goes_on: bool
) -> None:
    """Unless its registry fails: then the next cycle goes on."""
    await shared.cycle()
    others = replace(shared.item, target=Repository(shared.target.registry, f"{shared.target.name}-others"))
    shared.proxy.answer("GET .*/target/tags/list", status)
    shared.proxy.requests.clear()

    await shared.pruner.run([shared.item, others], lambda _: True)

    assert any(each.endswith("-others/tags/list") for each in shared.proxy.requests) == goes_on


async def test_a_target_that_cannot_be_listed_is_told_of_even_if_nothing_would_go(shared: PruneScene) -> None:
    shared.prune_by(foreign=False)
    await shared.cycle()
    shared.prune_by(foreign=True)
    shared.proxy.answer("GET .*/tags/list", 403)

    outlook = await shared.outlook(at_once=True)

    assert not outlook.steps
    assert block_or_doubt_of(outlook) == "unlisted"
