"""SSRF guard: where requests may connect to. Loopback addresses stand for other networks here."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import ip_address
from typing import Any

import pytest
from yarl import URL

from ferryman import addresses
from ferryman.addresses import Address, HostList, Zone
from ferryman.errors import TransferError, Unsupported
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.registry.http.ssrf_guard import Guard
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.faulty import Faulty, says

BLOB = b"a blob"
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
PATH = f"/v2/a/b/blobs/{DIGEST}"
UPLOADS = "/v2/a/b/blobs/uploads/"
STANDS_FOR = {"127.0.1.1": Zone.PUBLIC, "127.0.2.1": Zone.PRIVATE, "127.0.3.1": Zone.LINK_LOCAL}
ADDRESS_OF = {zone: address for address, zone in STANDS_FOR.items()} | {Zone.LOOPBACK: "127.0.0.1"}
NAMED = {f"{zone.value}.example": address for zone, address in ADDRESS_OF.items()}


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public, private and link-local servers, by address and by name."""
    real, resolve = addresses.zone_of, socket.getaddrinfo

    def zone_of(address: Address) -> Zone:
        return STANDS_FOR.get(str(address)) or real(address)

    def getaddrinfo(host: Any, *arguments: Any, **more: Any) -> Any:
        return resolve(NAMED.get(host, host), *arguments, **more)

    monkeypatch.setattr("ferryman.addresses.zone_of", zone_of)
    monkeypatch.setattr("ferryman.registry.http.ssrf_guard.zone_of", zone_of)
    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)


@pytest.fixture
async def servers() -> AsyncIterator[dict[Zone, Faulty]]:
    async with AsyncExitStack() as stack:
        yield {zone: await stack.enter_async_context(Faulty(address)) for zone, address in ADDRESS_OF.items()}


def by_name(server: Faulty, zone: Zone) -> str:
    return f"http://{zone.value}.example:{server.host.rpartition(':')[2]}"


def at(connect: Connect, host: str, **options: Any) -> RegistryClient:
    return connect(hosts={host: RegistryOptions(tls=False, **options)})


ALLOWED = [(one, other) for one in Zone for other in Zone if one.may_lead_to(other)]
FORBIDDEN = [(one, other) for one in Zone for other in Zone if not one.may_lead_to(other) and one is not other]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("source", "storage"), ALLOWED)
async def test_a_redirect_outward_or_within_a_zone_is_followed(
    servers: dict[Zone, Faulty], connect: Connect, source: Zone, storage: Zone, *, named: bool
) -> None:
    url = by_name(servers[storage], storage) if named else servers[storage].url
    servers[source].on(f"GET {PATH}", says(307, Location=f"{url}/blob"))
    servers[storage].on("GET /blob", says(200, BLOB))
    client = at(connect, servers[source].host)
    assert await client.get_blob(Repository(servers[source].host, "a/b"), DIGEST) == BLOB


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("source", "storage"), FORBIDDEN)
async def test_a_redirect_inward_is_not_followed(
    servers: dict[Zone, Faulty], connect: Connect, source: Zone, storage: Zone, *, named: bool
) -> None:
    url = by_name(servers[storage], storage) if named else servers[storage].url
    servers[source].on(f"GET {PATH}", says(307, Location=f"{url}/blob"))
    host = by_name(servers[source], source).removeprefix("http://")  # the registry has a name too
    with pytest.raises(Unsupported, match=rf"leads to .*, the {storage.value} address .*: not followed; `redirects:`"):
        await at(connect, host).get_blob(Repository(host, "a/b"), DIGEST)
    assert servers[storage].asked == []


@pytest.mark.parametrize("allowed", ["private.example", "*.example", "127.0.2.0/24", "127.0.2.1"])
async def test_the_option_redirects_allows_more(servers: dict[Zone, Faulty], connect: Connect, allowed: str) -> None:
    public, private = servers[Zone.PUBLIC], servers[Zone.PRIVATE]
    public.on(f"GET {PATH}", says(307, Location=f"{by_name(private, Zone.PRIVATE)}/blob"))
    private.on("GET /blob", says(200, BLOB))
    client = at(connect, public.host, redirects=HostList.parse([allowed]))
    assert await client.get_blob(Repository(public.host, "a/b"), DIGEST) == BLOB


async def test_a_pooled_connection_of_another_request_is_checked_too(
    servers: dict[Zone, Faulty], connect: Connect
) -> None:
    public, private = servers[Zone.PUBLIC], servers[Zone.PRIVATE]
    private.on(f"GET {PATH}", says(200, BLOB))
    public.on(f"GET {PATH}", says(307, Location=f"{private.url}{PATH}"))
    client = connect(hosts={each.host: RegistryOptions(tls=False) for each in (public, private)})
    await client.get_blob(Repository(private.host, "a/b"), DIGEST)
    with pytest.raises(Unsupported, match="not followed"):
        await client.get_blob(Repository(public.host, "a/b"), DIGEST)
    await client.get_blob(Repository(private.host, "a/b"), DIGEST)
    assert len(private.asked) == 2


async def test_the_second_of_two_redirects_is_checked_against_the_first(
    servers: dict[Zone, Faulty], connect: Connect
) -> None:
    private, public = servers[Zone.PRIVATE], servers[Zone.PUBLIC]
    private.on(f"GET {PATH}", says(307, Location=f"{public.url}/x"))
    public.on("GET /x", says(307, Location=f"{private.url}/inner"))
    with pytest.raises(Unsupported, match=f"{public.host}: leads to"):
        await at(connect, private.host).get_blob(Repository(private.host, "a/b"), DIGEST)


async def test_no_login_is_sent_inward(servers: dict[Zone, Faulty], connect: Connect) -> None:
    public, link_local = servers[Zone.PUBLIC], servers[Zone.LINK_LOCAL]
    realm = f"{by_name(link_local, Zone.LINK_LOCAL)}/token"
    public.on(f"GET {PATH}", says(401, WWW_Authenticate=f'Bearer realm="{realm}",service="x"'))
    client = connect(hosts={public.host: RegistryOptions(tls=False)}, logins={public.host: ("me", "s3cr3t")})
    with pytest.raises(Unsupported, match="not followed"):
        await client.get_blob(Repository(public.host, "a/b"), DIGEST)
    assert link_local.asked == []


@pytest.mark.parametrize(("inner", "reached"), [(Zone.LOOPBACK, False), (Zone.PRIVATE, True), (Zone.PUBLIC, True)])
async def test_an_upload_location_is_checked_too(
    servers: dict[Zone, Faulty], connect: Connect, inner: Zone, *, reached: bool
) -> None:
    registry, storage = servers[Zone.PRIVATE], servers[inner]
    registry.on(f"POST {UPLOADS}", says(202, Location=f"{storage.url}/up/1"))
    registry.on("PUT /up/1", says(201))
    storage.on("PUT /up/1", says(201))
    try:
        await at(connect, registry.host).upload_blob(Repository(registry.host, "a/b"), DIGEST, BLOB)
    except TransferError as error:
        assert not reached, error  # noqa: PT017  (either is right somewhere)
    assert (storage.times("PUT", "/up/1") > 0) is reached


async def test_through_a_proxy_only_literal_addresses_are_checked(
    servers: dict[Zone, Faulty], connect: Connect
) -> None:
    proxy = servers[Zone.LOOPBACK]
    proxy.on(f"GET {PATH}", says(307, Location="http://private.example/blob"), says(307, Location="http://127.0.2.1/x"))
    proxy.on("GET /blob", says(200, BLOB))
    client = at(connect, "registry.example", proxy=proxy.url)
    assert await client.get_blob(Repository("registry.example", "a/b"), DIGEST) == BLOB
    with pytest.raises(Unsupported, match=r"leads to 127.0.2.1, the private address"):
        await client.get_blob(Repository("registry.example", "a/b"), DIGEST)
    assert len(proxy.asked) == 3


async def test_concurrent_requests_have_separate_guards(servers: dict[Zone, Faulty], connect: Connect) -> None:
    public, private = servers[Zone.PUBLIC], servers[Zone.PRIVATE]
    private.on(f"GET {PATH}", says(200, BLOB))
    public.on(f"GET {PATH}", says(307, Location=f"{private.url}{PATH}"))
    client = connect(hosts={each.host: RegistryOptions(tls=False) for each in (public, private)})

    async def ask(server: Faulty) -> bool:
        try:
            return await client.get_blob(Repository(server.host, "a/b"), DIGEST) == BLOB
        except Unsupported:
            return False

    answers = await asyncio.gather(*(ask(each) for _ in range(10) for each in (public, private)))
    assert answers == [False, True] * 10


def test_one_address_of_many_may_be_refused() -> None:
    guard = Guard(URL("http://x.example/"), linked_from=URL("http://a.example/"), zone=Zone.PUBLIC)
    guard.admit(ip_address("8.8.8.8"))
    with pytest.raises(PermissionError):
        guard.admit(ip_address("10.0.0.1"))
    assert guard.connected is Zone.PUBLIC
