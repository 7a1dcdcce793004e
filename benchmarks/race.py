"""Runs contestants in turns, and verifies every mirror."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.contestants import Contestant, Runner
from benchmarks.observer import Observer
from benchmarks.result import Result
from benchmarks.verify import verify
from tests.support.processes import RegistryServer


@dataclass(frozen=True, slots=True)
class Course:
    """From where to where a contestant mirrors, and what the target must have in the end."""

    server: RegistryServer  # the source
    target: RegistryServer
    repositories: Sequence[str]
    expected: Mapping[str, str]  # digests: see `verify.named`
    blobs: Mapping[str, int]  # bytes of what may be uploaded, by digest
    proxies: Sequence[int] = ()  # process ids


@dataclass(frozen=True, slots=True)
class Race:
    """Contestants, and how they are run."""

    contestants: Sequence[Contestant]
    rounds: int
    limit: float  # seconds of one run
    record: Callable[[Result], None]

    def without_shortcuts(self) -> "Race":
        """Only contestants that ask what a tag names: with an empty target, the others would do the same."""
        return replace(self, contestants=[each for each in self.contestants if not each.trusts_names])

    def turns(self) -> Iterator[tuple[int, list[Contestant]]]:
        """The rounds and the order of the contestants: each round begins with another one."""
        for number in range(self.rounds):
            at = number * max(1, len(self.contestants) // self.rounds) % max(1, len(self.contestants))
            yield number, [*self.contestants[at:], *self.contestants[:at]]

    def run(self, case: str, number: int, contestant: Contestant, runner: Runner, course: Course) -> Result:
        """Run it once and record what came of it. A contestant that fails does not end the race."""
        make = partial(Result, case, contestant.name, number)
        observer = Observer(course.server, course.target, course.proxies)
        try:
            cost = runner.run(self.limit)
            result = observer.result(partial(make, None), cost, course.blobs)
            verify(course.expected, course.target, course.repositories)
        except RuntimeError as error:
            result = make(f"{error}")
        self.record(result)
        return result
