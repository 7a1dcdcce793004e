"""Every kind of fault at every request of a copy: an index with a layer that is streamed and one that is mounted."""

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from ferryman.errors import TransferError
from ferryman.registry.http.session import Timeouts
from ferryman.transports.base import Copied
from tests.support.clock import ManualClock
from tests.support.images import image, index, layer, push
from tests.support.processes import RegistryServer
from tests.support.proxy import Fault, FaultyProxy
from tests.support.transports import DirectTransports, Progress, manifest_at, pinned, tagged, tags_at
from tests.transports.conftest import StartProxy
from tests.transports.direct.blob_store import InMemoryBlobLedger

HANGS = 60  # seconds: a copy takes a tenth of one
MOST = 30  # requests of a copy at one side; it takes about a dozen
STREAMED = layer({"file": os.urandom(1_200_000)})
MOUNTED = layer({"file": os.urandom(2000)})
IMAGES = [image([STREAMED]), image([MOUNTED], platform="linux/arm64")]
WHOLE = index(IMAGES)

MakeFault = Callable[[FaultyProxy], Fault]


def says(status: int, code: str = "", **headers: str) -> MakeFault:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        body = {"errors": [{"code": code, "message": "a fault"}]} if code else {}
        return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return lambda _: answer


def wants_token(proxy: FaultyProxy) -> Fault:
    """A token is required, or the last one has expired; the body was read."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return await wants_token_at_once(proxy)(request)

    return answer


def wants_token_at_once(proxy: FaultyProxy) -> Fault:
    """The same, before the whole body has arrived."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=401, headers={"WWW-Authenticate": f'Bearer realm="{proxy.url}/token"'})

    return answer


def cuts_the_answer(_: FaultyProxy) -> Fault:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(b"{" * 1000)
        await abort(request)
        return response

    return answer


def cuts_the_request(_: FaultyProxy) -> Fault:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.content.readany()
        return await abort(request)

    return answer


def stalls(_: FaultyProxy) -> Fault:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return answer


async def abort(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


UNREACHABLE, DENIED = frozenset({"unreachable"}), frozenset({"denied", "login"})
LOST = frozenset({"not-found", "unreachable"})  # a manifest, a blob, or an upload that was under way
FAULTS: dict[str, tuple[MakeFault, frozenset[str]]] = {  # and what it may be reported as
    "400": (says(400, "UNSUPPORTED"), frozenset({"unsupported"})),
    "401": (wants_token, DENIED),
    "401 at once": (wants_token_at_once, DENIED | UNREACHABLE),  # it may be lost with the body that it interrupts
    "403": (says(403, "DENIED"), DENIED),
    "404": (says(404), LOST),
    "404 of a blob": (says(404, "BLOB_UNKNOWN"), LOST | {"wrong-content"}),
    "429": (says(429, "TOOMANYREQUESTS"), frozenset({"rate-limited"})),
    "500": (says(500), UNREACHABLE),
    "502": (says(502), UNREACHABLE),
    "503": (says(503, Retry_After="1"), UNREACHABLE),
    "cut": (lambda _: abort, UNREACHABLE),
    "cut answer": (cuts_the_answer, UNREACHABLE | {"wrong-content"}),
    "cut request": (cuts_the_request, UNREACHABLE),
    "stall": (stalls, UNREACHABLE),
    "redirect to nowhere": (says(307, Location="http://127.0.0.1:9/"), UNREACHABLE),
    "nonsense": (says(200), frozenset({"wrong-content", "not-found"})),
}
LASTING = ("401", "403", "404", "429", "500", "cut")
CASES = [*((name, False) for name in FAULTS), *((name, True) for name in LASTING)]


class FaultyPath:
    """A source, a target, and a proxy in front of one of them."""

    def __init__(self, source: RegistryServer, target: RegistryServer, proxy: FaultyProxy, side: str) -> None:
        self.proxy = proxy
        self._source = proxy.host if side == "source" else source.host
        self._target = proxy.host if side == "target" else target.host
        self._registry = target

    async def copy(self, repository: str, *, ledger: InMemoryBlobLedger, timeouts: Timeouts) -> Copied:
        async with AsyncExitStack() as stack, asyncio.timeout(HANGS):
            return (
                await DirectTransports(stack)
                .open(clock=ManualClock(), ledger=ledger, timeouts=timeouts)
                .copy(
                    pinned(self._source, "a/image", WHOLE.digest),
                    tagged(self._target, repository, "1"),
                    None,
                    Progress(),
                )
            )

    def ledger(self) -> InMemoryBlobLedger:
        """Record where the layer is that can be mounted."""
        ledger = InMemoryBlobLedger()
        digest = next(iter(IMAGES[1].blobs))
        ledger.held[self._target, "blob", digest] = {"another/image"}
        return ledger

    def digest(self, repository: str) -> str | None:
        """The digest of the tag at the target, if it exists."""
        tags = tags_at(self._registry.url, repository)
        return manifest_at(self._registry.url, repository, "1").digest if tags else None


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RegistryServer, RegistryServer]]:
    """A source with the image, and a target with one of its layers. Every test has its own repositories there."""
    source, target = (RegistryServer(tmp_path_factory.mktemp(name)) for name in ("source", "target"))
    try:
        push(source.start().url, "a/image", "1", WHOLE)
        push(target.start().url, "another/image", "1", IMAGES[1])
        yield source, target
    finally:
        source.stop()
        target.stop()


@pytest.fixture(params=["source", "target"])
async def path(
    request: pytest.FixtureRequest, registries: tuple[RegistryServer, RegistryServer], start_proxy: StartProxy
) -> FaultyPath:
    source, target = registries
    return FaultyPath(source, target, await start_proxy(source if request.param == "source" else target), request.param)


@pytest.mark.parametrize(
    ("name", "lasting"), CASES, ids=[f"{name} {'from then on' if lasting else 'once'}" for name, lasting in CASES]
)
async def test_a_fault_at_every_request_in_turn(path: FaultyPath, name: str, lasting: bool) -> None:
    """The tag is identical, or the copy fails with the right error, leaves nothing incomplete, and a retry succeeds."""
    make, kinds = FAULTS[name]
    impatient = (
        Timeouts(connect=30, read=1.0, answer=1.0, page=1.0, fetch=1.0, total=4.0, commit=1.0)
        if name == "stall"
        else Timeouts()
    )
    team = secrets.token_hex(4)
    for number in range(MOST):
        repository, ledger = f"{team}/image{number}", path.ledger()
        passed = breaks_at(path.proxy, make(path.proxy), number, lasting=lasting)
        try:
            copied = await path.copy(repository, ledger=ledger, timeouts=impatient)
        except TransferError as error:
            check_error(error, kinds, path.proxy.host)
            assert lasting or name != "401"  # a token that ran out is no reason to fail
            assert path.digest(repository) in {None, WHOLE.digest}
            path.proxy.mend()
            copied = await path.copy(repository, ledger=ledger, timeouts=Timeouts())
        path.proxy.mend()
        if path.digest(repository) is None:
            assert (
                not copied.confirmed
            )  # the registry answered 201 without storing it: the queue verifies, and copies again
            copied = await path.copy(repository, ledger=ledger, timeouts=Timeouts())
        assert copied.identical
        assert path.digest(repository) == WHOLE.digest
        if passed() <= number:
            return  # it was over before the fault
    raise AssertionError("a copy takes so many requests?")


def check_error(error: TransferError, kinds: frozenset[str], host: str) -> None:
    assert error.registry == host
    assert error.kind in kinds, error


def breaks_at(proxy: FaultyProxy, fault: Fault, at: int, *, lasting: bool) -> Callable[[], int]:
    """Set the fault for one request, or for it and all later ones. Returns a counter of the requests."""
    seen = 0

    async def respond(request: web.Request) -> web.StreamResponse:
        nonlocal seen
        if request.path == "/token":
            return web.json_response({"token": "good"})
        number, seen = seen, seen + 1
        return await (fault(request) if number == at or (lasting and number > at) else proxy.pass_on(request))

    proxy.fail("", respond)
    return lambda: seen
