"""Which proxy a request uses, and answers of the proxy itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from ferryman.errors import TransferError, Unreachable, Unsupported
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.registry.hosts import Host
from ferryman.registry.http.proxies import Proxies
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.faulty import Faulty, says

PATH = "/v2/team/app/manifests/1"
DIGEST = f"sha256:{'0' * 64}"
FOUND = says(200, Content_Type="application/vnd.oci.image.manifest.v1+json", Docker_Content_Digest=DIGEST)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://quay.io/v2/", "http://proxy.example:3128"),
        ("http://quay.io/v2/", "http://plain.example:3128"),
        ("https://inside.example/v2/", None),
        ("https://a.inside.example:5000/v2/", None),
        ("https://other.example:5000/v2/", None),
        ("https://other.example/v2/", "http://proxy.example:3128"),
        ("https://10.1.2.3/v2/", None),
        ("https://11.1.2.3/v2/", "http://proxy.example:3128"),
        ("https://[fd00::7]:5000/v2/", None),
        ("https://a.wild.example/v2/", None),
        ("https://wild.example/v2/", "http://proxy.example:3128"),
        ("http://127.0.0.1:5000/v2/", None),
        ("https://localhost/v2/", None),
        ("http://[::1]:5000/v2/", None),
    ],
)
@pytest.mark.parametrize("upper", [False, True])
def test_proxies(monkeypatch: pytest.MonkeyPatch, *, upper: bool, url: str, proxy: str | None) -> None:
    variables = {
        "https_proxy": "http://proxy.example:3128",
        "http_proxy": "plain.example:3128",
        "no_proxy": "inside.example, .dotted.example,other.example:5000 10.0.0.0/8,fd00::/8,*.wild.example,,b@d",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name.upper() if upper else name, value)
    found = Proxies().proxy_for(URL(url))
    assert (found and str(found).rstrip("/")) == proxy


def test_no_proxy_for_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "*")
    assert Proxies().proxy_for(URL("https://quay.io/")) is None


def test_a_registrys_own_proxy_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "*")
    own = Host.resolve("quay.io", RegistryOptions(proxy="http://me:s3cr3t@own.example:1"))
    assert Proxies().proxy_for(URL("https://cdn.quay.io/x"), own) == URL("http://me:s3cr3t@own.example:1")
    assert "s3cr3t" not in repr(own)
    monkeypatch.delenv("no_proxy")
    assert Proxies().proxy_for(URL("https://quay.io/x"), Host.resolve("quay.io", RegistryOptions(proxy=False))) is None


@pytest.mark.parametrize("proxy", ["socks5://me:s3cr3t@proxy.example:1080", "http://me:s3cr3t@p:port", "http://"])
def test_a_proxy_of_another_kind(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(Unsupported, match="HTTPS_PROXY names no HTTP proxy") as raised:
        Proxies().proxy_for(URL("https://quay.io/"))
    assert "s3cr3t" not in str(raised.value)


def through(connect: Connect, proxy: str, *, tls: bool) -> RegistryClient:
    return connect(hosts={"registry.example": RegistryOptions(tls=tls, proxy=proxy)})


async def ask(client: RegistryClient) -> str:
    return (await client.head_manifest(Repository("registry.example", "team/app").tagged("1"))).digest


async def test_a_request_through_a_proxy(faulty: Faulty, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", faulty.url.replace("://", "://me:s3cr3t@"))
    faulty.on(f"HEAD {PATH}", FOUND)
    client = connect(hosts={"registry.example": RegistryOptions(tls=False)})
    assert await ask(client) == DIGEST
    assert faulty.asked[0].headers["Host"] == "registry.example"
    assert faulty.asked[0].headers["Proxy-Authorization"].startswith("Basic ")


async def test_a_request_through_a_registrys_own_proxy(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"HEAD {PATH}", FOUND)
    assert await ask(through(connect, faulty.url, tls=False)) == DIGEST


@pytest.mark.parametrize(
    ("status", "headers", "says_what"),
    [
        (407, {}, r"the proxy 127.0.0.1:\d+ wants another login \(407\)"),
        (403, {"X-Squid-Error": "ERR_ACCESS_DENIED 0"}, r"the proxy 127.0.0.1:\d+ refused \(403\)"),
        (403, {"Proxy-Status": "corp; error=http_request_denied"}, r"the proxy 127.0.0.1:\d+ refused \(403\)"),
        (403, {}, "denied"),  # taken for the registry's: nothing shows that it is not
    ],
)
async def test_answers_of_a_proxy_to_plain_http(
    faulty: Faulty, connect: Connect, status: int, headers: dict[str, str], says_what: str
) -> None:
    faulty.on(f"HEAD {PATH}", says(status, **headers))
    with pytest.raises(TransferError, match=says_what):
        await ask(through(connect, faulty.url, tls=False))


@asynccontextmanager
async def proxy_that_says(status: bytes) -> AsyncIterator[str]:
    """To CONNECT, which an aiohttp server does not take."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://me:s3cr3t@127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("status", "error", "says_what"),
    [
        (b"407 Proxy Authentication Required", Unsupported, "wants another login"),
        (b"403 Forbidden", Unsupported, r"refused \(403\).*NO_PROXY"),
        (b"502 Bad Gateway", Unreachable, "answered 502"),
    ],
)
async def test_answers_of_a_proxy_to_connect(
    connect: Connect, status: bytes, error: type[TransferError], says_what: str
) -> None:
    async with proxy_that_says(status) as proxy:
        with pytest.raises(error, match=rf"registry.example.*: the proxy 127.0.0.1:\d+ .*{says_what}") as raised:
            await ask(through(connect, proxy, tls=True))
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("tls", [False, True])
async def test_an_unreachable_proxy(connect: Connect, *, tls: bool) -> None:
    with pytest.raises(Unreachable, match=r"the proxy 127.0.0.1:1: cannot connect"):
        await ask(through(connect, "http://me:s3cr3t@127.0.0.1:1", tls=tls))
