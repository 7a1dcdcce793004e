"""Mirrors into an empty registry."""

from benchmarks.installation import WARM_UP
from benchmarks.job import Job
from benchmarks.link import Link
from benchmarks.race import Course, Race
from benchmarks.sources import Source
from benchmarks.stage import Stage
from benchmarks.verify import named
from tests.support.images import image, layer, push
from tests.support.processes import RegistryServer


def mirror_everything(
    race: Race, stage: Stage, case: str, server: RegistryServer, source: Source, *, link: Link
) -> None:
    """Each run mirrors the source anew, over the link."""
    push_warm_up(server)
    expected = named(server, source.repositories)
    for number, order in race.turns():
        for contestant in order:
            with (
                stage.fresh() as target,
                stage.reach(server, target, link=link) as ((source_host, target_host), proxies),
            ):
                job = Job(stage.new_folder(), source_host, target_host, source.repositories)
                with contestant.ready(job) as runner:
                    course = Course(server, target, source.repositories, expected, source.blobs, proxies)
                    race.run(case, number, contestant, runner, course)


def push_warm_up(server: RegistryServer) -> None:
    """Push what a resident contestant mirrors at its start."""
    push(server.url, WARM_UP, "1", image([layer({"warm": b"up"})]))
