"""The cache keeps pulled images up to a limit, and never removes the user's images."""

import asyncio
from typing import Self

import pytest

from ferryman.errors import TransferError, Unreachable
from ferryman.kinds import ImageRole
from ferryman.transports.engine.docker_engine import DiskUsage, DockerEngine
from ferryman.transports.engine.transport import DockerTransport
from tests.support.images import digest_of, push
from tests.support.processes import RegistryServer
from tests.support.transports import DockerTransports, Progress, fresh_image, pinned, tagged
from tests.transports.conftest import Shell, StartProxy
from tests.transports.engine.ledger import InMemoryLedger

SIZE = 100_000


class CacheScene:
    """Copies images of one size through an engine's cache, and identifies them by the engine's references."""

    def __init__(self, source: RegistryServer, target: str, docker: Shell) -> None:
        self.source = source
        self._target = target
        self._docker = docker

    def pushing_to(self, target: str) -> Self:
        return type(self)(self.source, target, self._docker)

    def add(self, tag: str) -> str:
        """Push a new image to the source. Returns its reference."""
        return f"{self.source.host}/a/b@{push(self.source.url, 'a/b', tag, fresh_image(SIZE))}"

    async def copy(self, transport: DockerTransport, reference: str, tag: str = "1") -> None:
        """Copy, and wait until the cache is trimmed."""
        try:
            await self.pass_on(transport, reference, tag)
        finally:
            assert transport._context is not None
            await transport._context.cache.wait_for_trim()

    async def pass_on(self, transport: DockerTransport, reference: str, tag: str = "1") -> None:
        host, digest = reference.partition("/")[0], reference.partition("@")[2]
        await transport.copy(pinned(host, "a/b", digest), tagged(self._target, "m/b", tag), None, Progress())

    def kept(self, *references: str) -> list[bool]:
        return [self._docker.has(reference) for reference in references]


class DelayedLedger(InMemoryLedger):
    """Delays the record of the first pulled image."""

    def __init__(self) -> None:
        super().__init__()
        self.hesitates = asyncio.Event()
        self.gate = asyncio.Event()

    async def before_remember(self, role: ImageRole, image_id: str | None) -> None:
        if image_id is not None and not self.hesitates.is_set():
            self.hesitates.set()
            await self.gate.wait()


@pytest.fixture
def scene(source: RegistryServer, target: RegistryServer, docker: Shell) -> CacheScene:
    return CacheScene(source, target.host, docker)


async def test_keeps_what_fits(transports: DockerTransports, scene: CacheScene) -> None:
    transport = transports.open(cache_limit=3 * SIZE)
    one, two = scene.add("1"), scene.add("2")

    await scene.copy(transport, one)
    await scene.copy(transport, two)

    assert scene.kept(one, two) == [True, True]


async def test_keeps_the_newest_of_many(transports: DockerTransports, scene: CacheScene) -> None:
    """The number depends on the image store: containerd's keeps each layer compressed and unpacked."""
    transport = transports.open(cache_limit=4 * SIZE + SIZE // 2)
    references = [scene.add(f"{n}") for n in range(8)]

    for reference in references:
        await scene.copy(transport, reference)

    kept = scene.kept(*references)
    assert kept[-1]
    assert kept == sorted(kept)
    assert sum(kept) <= 4


async def test_removes_what_was_not_used_for_the_longest_time(transports: DockerTransports, scene: CacheScene) -> None:
    ledger = InMemoryLedger()
    transport = transports.open(cache_limit=2 * SIZE + SIZE // 2, ledger=ledger)
    one, two, three = scene.add("1"), scene.add("2"), scene.add("3")
    await scene.copy(transport, one)
    await scene.copy(transport, two)
    await scene.copy(transport, one, tag="again")

    await scene.copy(transport, three)

    assert scene.kept(one, two, three) == [True, False, True]
    assert {entry.reference for entry in ledger.entries.values()} == {one, three}


async def test_keeps_to_the_budget_when_copies_fail(
    transports: DockerTransports, scene: CacheScene, target: RegistryServer
) -> None:
    transport = transports.open(cache_limit=SIZE // 2)
    reference = scene.add("1")
    target.stop()

    with pytest.raises(TransferError):
        await scene.copy(transport, reference)
    assert scene.kept(reference) == [False]


async def test_leaves_what_the_user_pulled(transports: DockerTransports, scene: CacheScene, docker: Shell) -> None:
    ledger = InMemoryLedger()
    transport = transports.open(cache_limit=0, ledger=ledger)
    mine, other = scene.add("1"), scene.add("2")
    docker("pull", "--quiet", mine)

    await scene.copy(transport, mine)
    await scene.copy(transport, other)

    assert scene.kept(mine, other) == [True, False]
    assert ledger.entries == {}


async def test_leaves_what_the_user_tagged(transports: DockerTransports, scene: CacheScene, docker: Shell) -> None:
    ledger = InMemoryLedger()
    roomy, tight = transports.open(ledger=ledger), transports.open(ledger=ledger, cache_limit=0)
    reference, other = scene.add("1"), scene.add("2")
    await scene.copy(roomy, reference)
    docker("tag", reference, "mine.example/kept:1")

    await scene.copy(tight, other)

    assert scene.kept("mine.example/kept:1", reference, other) == [True, True, False]


async def test_leaves_what_a_container_uses(transports: DockerTransports, scene: CacheScene, docker: Shell) -> None:
    ledger = InMemoryLedger()
    roomy, tight = transports.open(ledger=ledger), transports.open(ledger=ledger, cache_limit=0)
    used, other = scene.add("1"), scene.add("2")
    await scene.copy(roomy, used)
    container = docker("create", "--network=none", used)

    await scene.copy(tight, other)
    assert scene.kept(used, other) == [True, False]

    docker("rm", container)
    await scene.copy(tight, other)
    assert scene.kept(used, other) == [False, False]


async def test_leaves_what_a_running_copy_uses(
    transports: DockerTransports, scene: CacheScene, target: RegistryServer, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(target)
    gate = proxy.hold("POST /v2/m/b/blobs/uploads/")
    transport = transports.open(cache_limit=0)
    used, other = scene.add("1"), scene.add("2")
    copying = asyncio.ensure_future(scene.pushing_to(proxy.host).copy(transport, used))
    await proxy.stalls(copying)

    await scene.copy(transport, other)
    assert scene.kept(used, other) == [True, False]

    gate.set()
    await copying
    assert scene.kept(used) == [False]


async def test_keeps_to_the_budget_with_many_copies_at_once(transports: DockerTransports, scene: CacheScene) -> None:
    transport = transports.open(cache_limit=0)
    references = [scene.add(f"{n}") for n in range(6)]

    async with asyncio.TaskGroup() as group:
        for n, reference in enumerate(references):
            group.create_task(scene.copy(transport, reference, tag=f"{n}"))

    assert scene.kept(*references) == [False] * 6


async def test_counts_a_copy_that_ends_while_the_engine_counts(
    transports: DockerTransports,
    scene: CacheScene,
    target: RegistryServer,
    start_proxy: StartProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = await start_proxy(target)
    gate = proxy.hold("POST /v2/m/b/blobs/uploads/")
    transport = transports.open(cache_limit=0)
    ending, other = scene.add("1"), scene.add("2")
    measure, counted = DockerEngine.disk_usage, 0

    async def count_while_it_ends(engine: DockerEngine) -> DiskUsage:
        nonlocal counted
        usage = await measure(engine)
        counted += 1
        if counted == 2:  # after the other one was removed: only the one that is being pushed is left
            gate.set()
            await copying
        return usage

    monkeypatch.setattr(DockerEngine, "disk_usage", count_while_it_ends)
    copying = asyncio.ensure_future(scene.pushing_to(proxy.host).pass_on(transport, ending))
    await proxy.stalls(copying)

    await scene.copy(transport, other)
    assert scene.kept(ending, other) == [False, False]


async def test_counts_a_pull_that_ends_while_the_cache_is_looked_at(
    transports: DockerTransports, scene: CacheScene
) -> None:
    ledger = DelayedLedger()
    transport = transports.open(cache_limit=0, ledger=ledger)
    ending, other = scene.add("1"), scene.add("2")
    copying = asyncio.ensure_future(scene.copy(transport, ending))
    await ledger.hesitates.wait()

    await scene.copy(transport, other)
    ledger.gate.set()
    await copying
    assert scene.kept(ending, other) == [False, False]


async def test_no_copy_waits_for_the_cache(
    transports: DockerTransports, scene: CacheScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, measure = asyncio.Event(), DockerEngine.disk_usage

    async def measure_slowly(engine: DockerEngine) -> DiskUsage:
        await gate.wait()
        return await measure(engine)

    monkeypatch.setattr(DockerEngine, "disk_usage", measure_slowly)
    transport = transports.open(cache_limit=0)
    references = [scene.add(f"{n}") for n in range(3)]

    async with asyncio.timeout(60):
        for n, reference in enumerate(references):
            await scene.pass_on(transport, reference, tag=f"{n}")
    assert scene.kept(*references) == [True] * 3

    gate.set()
    await transport.aclose()
    assert scene.kept(*references) == [False] * 3


@pytest.mark.parametrize("error", [Unreachable("the engine is busy"), ValueError("a defect of ours")])
async def test_measures_again_what_could_not_be_measured(
    transports: DockerTransports, scene: CacheScene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    measure, fails = DockerEngine.disk_usage, iter([False, True])

    async def measure_at_last(engine: DockerEngine) -> DiskUsage:
        if next(fails, False):
            raise error
        return await measure(engine)

    monkeypatch.setattr(DockerEngine, "disk_usage", measure_at_last)
    transport = transports.open(cache_limit=2 * SIZE + SIZE // 2)
    references = [scene.add(f"{n}") for n in range(4)]

    for reference in references:
        await scene.copy(transport, reference)

    assert scene.kept(*references) == [False, False, True, True]


async def test_owns_the_pulls_that_a_crash_cut_short(
    transports: DockerTransports, scene: CacheScene, docker: Shell
) -> None:
    ledger = InMemoryLedger()
    engine_id = docker("info", "--format", "{{.ID}}")
    ended, never = scene.add("1"), f"nowhere.example/a@{digest_of(b'never')}"
    docker("pull", "--quiet", ended)
    for reference in (ended, never):
        await ledger.remember(engine_id, reference, role="source")

    await transports.open(ledger=ledger).connect()

    [entry] = await ledger.of_role(engine_id, "source")
    assert (entry.reference, entry.image_id) == (ended, docker.image_id(ended))


@pytest.mark.parametrize("container", ["the same", "another"])
async def test_owns_what_it_pulls_though_another_process_starts(
    transports: DockerTransports, scene: CacheScene, start_proxy: StartProxy, docker: Shell, container: str
) -> None:
    ledger, proxy = InMemoryLedger(), await start_proxy(scene.source)
    gate = proxy.hold("GET .*/blobs/")
    reference = scene.add("1").replace(scene.source.host, proxy.host)
    copying = asyncio.ensure_future(scene.copy(transports.open(ledger=ledger), reference))
    await proxy.stalls(copying)

    if container == "the same":
        await transports.open(ledger=ledger).connect()
        assert len(ledger.entries) == 1
    else:  # it does not see who lives here
        ledger.entries.clear()

    gate.set()
    await copying
    [entry] = ledger.entries.values()
    assert (entry.reference, entry.image_id) == (reference, docker.image_id(reference))


async def test_forgets_a_pull_that_failed(
    transports: DockerTransports, source: RegistryServer, scene: CacheScene, start_proxy: StartProxy, docker: Shell
) -> None:
    ledger, proxy = InMemoryLedger(), await start_proxy(source)
    proxy.answer("GET .*/blobs/", 404, "{}")
    digest = scene.add("1").partition("@")[2]

    with pytest.raises(TransferError):
        await transports.open(ledger=ledger).copy(
            pinned(proxy.host, "a/b", digest), tagged("127.0.0.1:1", "m/b", "1"), None, Progress()
        )
    assert ledger.entries == {}
