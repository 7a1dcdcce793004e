"""Random lives of an item that is pruned: pushes, deletions, rules, rollbacks, time, and kill -9 at any request.

Nothing that is wanted, protected or put back ever goes, and all that stays can be pulled. No more than a part of the
item goes in a day. Each cycle does what was announced before it.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from ferryman.planner import RuleSelector, rules_fingerprint
from ferryman.recorded_tags import upstream_tag
from ferryman.store.records import TagRecord, Walk
from tests.pruning.scene import AFTER, ALL, EPOCH, PruneScene
from tests.rollback.scene import Fate, version
from tests.rollback.test_lives import FURTHER
from tests.support.images import push
from tests.support.transports import NATIVE

STEPS = 14
MOST = 0.34


class Life:
    """What happens, by chance, and what has to hold after it."""

    def __init__(self, scene: PruneScene, seed: int) -> None:
        self.scene = scene
        self.seed = seed
        self.chance = random.Random(seed)
        self.held: dict[str, str] = {}
        scene.prune_by(most=MOST)
        scene.item = replace(scene.item, protect=(re.compile(".*[05]"),))

    async def step(self) -> None:
        scene, chance = self.scene, self.chance
        match chance.choice(("push", "push", "delete", "rules", "put back", "stranger", "time", "time")):
            case "push":
                number = len(scene.upstream) + chance.randrange(50)
                await scene.upload({f"t{number}": version(chance.randrange(6), of=f"life {self.seed}")})
            case "delete" if len(scene.upstream) > 3:
                del scene.upstream[chance.choice(sorted(scene.upstream))]
            case "rules":
                scene.want(limit=chance.choice((1, 2, 4, 9)), pin=(re.compile(f"t{chance.randrange(9)}"),))
                scene.prune_by(keep=chance.choice((0, 0, 1, 2)), foreign=chance.choice((True, True, False)))
            case "put back":
                await self.put_back()
            case "stranger":
                tag = chance.choice(("theirs", "theirs5", f"t{chance.randrange(99)}"))
                if tag not in self.held and tag not in await scene.records():
                    what = version(chance.randrange(6), of=f"life {self.seed}")
                    push(scene.workplace.target.url, scene.target.name, tag, what)
            case "time":
                scene.clock.advance(AFTER.total_seconds() / chance.choice((1, 2, 60)))
        await self.cycle()

    async def put_back(self) -> None:
        there = [each for each in (await self.scene.records()).values() if each.target_digest and not each.hold]
        if there:
            record = self.chance.choice(sorted(there, key=lambda each: each.tag))
            digest = str(record.target_digest)
            await self.scene.rollback.put_back(self.scene.target, record.tag, digest, actor="cli:me@here")
            self.held[record.tag] = digest

    async def cycle(self) -> None:
        scene = self.scene
        await scene.look()
        records, before = await scene.records(), scene.images()
        announced = await self.announced()
        if self.chance.random() < 0.4:
            fate: Fate = self.chance.choice(("lost", "deaf"))
            await scene.killed(scene.prune(), self.chance.randrange(1, 12), fate)
            await scene.take_over()
        else:
            await scene.prune()
            assert before - scene.images() == announced
        gone = before - scene.images()
        assert gone <= announced
        assert scene.item.prune is not None
        assert scene.item.prune.foreign or gone <= self.mirrored(records)
        now = scene.clock.now()
        present = [upstream_tag(each, now) for each in records.values() if each.gone_at is None]
        wanted = {tag.name for tag in RuleSelector(scene.item.rules, ALL, NATIVE).select(present)}
        assert not gone & wanted
        assert not gone & self.held.keys()
        assert not any(tag.endswith(("0", "5")) for tag in gone)
        assert len(gone) <= max(1, len(before) * MOST)
        await scene.copy()
        await scene.assert_true()  # and all that stays can be pulled
        assert all(scene.names(tag) == digest for tag, digest in self.held.items())

    def mirrored(self, records: Mapping[str, TagRecord]) -> set[str]:
        return {tag for tag, each in records.items() if each.mirrored_digest is not None}

    async def announced(self) -> set[str]:
        """What `plan` says that goes, from upstream as it is; and that the record says the same."""
        scene, now = self.scene, self.scene.clock.now()
        records = await scene.records()
        upstream = {
            tag: replace(upstream_tag(records[tag], now), digest=what.digest, pushed_at=EPOCH + timedelta(days=day))
            for tag, (what, day) in scene.upstream.items()
        }
        walk = Walk(now, now, rules_fingerprint(scene.item.rules, ALL, str(scene.source)))
        planned = await scene.pruner.outlook_after(scene.item, records, upstream, walk)
        recorded = await scene.outlook()
        assert (planned.steps, planned.block) == (recorded.steps, recorded.block)
        if planned.block is not None:
            return set()
        return {step.mark.tag for step in planned.steps if step.action == "remove"}


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=FURTHER) for seed in range(3, 7))])
async def test_nothing_goes_that_has_to_stay(scene: PruneScene, seed: int) -> None:
    life = Life(scene, seed)
    await scene.upload({f"t{number}": version(number, of=f"life {seed}") for number in range(4)})
    await scene.cycle()
    for _ in range(STEPS):
        await life.step()
    assert scene.images()
