"""A collapsed upstream freezes its item: whatever happens, its tags stay as they are until somebody releases them."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.discovery.base import UpstreamTag
from ferryman.errors import Collapsed, Denied, NotFound, Unreachable
from ferryman.items.model import Configuration, Item, Rules
from ferryman.reference import Repository
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.client import RegistryClient
from ferryman.registry_options import RegistryOptions
from ferryman.store.records import Freeze, Intent, TagRecord
from tests.support.upstreams import DockerHub, Google, Quay, Upstream, made_up_digest
from tests.test_quiet_looks import HOUR, Shelf, is_quiet, settle, world_of
from tests.test_scheduler import PAUSE, Raising, World

TARGET = str(PAUSE.target)
BY_ME = Intent("me", "release", TARGET)
RELEASES = [f"1.{minor}.0" for minor in range(10)]


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf(ordered=False)
    for name in RELEASES:
        shelf.push(name, "1")
    return shelf


@pytest.fixture
async def world(tmp_path: Path, shelf: Shelf) -> AsyncIterator[World]:
    async with world_of(shelf, tmp_path) as world:
        await world.cycle(PAUSE)
        await world.copy_everything()
        yield world


async def next_cycle(world: World, one: Item = PAUSE) -> str | None:
    """The error of the item's look, in a cycle six hours later."""
    world.clock.advance(6 * HOUR)
    return (await world.cycle(one)).failed.get(TARGET)


async def freeze_of(world: World) -> Freeze | None:
    return (await world.freezes.frozen()).get(TARGET)


async def is_frozen(world: World, one: Item = PAUSE) -> bool:
    """Whether it is after the next cycle. It is so exactly if that says so, and then no row has changed."""
    before = await world.known(PAUSE)
    error = await next_cycle(world, one)
    frozen = await freeze_of(world)
    assert (error is not None and "ferryman release pause" in error) == (frozen is not None), error
    if frozen is not None:
        assert {name: as_kept(record) for name, record in (await world.known(PAUSE)).items()} == {
            name: as_kept(record) for name, record in before.items()
        }
        assert await world.queue.claim() is None
    return frozen is not None


def as_kept(record: TagRecord) -> TagRecord:
    """What a queued tag waits for is shown with the record."""
    return replace(record, reason=None) if record.status == "queued" else record


def drop(shelf: Shelf, number: int) -> None:
    """Upstream drops the newest tags."""
    for name in sorted(shelf.tags, key=lambda name: int(name.split(".")[1]))[-number:]:
        del shelf.tags[name]


async def release(world: World) -> None:
    world.clock.advance(1)
    assert await world.freezes.release(TARGET, intent=BY_ME)
    world.clock.advance(1)


# Far fewer tags


@pytest.mark.parametrize(("number", "frozen"), [(1, False), (5, False), (6, True), (10, True)])
async def test_less_than_half_of_the_wanted_tags_freeze_the_item(
    world: World, shelf: Shelf, number: int, frozen: bool
) -> None:
    drop(shelf, number)
    assert await is_frozen(world) == frozen
    gone = [name for name, record in (await world.known(PAUSE)).items() if record.gone_at]
    assert len(gone) == (0 if frozen else number)


async def test_the_freeze_tells_what_is_lost(world: World, shelf: Shelf) -> None:
    drop(shelf, 8)
    await next_cycle(world)
    freeze = await freeze_of(world)
    assert freeze is not None
    assert (freeze.reason, freeze.wanted, freeze.left) == ("vanished", 10, 2)
    assert freeze.detail == "upstream has 2 of the 10 wanted tags left"
    lost = await world.freezes.lost(TARGET, most=100)
    assert {each.tag for each in lost} == set(RELEASES[2:])
    assert all(each.found is None and each.mirrored_digest for each in lost)


async def test_it_ends_by_itself_when_all_is_there_again(world: World, shelf: Shelf) -> None:
    before = dict(shelf.tags)
    drop(shelf, 8)
    assert await is_frozen(world)
    shelf.tags |= {name: before[name] for name in RELEASES[:9]}
    assert await is_frozen(world)  # one of them is still missing
    shelf.tags |= before
    assert not await is_frozen(world)
    assert await next_cycle(world) is None
    assert set((await world.statuses(PAUSE)).values()) == {"synced"}


async def test_it_does_not_end_when_they_are_there_again_with_other_digests(world: World, shelf: Shelf) -> None:
    drop(shelf, 10)
    assert await is_frozen(world)
    for name in RELEASES:
        shelf.push(name, "poison")
    assert await is_frozen(world)
    freeze = await freeze_of(world)
    assert freeze is not None
    assert freeze.reason == "changed"


async def test_a_released_state_is_accepted_and_a_further_collapse_is_not(world: World, shelf: Shelf) -> None:
    drop(shelf, 6)
    assert await is_frozen(world)
    await release(world)
    drop(shelf, 4)
    assert await is_frozen(world)  # not what the person has seen
    await release(world)
    assert not await is_frozen(world)
    known = await world.known(PAUSE)
    assert all(record.gone_at and record.status == "synced" for record in known.values())
    assert await next_cycle(world) is None


async def test_one_tag_of_a_few_may_go_and_all_of_them_may_not(world: World, shelf: Shelf) -> None:
    few = replace(PAUSE, rules=Rules(limit=0, pin=tuple(map(re.compile, RELEASES[7:]))))
    drop(shelf, 2)
    assert not await is_frozen(world, few)
    drop(shelf, 1)
    assert await is_frozen(world, few)


async def test_tags_that_rotate_freeze_nothing(world: World, shelf: Shelf) -> None:
    newest = replace(PAUSE, rules=Rules(limit=5))
    for day in range(10, 30):
        shelf.push(f"1.{day}.0", "1")
        shelf.tags.pop(f"1.{day - 10}.0")
        assert not await is_frozen(world, newest)
        await world.copy_everything()


async def test_a_whole_new_set_is_a_rotation_and_older_tags_in_their_place_are_none(world: World, shelf: Shelf) -> None:
    newest = replace(PAUSE, rules=Rules(limit=4))
    assert not await is_frozen(world, newest)
    drop(shelf, 4)
    assert await is_frozen(world, newest)
    for minor in range(20, 24):
        shelf.push(f"1.{minor}.0", "1")
    await release(world)
    assert not await is_frozen(world, newest)
    await world.copy_everything()
    drop(shelf, 4)
    for minor in range(30, 34):
        shelf.push(f"1.{minor}.0", "1")
    assert not await is_frozen(world, newest)


async def test_other_rules_are_no_collapse(world: World, shelf: Shelf) -> None:
    assert not await is_frozen(world, replace(PAUSE, rules=Rules(limit=1)))
    drop(shelf, 9)
    only_the_oldest = replace(PAUSE, rules=Rules(include=(re.compile(r"1\.0\.0"),)))
    assert not await is_frozen(world, only_the_oldest)


async def test_other_rules_may_end_it(world: World, shelf: Shelf) -> None:
    drop(shelf, 9)
    assert await is_frozen(world)
    assert not await is_frozen(world, replace(PAUSE, rules=Rules(include=(re.compile(r"1\.0\.0"),))))


async def test_another_source_is_no_collapse_and_ends_it(world: World, shelf: Shelf) -> None:
    drop(shelf, 9)
    assert await is_frozen(world)
    assert not await is_frozen(world, replace(PAUSE, source=Repository.parse("gcr.io/google/legacy")))


@pytest.mark.parametrize(("percent", "frozen"), [(0, False), (30, False), (80, True), (100, True)])
async def test_the_share_is_the_items(world: World, shelf: Shelf, percent: int, frozen: bool) -> None:
    drop(shelf, 4 if percent > 50 else 7)
    assert await is_frozen(world, replace(PAUSE, collapse=percent)) == frozen


async def test_what_was_never_mirrored_freezes_nothing(tmp_path: Path, shelf: Shelf) -> None:
    async with world_of(shelf, tmp_path) as world:
        await world.cycle(PAUSE)
        shelf.tags.clear()
        assert not await is_frozen(world)
        assert set((await world.statuses(PAUSE)).values()) == {"skipped"}


async def test_what_was_imported_may_be_gone_for_years(tmp_path: Path, shelf: Shelf) -> None:
    async with world_of(shelf, tmp_path) as world:
        for minor in range(100, 140):
            await world.take_over(PAUSE, f"1.{minor}.0", made_up_digest("old"))
        assert not await is_frozen(world)
        assert len([record for record in (await world.known(PAUSE)).values() if record.gone_at]) == 40


async def test_a_part_of_the_list_shows_no_loss(tmp_path: Path) -> None:
    shelf = Shelf(ordered=True)
    names = [f"1.{minor}.0" for minor in range(20)]
    for name in names:
        shelf.push(name, "1")
    async with world_of(shelf, tmp_path) as world:
        await world.cycle(PAUSE)
        await world.copy_everything()
        for name in names[:12]:
            del shelf.tags[name]
        shelf.push("1.20.0", "1")
        assert not await is_frozen(world)
        world.clock.advance(24 * HOUR)  # the next complete walk
        assert await is_frozen(world)


# All digests changed


async def test_all_releases_changed_at_once_freeze_the_item(world: World, shelf: Shelf) -> None:
    before = dict(shelf.tags)
    for name in RELEASES:
        shelf.push(name, "poison")
    assert await is_frozen(world)
    freeze = await freeze_of(world)
    assert freeze is not None
    assert (freeze.reason, freeze.left) == ("changed", 0)
    lost = {each.tag: each.found for each in await world.freezes.lost(TARGET, most=100)}
    assert lost == {name: made_up_digest(f"{name} poison") for name in RELEASES}
    shelf.tags = before
    assert not await is_frozen(world)


async def test_released_digests_are_copied_and_others_are_not(world: World, shelf: Shelf) -> None:
    for name in RELEASES:
        shelf.push(name, "2")
    assert await is_frozen(world)
    await release(world)
    for name in RELEASES:
        shelf.push(name, "3")
    assert await is_frozen(world)
    await release(world)
    assert not await is_frozen(world)
    assert await world.copy_everything() == 10
    assert (await world.known(PAUSE))["1.1.0"].mirrored_digest == made_up_digest("1.1.0 3")


async def test_one_digest_that_stays_is_enough(world: World, shelf: Shelf) -> None:
    for name in RELEASES[1:]:
        shelf.push(name, "2")
    assert not await is_frozen(world)


async def test_what_moves_often_or_names_no_release_does_not_count(tmp_path: Path) -> None:
    shelf = Shelf(ordered=False)
    names = ["latest", "stable", "1", "1.2", "1.3", "1.4", "1.4.1"]
    for name in names:
        shelf.push(name, "1")
    async with world_of(shelf, tmp_path) as world:
        await world.cycle(PAUSE)
        await world.copy_everything()
        for build in "234":
            for name in names:
                shelf.push(name, build)
            assert await next_cycle(world) is None
            assert await world.copy_everything() == len(names)


async def test_a_rebuild_of_the_same_tags_freezes_them_once(world: World, shelf: Shelf) -> None:
    for name in RELEASES:
        shelf.push(name, "2")
    assert await next_cycle(world)
    await release(world)
    for build in "234":
        for name in RELEASES:
            shelf.push(name, build)
        assert await next_cycle(world) is None or build == "3"
        await world.copy_everything()


# Private or missing


@pytest.mark.parametrize("error", [NotFound("no such repository"), Denied("it is private, or missing")])
async def test_a_repository_that_is_private_or_missing_now_freezes_the_item(
    world: World, shelf: Shelf, error: Exception
) -> None:
    world.scheduler._listers["gcr.io", None] = Raising(error)
    assert await is_frozen(world)
    freeze = await freeze_of(world)
    assert freeze is not None
    assert (freeze.reason, freeze.detail, freeze.left) == ("unavailable", str(error), 0)
    assert len(await world.freezes.lost(TARGET, most=100)) == 10
    await release(world)
    assert "ferryman release" not in str(await next_cycle(world))  # it fails, as it did before there were freezes
    assert await freeze_of(world) is None
    world.scheduler._listers["gcr.io", None] = shelf
    assert not await is_frozen(world)


async def test_it_ends_when_the_repository_is_there_again_though_a_tag_has_moved(world: World, shelf: Shelf) -> None:
    world.scheduler._listers["gcr.io", None] = Raising(NotFound("no such repository"))
    assert await is_frozen(world)
    world.scheduler._listers["gcr.io", None] = shelf
    shelf.push("1.9.0", "2")
    assert not await is_frozen(world)


async def test_it_does_not_end_when_all_of_the_repository_is_another(tmp_path: Path) -> None:
    shelf = Shelf(ordered=False)
    shelf.push("latest", "1")
    async with world_of(shelf, tmp_path) as world:
        await world.cycle(PAUSE)
        await world.copy_everything()
        world.scheduler._listers["gcr.io", None] = Raising(NotFound("no such repository"))
        assert await is_frozen(world)
        world.scheduler._listers["gcr.io", None] = shelf
        shelf.push("latest", "2")
        assert await is_frozen(world)


async def test_an_outage_is_no_collapse_and_ends_none(world: World, shelf: Shelf) -> None:
    world.scheduler._listers["gcr.io", None] = Raising(Unreachable("503"))
    assert await next_cycle(world) == "503"
    assert await freeze_of(world) is None
    world.scheduler._listers["gcr.io", None] = shelf
    drop(shelf, 9)
    assert await is_frozen(world)
    world.scheduler._listers["gcr.io", None] = Raising(Unreachable("503"))
    assert await next_cycle(world) == "503"
    assert await freeze_of(world)


# With the rest


async def test_plan_says_it_and_changes_nothing(world: World, shelf: Shelf) -> None:
    drop(shelf, 9)
    shelf.push("2.0.0", "1")
    before = world.dump()
    looked = await world.look(PAUSE)
    assert looked.collapse is not None
    assert set(looked.collapse.lost) == set(RELEASES[1:])
    assert {each.tag: (each.action, each.reason) for each in looked.decisions} == {
        "1.0.0": ("keep", "up-to-date"), "2.0.0": ("wait", "frozen"),
    }  # fmt: skip
    world.scheduler._listers["gcr.io", None] = Raising(NotFound("no such repository"))
    with pytest.raises(Collapsed, match="ferryman release pause"):
        await world.look(PAUSE)
    assert world.dump() == before


async def test_no_quiet_look_ends_or_hides_it(world: World, shelf: Shelf) -> None:
    await settle(world)
    assert await is_quiet(world)
    before = dict(shelf.tags)
    drop(shelf, 9)
    assert await is_frozen(world)
    shelf.tags = before  # as the settled look had it
    assert not await is_quiet(world)
    assert await freeze_of(world) is None
    assert await world.ledger.lookup_failures() == []


async def test_the_second_look_of_a_sync_does_not_end_it(world: World, shelf: Shelf) -> None:
    drop(shelf, 9)
    assert await is_frozen(world)
    configuration = Configuration((PAUSE,), world.registries)
    again = await world.scheduler.cycle(configuration, [PAUSE], again=True, only_unread=True)
    assert TARGET in again.failed
    assert await freeze_of(world)


@pytest.mark.parametrize("registry", ["docker.io", "quay.io", "gcr.io"])
async def test_real_listers_show_it(tmp_path: Path, registry: str, hub: DockerHub, quay: Quay, google: Google) -> None:
    upstream = {"docker.io": hub, "quay.io": quay, "gcr.io": google}[registry]
    one = Item("redis", Repository.parse(f"{registry}/bitnami/redis"), Repository.parse("r.example.com/redis"))
    async with world_of(Shelf(ordered=False), tmp_path) as bare:
        world = World(bare.database, open_upstreams(bare, upstream, registry), bare.clock, {registry: upstream})
        for name in RELEASES:
            upstream.put("bitnami/redis", name)
        await world.cycle(one)
        await world.copy_everything()
        for name in RELEASES:
            upstream.delete("bitnami/redis", name)
        world.clock.advance(25 * HOUR)
        await world.cycle(one)
        assert str(one.target) in await world.freezes.frozen()
        await world.client.aclose()


def open_upstreams(world: World, upstream: Upstream, registry: str) -> RegistryClient:
    return RegistryClient(
        hosts={registry: RegistryOptions(endpoint=upstream.url, api=upstream.url)},
        credentials=CredentialStore(explicit={}, clock=world.clock, environment={"HOME": "/nonexistent"}),
        clock=world.clock,
    )


# Any life

NAMES = [f"1.{minor}.0" for minor in range(6)]
steps = st.one_of(
    st.tuples(st.just("push"), st.sampled_from(NAMES), st.sampled_from("12")),
    st.tuples(st.just("push_all"), st.sampled_from("12")),
    st.tuples(st.just("drop"), st.integers(1, 6)),
    st.tuples(st.just("restore")),
    st.tuples(st.just("away"), st.booleans()),
    st.tuples(st.just("cycle"), st.sampled_from([1, 6, 25])),
    st.tuples(st.just("cycle"), st.just(6)),
    st.tuples(st.just("copy")),
    st.tuples(st.just("release")),
    st.tuples(st.just("requeue"), st.sampled_from(NAMES)),
    st.tuples(st.just("limit"), st.sampled_from([2, 9999])),
    st.tuples(st.just("percent"), st.sampled_from([0, 50, 90])),
)


@pytest.mark.slow
@pytest.mark.no_cover
@given(st.lists(steps, max_size=40))
@settings(max_examples=80)
def test_a_frozen_item_stays_as_it_was_and_plan_tells_what_the_next_cycle_does(
    history: list[tuple[object, ...]],
) -> None:
    asyncio.run(_Life().live(history))


class _Life:
    """An item's life, with what its tags were when it froze."""

    def __init__(self) -> None:
        self.shelf = Shelf(ordered=False)
        self.item = PAUSE
        self.frozen: dict[str, TagRecord] | None = None
        self.best: dict[str, UpstreamTag] = {}

    async def live(self, history: list[tuple[object, ...]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with world_of(self.shelf, Path(folder)) as self.world:
                for name in NAMES:
                    self.shelf.push(name, "1")
                await self.world.cycle(self.item)
                await self.world.copy_everything()
                self.best = dict(self.shelf.tags)
                for what, *told in history:
                    await getattr(self, str(what))(*told)
                    await self.check()

    async def check(self) -> None:
        """While it is frozen, no row moves but by what persons ask for, and nothing is claimed."""
        if self.frozen is None:
            return
        assert await self.world.queue.claim() is None
        for name, record in (await self.world.known(self.item)).items():
            before = self.frozen[name]
            assert (record.gone_at, record.source_digest, record.mirrored_digest, record.target_digest) == (
                before.gone_at, before.source_digest, before.mirrored_digest, before.target_digest,
            )  # fmt: skip

    async def push(self, name: str, content: str) -> None:
        self.shelf.push(name, content)

    async def push_all(self, content: str) -> None:
        for name in NAMES:
            self.shelf.push(name, content)

    async def drop(self, number: int) -> None:
        for name in NAMES[-number:]:
            self.shelf.tags.pop(name, None)

    async def restore(self) -> None:
        self.shelf.tags = dict(self.best)

    async def away(self, is_away: bool) -> None:
        lister = Raising(NotFound("no such repository")) if is_away else self.shelf
        self.world.scheduler._listers["gcr.io", None] = lister

    async def limit(self, number: int) -> None:
        self.item = replace(self.item, rules=Rules(limit=number))

    async def percent(self, number: int) -> None:
        self.item = replace(self.item, collapse=number)

    async def copy(self) -> None:
        await self.world.copy_everything()

    async def requeue(self, name: str) -> None:
        number = await self.world.queue.requeue(targets=[TARGET], tag=name, intent=BY_ME)
        assert number in {0, 1}

    async def release(self) -> None:
        self.world.clock.advance(1)
        released = await self.world.freezes.release(TARGET, intent=BY_ME)
        self.world.clock.advance(1)
        assert released == (self.frozen is not None)
        if self.frozen is None:
            return
        self.frozen = None
        if self.item.collapse:
            await self.cycle(1)
            assert self.frozen is None, "the state that was released is accepted"

    async def cycle(self, number: int) -> None:
        self.world.clock.advance(number * HOUR)
        foretold = await self._foretold()
        before = await self.world.known(self.item)
        cycle = await self.world.cycle(self.item)
        now = (await self.world.freezes.frozen()).get(TARGET)
        assert foretold == (now is not None)
        if now is None:
            self.frozen = None
            return
        assert "ferryman release" in cycle.failed[TARGET]
        if self.frozen is None:
            self.frozen = before

    async def _foretold(self) -> bool:
        try:
            looked = await self.world.look(self.item)
        except Collapsed:
            return True
        except NotFound:
            return await self._stays()
        return looked.collapse is not None

    async def _stays(self) -> bool:
        """A look that fails for another reason ends no freeze."""
        return TARGET in await self.world.freezes.frozen()
