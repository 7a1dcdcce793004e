"""How many requests little or nothing new costs, and how many are allowed: `python -m benchmarks.requests [--tiny]`.

Unlike times, these figures are the same on every machine.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.access_log import AccessLog
from benchmarks.job import PREFIX
from benchmarks.scale import FULL, TINY
from benchmarks.sources import Source, fill, ordinary
from benchmarks.stage import Stage
from tests.support.ferryman import Ferryman
from tests.support.images import push
from tests.support.upstreams import DockerHub, Google, Quay


@dataclass(frozen=True, slots=True)
class Count:
    """One figure of one case."""

    case: str
    figure: str
    most: int
    counted: int

    @property
    def reached(self) -> bool:
        return self.counted <= self.most

    def __str__(self) -> str:
        verdict = "yes" if self.reached else "**no**"
        return f"| {self.case} | {self.figure} | ≤ {self.most:,} | {self.counted:,} | {verdict} |"


def main() -> int:
    """Print the table. 1: something takes too many requests."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.requests", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="with few tags")
    print("| Case | Requests | Allowed | Counted | Reached |\n|---|---|---:|---:|---|")
    missed = 0
    with Stage(TINY if parser.parse_args().tiny else FULL) as stage:
        for case in (_plain, _listed):
            for count in case(stage):
                print(count, flush=True)
                missed += not count.reached
    return int(missed > 0)


def _plain(stage: Stage) -> Iterator[Count]:
    """A registry that lists only names; then one new tag, whose layers the target has."""
    server, target = stage.registry(), stage.registry()
    source = fill(server, "bench", stage.scale.mirrored)
    ferryman = _install(stage, [source], target.host)
    _sync(ferryman)
    asked, sent = AccessLog(server), AccessLog(target)
    _sync(ferryman)
    case, lists = f"nothing new, {source.tags:,} mirrored tags, a plain OCI source", len(source.repositories)
    yield Count(case, "at the source, with a list of each repository", source.tags + lists, len(asked.observe()))
    yield Count(case, "at the target", 0, len(sent.observe()))

    repository = source.repositories[0]
    push(server.url, repository, "2.0", ordinary(stage.scale.mirrored, repository, 0, created="2026-02-02T00:00:00Z"))
    asked, sent = AccessLog(server), AccessLog(target)
    _sync(ferryman)
    case = "one new tag, whose layers the target has"
    yield Count(case, "at the source beyond discovery", 2, sum(not each.discovers for each in asked.observe()))
    yield Count(case, "at the target", 3, len(sent.observe()))


def _listed(stage: Stage) -> Iterator[Count]:
    """Registries whose lists have digests and times: stand-ins for Google's, Docker Hub and quay."""
    shape, target = stage.scale.listed, stage.registry()
    with Google() as google, DockerHub() as hub, Quay() as quay:
        kinds = {"google": google, "dockerhub": hub, "quay": quay}
        sources = []
        for kind, upstream in kinds.items():
            repositories = tuple(f"{kind}/{kind}{number}" for number in range(shape.repositories))
            for repository in repositories:
                for tag in range(shape.tags):
                    upstream.push(repository, f"1.{tag}", ordinary(shape, repository, tag))
            sources.append(Source(upstream.host, repositories, {}, shape.repositories * shape.tags))
        entries = ", ".join(f"'{each.host}': {{lister: {kind}, api: '{each.url}'}}" for kind, each in kinds.items())
        ferryman = _install(stage, sources, target.host, registries=f"{{{entries}}}")
        _sync(ferryman)
        before = {kind: upstream.asked() for kind, upstream in kinds.items()}
        sent = AccessLog(target)
        _sync(ferryman)
        case = f"nothing new, {shape.tags} tags a repository, lists that tell digests"
        for kind, upstream in kinds.items():
            yield Count(case, f"a repository: {kind}", 2, (upstream.asked() - before[kind]) // shape.repositories)
        yield Count(case, "at the target", 0, len(sent.observe()))


def _install(stage: Stage, sources: Sequence[Source], target: str, *, registries: str = "{}") -> Ferryman:
    """`registries`: that section of items.yml, in YAML's flow style."""
    environment = {"FERRYMAN_TRANSPORT": "direct"}
    installed = Ferryman(stage.folder(), engine="unix:///nonexistent/docker.sock", environment=environment)
    names = [f"{source.host}/{name}" for source in sources for name in source.repositories]
    installed.items.write_text(
        f"defaults: {{target: {target}/{PREFIX}/}}\nregistries: {registries}\n"
        f"items: [{', '.join(f'{{source: {name}}}' for name in names)}]\n"
    )
    return installed


def _sync(ferryman: Ferryman) -> None:
    done = ferryman.run("sync")
    if done.code:
        raise RuntimeError(f"ferryman sync ended with {done.code}:\n{done.err[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
