"""Mirrors that are complete: nothing is new, or a few tags are."""

import itertools
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cold import push_warm_up
from benchmarks.contestants import Contestant, Runner
from benchmarks.job import PREFIX, Job
from benchmarks.race import Course, Race
from benchmarks.result import Result
from benchmarks.sources import Source, ordinary
from benchmarks.stage import Stage
from benchmarks.verify import named
from tests.support.images import push
from tests.support.processes import RegistryServer

_REPOSITORIES = "docker/registry/v2/repositories"  # in the data of a registry


@dataclass(frozen=True, slots=True)
class _Post:
    """Where a contestant stays for all its runs."""

    runner: Runner
    target: RegistryServer


class Mirrors:
    """A complete mirror for each contestant, which it has looked at once. That first look is not measured."""

    def __init__(self, race: Race, stage: Stage, server: RegistryServer, source: Source) -> None:
        self._race, self._stage, self._server, self._source = race, stage, server, source
        push_warm_up(server)
        complete = _mirror_of(stage, server, source)
        self._posts: dict[str, _Post] = {}
        for contestant in race.contestants:
            self._install(contestant, complete)

    def unchanged(self, case: str) -> None:
        """Run with nothing new."""
        for number, order in self._race.turns():
            self._round(case, number, order, {})

    def new(self, case: str) -> None:
        """Run with a few new tags in every round."""
        for number, order in self._race.turns():
            self._round(case, number, order, self._push_new(number))

    def _install(self, contestant: Contestant, complete: Path) -> None:
        target = self._stage.registry(complete)
        job = Job(self._stage.new_folder(), self._server.host, target.host, self._source.repositories)
        runner = self._stage.keep(contestant.ready(job))
        try:
            runner.run(self._race.limit)
        except RuntimeError as error:
            self._race.record(Result("first look", contestant.name, 0, f"{error}"))
        else:
            self._posts[contestant.name] = _Post(runner, target)

    def _round(self, case: str, number: int, order: list[Contestant], blobs: Mapping[str, int]) -> None:
        names = self._source.repositories
        expected = named(self._server, names)
        for contestant in order:
            if post := self._posts.get(contestant.name):
                course = Course(self._server, post.target, names, expected, blobs)
                if self._race.run(case, number, contestant, post.runner, course).problem is not None:
                    del self._posts[contestant.name]  # its mirror is in an unknown state

    def _push_new(self, number: int) -> dict[str, int]:
        """Returns the size of each new blob."""
        scale = self._stage.scale
        blobs: dict[str, int] = {}
        for tag, name in zip(range(scale.new), itertools.cycle(self._source.repositories), strict=False):
            made = ordinary(scale.mirrored, name, 1_000_000 + number * scale.new + tag)  # layers of its own
            push(self._server.url, name, f"2.{number}.{tag}", made)
            blobs |= {digest: len(blob) for digest, blob in made.blobs.items()}
        return blobs


def _mirror_of(stage: Stage, server: RegistryServer, source: Source) -> Path:
    """The data of a registry that has what the source has: quicker than a thousand pushes for each contestant."""
    data = stage.folder()
    shutil.copytree(server.folder / "data", data)
    repositories = data / _REPOSITORIES
    (repositories / source.repositories[0].partition("/")[0]).rename(repositories / PREFIX)
    return data
