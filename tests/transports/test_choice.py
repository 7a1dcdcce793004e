"""The selection of a transport for a tag."""

from pathlib import Path

import pytest

from ferryman.clock import SystemClock
from ferryman.errors import EngineUnavailable
from ferryman.kinds import TransportName
from ferryman.platforms import Platforms
from ferryman.reference import Reference, Repository
from ferryman.transports.base import Copied, Overwriting, ProgressSink
from ferryman.transports.choice import TransportSelector
from ferryman.transports.direct.transport import DirectTransport
from ferryman.transports.engine.address import EngineAddress
from ferryman.transports.engine.transport import DockerTransport
from tests.support.processes import Engine
from tests.support.transports import NATIVE, NO_LIMIT, Progress, open_client, pinned
from tests.support.upstreams import made_up_digest
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.engine.ledger import InMemoryLedger

ONE, TWO = (Repository("registry.example.com", name) for name in ("m/one", "m/two"))
SOURCE = pinned("quay.io", "a/image", made_up_digest("image"))


class Choice:
    """A TransportSelector between two transports that only record their calls."""

    def __init__(self, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[str] = []
        client = open_client()
        docker = DockerTransport(
            address=EngineAddress(engine), registry=client, images=InMemoryLedger(), cache_limit=NO_LIMIT,
            clock=SystemClock(),
        )  # fmt: skip
        direct = DirectTransport(registry=client, blobs=InMemoryBlobLedger(), native=NATIVE, clock=SystemClock())
        self.transport = TransportSelector(docker=lambda: docker, direct=lambda: direct)
        for name, transport in (("docker", docker), ("direct", direct)):
            monkeypatch.setattr(transport, "copy", self._taking(name))

    def _taking(self, name: str):  # type: ignore[no-untyped-def]
        async def copy(
            source: Reference,
            target: Reference,
            platforms: Platforms | None,
            sink: ProgressSink,
            *,
            referrers: bool = False,
            overwriting: Overwriting | None = None,
        ) -> Copied:
            self.taken.append(f"{name}, with referrers" if referrers else name)
            return Copied("", identical=True, bytes_moved=0, bytes_reused=0)

        return copy

    async def way_of(self, target: Repository, platforms: str | None = None) -> str:
        wanted = Platforms.parse(platforms) if platforms else None
        await self.transport.copy(SOURCE, target.tagged("1"), wanted, Progress())
        return self.taken[-1]


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Choice:
    """Where no engine answers."""
    return Choice(f"unix://{tmp_path}/none.sock", monkeypatch)


@pytest.fixture
def here(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Choice:
    return Choice(engine.host, monkeypatch)


async def test_auto_goes_directly_where_no_engine_answers(nowhere: Choice) -> None:
    nowhere.transport.configure(default="auto", by_target={ONE: "auto"})

    assert (await nowhere.transport.connect()).startswith("directly from registry to registry, for no engine answers")
    assert await nowhere.way_of(ONE) == "direct"
    assert nowhere.transport.native is None
    await nowhere.transport.aclose()


async def test_auto_goes_through_an_engine_that_answers_but_for_what_none_can_carry(here: Choice) -> None:
    here.transport.configure(default="auto", by_target={ONE: "auto", TWO: "direct"})

    description = await here.transport.connect()

    assert description.startswith("through Docker Engine ")
    assert description.endswith(", and directly where an item says so")
    assert await here.way_of(ONE) == "docker"
    assert await here.way_of(ONE, "all") == "direct"
    assert await here.way_of(TWO) == "direct"
    await here.transport.aclose()


async def test_referrers_go_directly_where_they_are_wanted(here: Choice) -> None:
    here.transport.configure(default="auto", by_target={ONE: "auto", TWO: "auto"}, with_referrers={ONE})

    await here.transport.connect()

    assert await here.way_of(ONE) == "direct, with referrers"
    assert await here.way_of(TWO) == "docker"
    await here.transport.aclose()


@pytest.mark.parametrize("other", ["auto", "direct"])
async def test_an_item_that_insists_on_an_engine_needs_one(nowhere: Choice, other: TransportName) -> None:
    nowhere.transport.configure(default="auto", by_target={ONE: "docker", TWO: other})

    with pytest.raises(EngineUnavailable):
        await nowhere.transport.connect()
    await nowhere.transport.aclose()


async def test_no_engine_is_looked_for_where_nothing_wants_one(nowhere: Choice) -> None:
    nowhere.transport.configure(default="docker", by_target={ONE: "direct"})

    assert await nowhere.transport.connect() == "directly from registry to registry"
    assert await nowhere.way_of(ONE) == "direct"
    await nowhere.transport.aclose()


async def test_a_tag_of_an_item_that_is_gone_goes_the_usual_way(nowhere: Choice) -> None:
    nowhere.transport.configure(default="docker", by_target={ONE: "direct"})

    assert await nowhere.way_of(TWO) == "docker"
    await nowhere.transport.aclose()
