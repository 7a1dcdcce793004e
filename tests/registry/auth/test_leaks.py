"""Over real HTTP: a login goes to its own origin only, whatever redirects, links and challenges say."""

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from ferryman.addresses import HostList
from ferryman.errors import TransferError, Unsupported
from ferryman.manifests.manifest import OCI_MANIFEST, digest_of
from ferryman.reference import Reference, Repository
from ferryman.registry.client import RegistryClient
from ferryman.registry.http.messages import Request
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.faulty import Faulty, Handler, says

BODY = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}).encode()
FOUND = says(200, BODY, Content_Type=OCI_MANIFEST, Docker_Content_Digest=digest_of(BODY))
TAGS = says(200, {"results": []})
PATH = "/v2/team/app/manifests/1"
LOGIN = ("robot", "s3cr3t")
SECRETS = (LOGIN[1], base64.b64encode(b"robot:s3cr3t").decode())


@pytest.fixture
async def secure(certificate: tuple[Path, Path]) -> AsyncIterator[Faulty]:
    """A server that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with Faulty(tls=context) as server:
        yield server


def reference(server: Faulty) -> Reference:
    return Repository(server.host, "team/app").tagged("1")


def with_api(connect: Connect, server: Faulty, **options: object) -> RegistryClient:
    hosts = {"docker.io": RegistryOptions(api=server.url, **options)}  # type: ignore[arg-type]
    return connect(hosts=hosts, logins={"docker.io": LOGIN})


def everything_sent_to(server: Faulty) -> str:
    return repr(server.asked)


# A request that carries its token itself: the pages of a tag API


async def test_a_redirect_to_another_port_does_not_take_the_token_along(
    faulty: Faulty, elsewhere: Faulty, connect: Connect
) -> None:
    faulty.on("GET /tags", says(307, Location=f"{elsewhere.url}/tags"))
    elsewhere.on("GET /tags", TAGS)

    await with_api(connect, faulty).get_api("docker.io", "/tags", query={}, bearer="t0ken")

    assert [asked.authorization for asked in faulty.asked] == ["Bearer t0ken"]
    assert [asked.authorization for asked in elsewhere.asked] == [None]


async def test_a_redirect_to_another_host_name_does_not_take_the_token_along(faulty: Faulty, connect: Connect) -> None:
    named = faulty.url.replace("127.0.0.1", "localhost")
    faulty.on("GET /tags", says(307, Location=f"{named}/moved"))
    faulty.on("GET /moved", TAGS)

    await with_api(connect, faulty).get_api("docker.io", "/tags", query={}, bearer="t0ken")

    assert [asked.authorization for asked in faulty.asked] == ["Bearer t0ken", None]


async def test_a_redirect_to_https_does_not_take_the_token_along(
    faulty: Faulty, secure: Faulty, connect: Connect, certificate: tuple[Path, Path]
) -> None:
    faulty.on("GET /tags", says(307, Location=f"{secure.url}/tags"))
    secure.on("GET /tags", TAGS)

    client = with_api(connect, faulty, tls=str(certificate[0]))
    await client.get_api("docker.io", "/tags", query={}, bearer="t0ken")

    assert [asked.authorization for asked in secure.asked] == [None]


async def test_a_redirect_to_plain_http_that_is_allowed_does_not_take_the_token_along(
    faulty: Faulty, secure: Faulty, connect: Connect, certificate: tuple[Path, Path]
) -> None:
    secure.on("GET /tags", says(307, Location=f"{faulty.url}/tags"))
    faulty.on("GET /tags", TAGS)

    client = with_api(connect, secure, tls=str(certificate[0]), redirects=HostList.parse(["127.0.0.1"]))
    await client.get_api("docker.io", "/tags", query={}, bearer="t0ken")

    assert [asked.authorization for asked in secure.asked] == ["Bearer t0ken"]
    assert [asked.authorization for asked in faulty.asked] == [None]


async def test_a_redirect_to_the_same_origin_takes_the_token_along(faulty: Faulty, connect: Connect) -> None:
    faulty.on("GET /tags", says(307, Location="/moved"))
    faulty.on("GET /moved", TAGS)

    await with_api(connect, faulty).get_api("docker.io", "/tags", query={}, bearer="t0ken")

    assert [asked.authorization for asked in faulty.asked] == ["Bearer t0ken"] * 2


@pytest.mark.parametrize(
    ("target", "keeps_it"),
    [
        ("https://r.example:5000/x", True),
        ("https://R.EXAMPLE:5000/x", True),
        ("http://r.example:5000/x", False),  # the scheme alone
        ("https://s.example:5000/x", False),
        ("https://r.example:5001/x", False),
        ("https://r.example/x", False),
    ],
)
def test_which_origin_keeps_the_authorization(target: str, *, keeps_it: bool) -> None:
    request = Request("GET", URL("https://r.example:5000/"), {"Accept": "*/*"}).authorised("Bearer t0ken")
    headers = request.moved(URL(target)).headers
    assert headers == {"Accept": "*/*", **({"Authorization": "Bearer t0ken"} if keeps_it else {})}


# Signing in at a tag API: the password is the body


@pytest.mark.parametrize("status", [307, 308])
async def test_a_sign_in_is_not_redirected_to_another_origin(
    faulty: Faulty, elsewhere: Faulty, connect: Connect, status: int
) -> None:
    faulty.on("POST /login", says(status, Location=f"{elsewhere.url}/login"))
    elsewhere.on("POST /login", says(200, {"access_token": "x"}))

    with pytest.raises(Unsupported, match="would send a login to another origin: not followed"):
        await with_api(connect, faulty).post_api("docker.io", "/login", body={"secret": LOGIN[1]})

    assert elsewhere.asked == []


async def test_a_sign_in_is_redirected_on_the_same_origin(faulty: Faulty, connect: Connect) -> None:
    faulty.on("POST /login", says(308, Location="/v3/login"))
    faulty.on("POST /v3/login", says(200, {"access_token": "x"}))

    answer = await with_api(connect, faulty).post_api("docker.io", "/login", body={"secret": LOGIN[1]})

    assert answer == {"access_token": "x"}


# Token servers and proxies


def wants_token(realm: str) -> Handler:
    return says(401, WWW_Authenticate=f'Bearer realm="{realm}",service="reg",scope="repository:team/app:pull"')


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_token_server_redirects_no_login(
    faulty: Faulty, elsewhere: Faulty, connect: Connect, status: int
) -> None:
    faulty.on(f"GET {PATH}", wants_token(f"{faulty.url}/token"))
    faulty.on("GET /token", says(status, Location=f"{elsewhere.url}/token"))
    elsewhere.on("GET /token", says(200, {"token": "t"}))

    with pytest.raises(TransferError):
        await connect(logins={faulty.host: LOGIN}).get_manifest(reference(faulty))

    assert SECRETS[1] in everything_sent_to(faulty)
    assert elsewhere.asked == []


async def test_a_token_server_gets_no_login_for_where_a_redirect_led(
    faulty: Faulty, elsewhere: Faulty, connect: Connect
) -> None:
    faulty.on(f"GET {PATH}", says(307, Location=f"{elsewhere.url}{PATH}"))
    elsewhere.on(f"GET {PATH}", wants_token(f"{elsewhere.url}/token"))
    elsewhere.on("GET /token", says(401))

    with pytest.raises(TransferError):
        await connect(logins={faulty.host: LOGIN, elsewhere.host: LOGIN}).get_manifest(reference(faulty))

    assert elsewhere.times("GET", "/token") > 0
    assert not any(secret in everything_sent_to(elsewhere) for secret in SECRETS)


async def test_a_token_server_without_tls_gets_no_login_of_a_registry_with_tls(
    faulty: Faulty, secure: Faulty, connect: Connect, certificate: tuple[Path, Path]
) -> None:
    secure.on(f"GET {PATH}", wants_token(f"{faulty.url}/token"))

    client = connect(hosts={secure.host: RegistryOptions(tls=str(certificate[0]))}, logins={secure.host: LOGIN})
    with pytest.raises(Unsupported, match="its login leads from https to http"):
        await client.get_manifest(reference(secure))

    assert faulty.asked == []


async def test_the_login_of_a_proxy_stays_with_the_proxy(
    faulty: Faulty, elsewhere: Faulty, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", faulty.url.replace("://", "://proxy-user:pr0xy@"))  # never to loopback
    faulty.on(f"GET {PATH}", says(307, Location=f"{elsewhere.url}{PATH}"))
    elsewhere.on(f"GET {PATH}", FOUND)

    client = connect(hosts={"registry.example": RegistryOptions(tls=False, redirects=HostList.parse(["127.0.0.1"]))})
    await client.get_manifest(Repository("registry.example", "team/app").tagged("1"))

    assert "Proxy-Authorization" in faulty.asked[0].headers
    assert [asked.headers.get("Proxy-Authorization") for asked in elsewhere.asked] == [None]


# Lists


async def test_a_next_page_at_another_origin_is_read_at_the_registrys_own(
    faulty: Faulty, elsewhere: Faulty, connect: Connect
) -> None:
    path = "/v2/team/app/tags/list"
    first = says(200, {"tags": ["1"]}, Link=f'<{elsewhere.url}{path}?last=1>; rel="next"')
    faulty.on(f"GET {path}", says(401, WWW_Authenticate='Basic realm="x"'), first, says(200, {"tags": ["2"]}))

    pages = connect(logins={faulty.host: LOGIN}).list_tags(Repository(faulty.host, "team/app"))

    assert [names async for names in pages] == [["1"], ["2"]]
    assert elsewhere.asked == []
