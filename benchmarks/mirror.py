"""Cases that mirror into an empty registry: ordinary images with and without latency, and large layers."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.access_log import AccessLog
from benchmarks.contestants import PREFIX, Contestant, Ferryman, Skopeo, rounds
from benchmarks.measured import Measured
from benchmarks.sources import Source, check_same_digests, fill, push_large
from benchmarks.stage import Stage
from benchmarks.table import Row, compared, counted
from tests.support.processes import RegistryServer

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """One completed run of a program."""

    cost: Measured
    uploads: Counter[str]  # how often each blob was uploaded, by digest


Pairs = Sequence[tuple[Run, Run]]  # Ferryman's and skopeo's
Make = Callable[[Source, str], Contestant]  # from a source, to a host


def cold(stage: Stage) -> Iterator[Row]:
    """Ordinary images on loopback, then with a round trip of 50 ms."""
    server = stage.registry()
    source = fill(server, "bench", stage.scale.ordinary)
    case = f"cold mirror of {source.tags} tags in {len(source.repositories)} repositories"
    pairs = _race(stage, server, source, pairs=stage.scale.pairs)
    yield compared(case, "wall", _walls(pairs), unit="s", most=0.5)
    yield compared(case, "CPU, user and system", _cpus(pairs), unit="s", most=1.0)
    yield compared(case, "memory at the most", _memory(pairs), unit="MiB", digits=0)
    yield _uploads(case, source, pairs)
    pairs = _race(stage, server, source, pairs=stage.scale.far_pairs, far=True)
    case = "the same, a round trip of 50 ms away"
    yield compared(case, "wall", _walls(pairs), unit="s", most=0.2)
    yield compared(case, "CPU, user and system", _cpus(pairs), unit="s")
    yield _uploads(case, source, pairs)


def large(stage: Stage) -> Iterator[Row]:
    """One layer on loopback."""
    size = stage.scale.large
    yield from _large(stage, f"one layer of {size / _MIB:,.0f} MiB", size, layers=1)


def layers(stage: Stage) -> Iterator[Row]:
    """Four large layers transferred concurrently."""
    size = stage.scale.large // 2
    yield from _large(stage, f"four layers of {size / _MIB:,.0f} MiB at once", size, layers=4)


def _large(stage: Stage, case: str, size: int, *, layers: int) -> Iterator[Row]:
    with stage.fresh() as server:
        source = push_large(server, "bench/large", size, layers=layers)
        pairs = _race(stage, server, source, pairs=stage.scale.large_pairs)
    total = sum(source.blobs.values()) / _MIB
    rates = [(total / ours, total / theirs) for ours, theirs in _walls(pairs)]
    yield compared(case, "rate", rates, unit="MiB/s", digits=0, least=0.9)
    yield compared(case, "CPU, user and system", _cpus(pairs), unit="s")
    ours, theirs = (max(each) for each in zip(*_memory(pairs), strict=True))
    yield counted(case, "memory at the most", round(ours), round(theirs), most=150, unit=" MiB")
    yield _uploads(case, source, pairs)


def engine(stage: Stage) -> Iterator[Row]:
    """A few images through a Docker Engine, which unpacks and repacks every layer; and directly."""
    server = stage.registry()
    source = fill(server, "bench", stage.scale.engine)
    dockerd = stage.engine()

    def through_engine(source: Source, target: str) -> Contestant:
        return Ferryman(stage.folder(), [source], target, transport="docker", engine=dockerd.host)

    for name, make in (("through a Docker Engine", through_engine), ("directly", None)):
        pairs = _race(stage, server, source, pairs=stage.scale.engine_pairs, ours=make, same=make is None)
        case = f"{source.tags} tags {name}"
        yield compared(case, "wall", _walls(pairs), unit="s")
        yield compared(case, "CPU of the client, user and system", _cpus(pairs), unit="s")


def _race(
    stage: Stage, server: RegistryServer, source: Source, *, pairs: int, far: bool = False,
    ours: Make | None = None, same: bool = True,
) -> Pairs:  # fmt: skip
    """Run both programs alternately, each time into an empty registry; `same`: the digests must be the source's."""
    makes: tuple[Make, Make] = (
        ours or (lambda source, target: Ferryman(stage.folder(), [source], target)),
        lambda source, target: Skopeo(stage.folder(), source, target),
    )
    measured: list[tuple[Run, Run]] = []
    warm_ups = 0 if far else stage.scale.warm_ups  # with latency, everything is warm from the runs before
    for order in rounds(warm_ups + pairs):
        runs = {who: _run(stage, server, source, makes[who], far=far, same=same or who == 1) for who in order}
        measured.append((runs[0], runs[1]))
    return measured[warm_ups:]


def _run(stage: Stage, server: RegistryServer, source: Source, make: Make, *, far: bool, same: bool) -> Run:
    with stage.fresh() as target, stage.reach(server, target, far=far) as (source_host, target_host):
        contestant = make(source.at(source_host), target_host)
        log = AccessLog(target)
        cost = contestant.sync()
        uploads = log.uploaded()
        if same:
            check_same_digests(server, target, source, prefix=PREFIX)
    return Run(cost, uploads)


def _uploads(case: str, source: Source, pairs: Pairs) -> Row:
    """Uploaded bytes; in every run, each blob must have been uploaded exactly once."""
    unique = sum(source.blobs.values())
    ours, theirs = ([_bytes(pair[who].uploads, source) for pair in pairs] for who in (0, 1))
    exact = all(pair[0].uploads == Counter(source.blobs.keys()) for pair in pairs)
    return Row(
        case, "bytes uploaded", f"{unique:,}, each once", f"{max(ours):,}", f"{max(theirs):,}",
        f"{max(ours) / max(theirs):.2f}", exact,
    )  # fmt: skip


def _bytes(uploads: Counter[str], source: Source) -> int:
    return sum(source.blobs[digest] * times for digest, times in uploads.items() if digest in source.blobs)


def _walls(pairs: Pairs) -> list[tuple[float, float]]:
    return [(ours.cost.wall, theirs.cost.wall) for ours, theirs in pairs]


def _cpus(pairs: Pairs) -> list[tuple[float, float]]:
    return [(ours.cost.cpu, theirs.cost.cpu) for ours, theirs in pairs]


def _memory(pairs: Pairs) -> list[tuple[float, float]]:
    return [(ours.cost.rss / _MIB, theirs.cost.rss / _MIB) for ours, theirs in pairs]
