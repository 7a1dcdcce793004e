"""The cases of the race. Those with the same content run one after the other, on the same source."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from benchmarks.cold import mirror_everything
from benchmarks.indexes import push_indexes
from benchmarks.link import NEAR, Link
from benchmarks.race import Race
from benchmarks.scale import Scale
from benchmarks.sources import Source, fill, push_large
from benchmarks.stage import Stage
from benchmarks.warm import Mirrors
from tests.support.processes import RegistryServer

_PREFIX = "bench"  # of the source's repositories


@dataclass(frozen=True, slots=True)
class Case:
    """One case."""

    name: str
    text: str  # a format, of the scale
    link: Link = NEAR
    always: bool = True  # False: only if it is asked for

    def title(self, scale: Scale) -> str:
        return self.text.format(scale)


@dataclass(frozen=True, slots=True)
class Content:
    """What a source has, and the cases that begin with it."""

    push: Callable[[RegistryServer, Scale], Source]
    cases: tuple[Case, ...]
    mirrored: bool = False  # whether the targets have it already


CONTENTS = (
    Content(
        lambda server, scale: fill(server, _PREFIX, scale.ordinary),
        (
            Case("cold", "cold, {0.ordinary.repositories} repositories of {0.ordinary.tags} tags"),
            Case("far", "cold, a round trip of 50 ms", Link(round_trip=50)),
            Case("farther", "cold, a round trip of 200 ms", Link(round_trip=200), always=False),
            Case("line", "cold, 50 ms and a line of 100 Mbit/s to each registry", Link(round_trip=50, rate=100)),
        ),
    ),
    Content(
        lambda server, scale: push_indexes(server, _PREFIX, scale.indexes, scale.index_layer),
        (Case("indexes", "{0.indexes} indexes: two platforms and their attestations"),),
    ),
    Content(
        lambda server, scale: push_large(server, f"{_PREFIX}/large", scale.large_mib * 2**20, layers=1),
        (Case("large", "one layer of {0.large_mib:,} MiB"),),
    ),
    Content(
        lambda server, scale: push_large(server, f"{_PREFIX}/layers", scale.large_mib * 2**20, layers=4),
        (Case("layers", "four layers, {0.large_mib:,} MiB each", always=False),),
    ),
    Content(
        lambda server, scale: fill(server, _PREFIX, scale.mirrored),
        (
            Case("unchanged", "nothing new, {0.mirrored.repositories} repositories of {0.mirrored.tags} tags"),
            Case("new", "{0.new} new tags in {0.mirrored.repositories} repositories of {0.mirrored.tags}"),
        ),
        mirrored=True,
    ),
)
CASES = {case.name: case for content in CONTENTS for case in content.cases}


def run(race: Race, scale: Scale, names: Collection[str]) -> None:
    """Run these cases, in the order of `CONTENTS`."""
    for content in CONTENTS:
        wanted = [case for case in content.cases if case.name in names]
        if not wanted:
            continue
        with Stage(scale) as stage:
            server = stage.registry()
            source = content.push(server, scale)
            if content.mirrored:
                _run_mirrored(Mirrors(race, stage, server, source), wanted)
                continue
            for case in wanted:
                mirror_everything(race.without_shortcuts(), stage, case.name, server, source, link=case.link)


def _run_mirrored(mirrors: Mirrors, wanted: Collection[Case]) -> None:
    runs = {"unchanged": mirrors.unchanged, "new": mirrors.new}
    for case in wanted:
        runs[case.name](case.name)
