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


class Yard:
    """Copies images of one size through an engine's cache, and knows them by the engine's references."""

    def __init__(self, source: RegistryServer, target: str, docker: Shell) -> None:
        self.source = source
        self._target = target
        self._docker = docker

    def pushing_to(self, target: str) -> Self:
        return type(self)(self.source, target, self._docker)

    def add(self, tag: str) -> str:
        """Push a new image to the source; its reference."""
        return f"{self.source.host}/a/b@{push(self.source.url, 'a/b', tag, fresh_image(SIZE))}"

    async def copy(self, transport: DockerTransport, reference: str, tag: str = "1") -> None:
        """Copy, and wait for the cache to come to rest."""
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


class HesitantLedger(InMemoryLedger):
    """Takes its time to note the first image that was pulled."""

    def __init__(self) -> None:
        super().__init__()
        self.hesitates = asyncio.Event()
        self.gate = asyncio.Event()

    async def before_remember(self, role: ImageRole, image_id: str | None) -> None:
        if image_id is not None and not self.hesitates.is_set():
            self.hesitates.set()
            await self.gate.wait()


@pytest.fixture
def yard(source: RegistryServer, target: RegistryServer, docker: Shell) -> Yard:
    return Yard(source, target.host, docker)


async def test_keeps_what_fits(transports: DockerTransports, yard: Yard) -> None:
    transport = transports.open(cache_limit=3 * SIZE)
    one, two = yard.add("1"), yard.add("2")

    await yard.copy(transport, one)
    await yard.copy(transport, two)

    assert yard.kept(one, two) == [True, True]


async def test_keeps_the_newest_of_many(transports: DockerTransports, yard: Yard) -> None:
    """How many that are, the image store decides: containerd's keeps each layer packed and unpacked."""
    transport = transports.open(cache_limit=4 * SIZE + SIZE // 2)
    references = [yard.add(f"{n}") for n in range(8)]

    for reference in references:
        await yard.copy(transport, reference)

    kept = yard.kept(*references)
    assert kept[-1]
    assert kept == sorted(kept)
    assert sum(kept) <= 4


async def test_removes_what_was_not_used_for_the_longest_time(transports: DockerTransports, yard: Yard) -> None:
    ledger = InMemoryLedger()
    transport = transports.open(cache_limit=2 * SIZE + SIZE // 2, ledger=ledger)
    one, two, three = yard.add("1"), yard.add("2"), yard.add("3")
    await yard.copy(transport, one)
    await yard.copy(transport, two)
    await yard.copy(transport, one, tag="again")

    await yard.copy(transport, three)

    assert yard.kept(one, two, three) == [True, False, True]
    assert {entry.reference for entry in ledger.entries.values()} == {one, three}


async def test_keeps_to_the_budget_when_copies_fail(
    transports: DockerTransports, yard: Yard, target: RegistryServer
) -> None:
    transport = transports.open(cache_limit=SIZE // 2)
    reference = yard.add("1")
    target.stop()

    with pytest.raises(TransferError):
        await yard.copy(transport, reference)
    assert yard.kept(reference) == [False]


async def test_leaves_what_the_user_pulled(transports: DockerTransports, yard: Yard, docker: Shell) -> None:
    ledger = InMemoryLedger()
    transport = transports.open(cache_limit=0, ledger=ledger)
    mine, other = yard.add("1"), yard.add("2")
    docker("pull", "--quiet", mine)

    await yard.copy(transport, mine)
    await yard.copy(transport, other)

    assert yard.kept(mine, other) == [True, False]
    assert ledger.entries == {}


async def test_leaves_what_the_user_tagged(transports: DockerTransports, yard: Yard, docker: Shell) -> None:
    ledger = InMemoryLedger()
    roomy, tight = transports.open(ledger=ledger), transports.open(ledger=ledger, cache_limit=0)
    reference, other = yard.add("1"), yard.add("2")
    await yard.copy(roomy, reference)
    docker("tag", reference, "mine.example/kept:1")

    await yard.copy(tight, other)

    assert yard.kept("mine.example/kept:1", reference, other) == [True, True, False]


async def test_leaves_what_a_container_uses(transports: DockerTransports, yard: Yard, docker: Shell) -> None:
    ledger = InMemoryLedger()
    roomy, tight = transports.open(ledger=ledger), transports.open(ledger=ledger, cache_limit=0)
    used, other = yard.add("1"), yard.add("2")
    await yard.copy(roomy, used)
    container = docker("create", "--network=none", used)

    await yard.copy(tight, other)
    assert yard.kept(used, other) == [True, False]

    docker("rm", container)
    await yard.copy(tight, other)
    assert yard.kept(used, other) == [False, False]


async def test_leaves_what_a_running_copy_uses(
    transports: DockerTransports, yard: Yard, target: RegistryServer, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(target)
    gate = proxy.hold("POST /v2/m/b/blobs/uploads/")
    transport = transports.open(cache_limit=0)
    used, other = yard.add("1"), yard.add("2")
    copying = asyncio.ensure_future(yard.pushing_to(proxy.host).copy(transport, used))
    await proxy.stalls(copying)

    await yard.copy(transport, other)
    assert yard.kept(used, other) == [True, False]

    gate.set()
    await copying
    assert yard.kept(used) == [False]


async def test_keeps_to_the_budget_with_many_copies_at_once(transports: DockerTransports, yard: Yard) -> None:
    transport = transports.open(cache_limit=0)
    references = [yard.add(f"{n}") for n in range(6)]

    async with asyncio.TaskGroup() as group:
        for n, reference in enumerate(references):
            group.create_task(yard.copy(transport, reference, tag=f"{n}"))

    assert yard.kept(*references) == [False] * 6


async def test_counts_a_copy_that_ends_while_the_engine_counts(
    transports: DockerTransports,
    yard: Yard,
    target: RegistryServer,
    start_proxy: StartProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = await start_proxy(target)
    gate = proxy.hold("POST /v2/m/b/blobs/uploads/")
    transport = transports.open(cache_limit=0)
    ending, other = yard.add("1"), yard.add("2")
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
    copying = asyncio.ensure_future(yard.pushing_to(proxy.host).pass_on(transport, ending))
    await proxy.stalls(copying)

    await yard.copy(transport, other)
    assert yard.kept(ending, other) == [False, False]


async def test_counts_a_pull_that_ends_while_the_cache_is_looked_at(transports: DockerTransports, yard: Yard) -> None:
    ledger = HesitantLedger()
    transport = transports.open(cache_limit=0, ledger=ledger)
    ending, other = yard.add("1"), yard.add("2")
    copying = asyncio.ensure_future(yard.copy(transport, ending))
    await ledger.hesitates.wait()

    await yard.copy(transport, other)
    ledger.gate.set()
    await copying
    assert yard.kept(ending, other) == [False, False]


async def test_no_copy_waits_for_the_cache(
    transports: DockerTransports, yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, measure = asyncio.Event(), DockerEngine.disk_usage

    async def measure_slowly(engine: DockerEngine) -> DiskUsage:
        await gate.wait()
        return await measure(engine)

    monkeypatch.setattr(DockerEngine, "disk_usage", measure_slowly)
    transport = transports.open(cache_limit=0)
    references = [yard.add(f"{n}") for n in range(3)]

    async with asyncio.timeout(60):
        for n, reference in enumerate(references):
            await yard.pass_on(transport, reference, tag=f"{n}")
    assert yard.kept(*references) == [True] * 3

    gate.set()
    await transport.aclose()
    assert yard.kept(*references) == [False] * 3


@pytest.mark.parametrize("error", [Unreachable("the engine is busy"), ValueError("a defect of ours")])
async def test_measures_again_what_could_not_be_measured(
    transports: DockerTransports, yard: Yard, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    measure, fails = DockerEngine.disk_usage, iter([False, True])

    async def measure_at_last(engine: DockerEngine) -> DiskUsage:
        if next(fails, False):
            raise error
        return await measure(engine)

    monkeypatch.setattr(DockerEngine, "disk_usage", measure_at_last)
    transport = transports.open(cache_limit=2 * SIZE + SIZE // 2)
    references = [yard.add(f"{n}") for n in range(4)]

    for reference in references:
        await yard.copy(transport, reference)

    assert yard.kept(*references) == [False, False, True, True]


async def test_owns_the_pulls_that_a_crash_cut_short(transports: DockerTransports, yard: Yard, docker: Shell) -> None:
    ledger = InMemoryLedger()
    engine_id = docker("info", "--format", "{{.ID}}")
    ended, never = yard.add("1"), f"nowhere.example/a@{digest_of(b'never')}"
    docker("pull", "--quiet", ended)
    for reference in (ended, never):
        await ledger.remember(engine_id, reference, role="source")

    await transports.open(ledger=ledger).connect()

    [entry] = await ledger.of_role(engine_id, "source")
    assert (entry.reference, entry.image_id) == (ended, docker.image_id(ended))


@pytest.mark.parametrize("container", ["the same", "another"])
async def test_owns_what_it_pulls_though_another_process_starts(
    transports: DockerTransports, yard: Yard, start_proxy: StartProxy, docker: Shell, container: str
) -> None:
    ledger, proxy = InMemoryLedger(), await start_proxy(yard.source)
    gate = proxy.hold("GET .*/blobs/")
    reference = yard.add("1").replace(yard.source.host, proxy.host)
    copying = asyncio.ensure_future(yard.copy(transports.open(ledger=ledger), reference))
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
    transports: DockerTransports, source: RegistryServer, yard: Yard, start_proxy: StartProxy, docker: Shell
) -> None:
    ledger, proxy = InMemoryLedger(), await start_proxy(source)
    proxy.answer("GET .*/blobs/", 404, "{}")
    digest = yard.add("1").partition("@")[2]

    with pytest.raises(TransferError):
        await transports.open(ledger=ledger).copy(
            pinned(proxy.host, "a/b", digest), tagged("127.0.0.1:1", "m/b", "1"), None, Progress()
        )
    assert ledger.entries == {}
