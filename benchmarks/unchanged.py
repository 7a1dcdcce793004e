"""Cases with little or nothing to copy: the cost of finding that out."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.access_log import AccessLog
from benchmarks.contestants import Contestant, Ferryman, Skopeo, rounds
from benchmarks.measured import Measured
from benchmarks.sources import Source, fill, ordinary
from benchmarks.stage import Stage
from benchmarks.table import Row, compared, counted
from tests.support.images import OCI_MANIFEST, push, tags_of
from tests.support.processes import RegistryServer

_CONNECTIONS = 8


def nothing_new(stage: Stage) -> Iterator[Row]:
    """Many mirrored tags of a registry that lists only names, without news; then one new tag."""
    server, our_target, their_target = stage.registry(), stage.registry(), stage.registry()
    source = fill(server, "bench", stage.scale.mirrored)
    ferryman = Ferryman(stage.folder(), [source], our_target.host)
    skopeo = Skopeo(stage.folder(), source, their_target.host)
    ferryman.sync()
    skopeo.sync()
    pairs = [_pair(ferryman, skopeo, order) for order in rounds(stage.scale.warm_ups + stage.scale.pairs)]
    pairs = pairs[stage.scale.warm_ups :]
    case = f"nothing new, {source.tags:,} mirrored tags, a plain OCI source"
    yield compared(case, "wall", [(ours.wall, theirs.wall) for ours, theirs in pairs], unit="s", most=0.1)
    yield compared(case, "CPU, user and system", [(ours.cpu, theirs.cpu) for ours, theirs in pairs], unit="s")
    bare = [(_heads(server, source), theirs.wall) for _, theirs in pairs]
    yield compared(case, "wall of those `HEAD`s alone, by a bare client", bare, unit="s")
    our_source, our_puts = _asked(ferryman, server, our_target)
    their_source, their_puts = _asked(skopeo, server, their_target)
    lists = len(source.repositories)
    yield counted(
        case,
        f"requests at the source, beside {lists} for lists",
        our_source - lists,
        their_source - lists,
        most=source.tags,
    )
    yield counted(case, "requests at the target", our_puts, their_puts, most=0)
    yield from _one_new_tag(stage, source, server, ferryman, our_target)


def listed(stage: Stage) -> Iterator[Row]:
    """Registries whose lists have digests and times: stand-ins for Google's, Docker Hub and quay."""
    # Imported here, because they increase this process's memory, which must be small: see `measure`.
    from tests.support.upstreams import DockerHub, Google, Quay  # noqa: PLC0415

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
        ferryman = Ferryman(stage.folder(), sources, target.host, registries=f"{{{entries}}}")
        ferryman.sync()
        before = {kind: upstream.asked() for kind, upstream in kinds.items()}
        log = AccessLog(target)
        ferryman.sync()
        case = f"nothing new, {shape.tags} tags a repository, lists that tell digests"
        for kind, upstream in kinds.items():
            asked = (upstream.asked() - before[kind]) // shape.repositories
            yield counted(case, f"requests a repository: {kind}", asked, None, most=2)
        yield counted(case, "requests at the target", len(log.observe()), None, most=0)


def _pair(ferryman: Contestant, skopeo: Contestant, order: tuple[int, int]) -> tuple[Measured, Measured]:
    runs = {who: (ferryman, skopeo)[who].sync() for who in order}
    return runs[0], runs[1]


def _asked(contestant: Contestant, server: RegistryServer, target: RegistryServer) -> tuple[int, int]:
    """How many requests one more run sends to the source and to the target."""
    source_log, target_log = AccessLog(server), AccessLog(target)
    contestant.sync()
    return len(source_log.observe()), len(target_log.observe())


def _heads(server: RegistryServer, source: Source) -> float:
    """Seconds that a running client needs for a HEAD of every tag, and nothing else."""
    requests = [
        f"HEAD /v2/{name}/manifests/{tag} HTTP/1.1\r\nHost: {server.host}\r\nAccept: {OCI_MANIFEST}\r\n\r\n".encode()
        for name in source.repositories
        for tag in tags_of(server.url, name)
    ]

    def send(own: list[bytes]) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            for request in own:
                connection.sendall(request)
                answer = b""
                while not answer.endswith(b"\r\n\r\n"):
                    answer += connection.recv(4096)
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(f"{request!r} was answered {answer!r}")

    began = time.perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        list(threads.map(send, (requests[number::_CONNECTIONS] for number in range(_CONNECTIONS))))
    return time.perf_counter() - began


def _one_new_tag(
    stage: Stage, source: Source, server: RegistryServer, ferryman: Contestant, target: RegistryServer
) -> Iterator[Row]:
    """A tag whose layers the target has, with a new config."""
    repository = source.repositories[0]
    push(server.url, repository, "2.0", ordinary(stage.scale.mirrored, repository, 0, created="2026-02-02T00:00:00Z"))
    source_log, target_log = AccessLog(server), AccessLog(target)
    ferryman.sync()
    case = "one new tag, whose layers the target has"
    beyond = sum(not request.discovers for request in source_log.observe())
    yield counted(case, "requests at the source beyond discovery", beyond, None, most=2)
    yield counted(case, "requests at the target", len(target_log.observe()), None, most=3)
