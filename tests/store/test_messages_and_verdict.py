"""Messages and the verdict say the same of one record, whatever has happened to it."""

import random
from datetime import timedelta

import pytest

from ferryman.clock import SystemClock
from ferryman.item_names import Named
from ferryman.items.model import Configuration, Item
from ferryman.notify.evaluation import Evaluation
from ferryman.operations.signals import ItemsUnseen, LoginRefused, TagsFailed, TagsUnread
from ferryman.operations.verdict import judge
from ferryman.reference import Repository
from ferryman.settings import Settings
from ferryman.store.conditions import Conditions
from ferryman.store.database.database import Database
from ferryman.store.queries.standing import read_standing
from tests.store.queries.random_events import ITEMS, TARGETS, RandomEvents
from tests.store.scene import Scene

_NAMED = [Named(item.name, item.source, item.target) for item in ITEMS]
_CONFIGURATION = Configuration(
    tuple(Item(item.name, Repository.parse(item.source), Repository.parse(item.target)) for item in ITEMS),
    {}, unreachable_after=1,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_told_is_what_the_verdict_says(database: Database, scene: Scene, seed: int) -> None:
    """Nobody is told that an item is complete while the verdict counts tags of it that fail, nor the reverse."""
    events = RandomEvents(scene, random.Random(seed))
    evaluation = Evaluation(Conditions(database), interval=Settings.load({}).interval, file=None, clock=SystemClock())
    for _ in range(6):
        await events.happen(25)
        causes = await evaluation.causes(_CONFIGURATION, last_change=0)
        async with database.read() as connection:
            standing = await read_standing(connection, TARGETS, scene.clock.now() + timedelta(seconds=1))
        signals = judge(standing, _NAMED, []).signals
        refused = {each.registry for each in signals if isinstance(each, LoginRefused)}
        assert {each.subject for each in causes if each.event == "login"} == refused

        troubled = {target for each in standing.causes if each.status != "queued" for target in each.targets}
        unseen = {each.target for each in standing.lookup_failures}
        told = {each.subject for each in causes if each.event == "incomplete"}
        assert troubled <= told, "not over while the verdict counts some"
        certain = {each.subject for each in causes if each.event == "incomplete" and each.is_certain}
        assert certain <= troubled | unseen, "nothing is told that the verdict does not say"
        says_failing = any(isinstance(each, (TagsFailed, TagsUnread, ItemsUnseen, LoginRefused)) for each in signals)
        assert bool(certain) <= says_failing
