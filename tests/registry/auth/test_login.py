"""Authentication by Basic and Bearer, and where the password must not go."""

import asyncio
import base64
import json
from typing import Any

import pytest
from aiohttp import web

from ferryman.errors import Denied, LoginRefused, RateLimited
from ferryman.manifests.manifest import OCI_MANIFEST, Manifest, digest_of
from ferryman.reference import Reference, Repository
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect, credentials
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, Handler, says

BODY = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}).encode()
MANIFEST = Manifest(BODY, OCI_MANIFEST, digest_of(BODY))
FOUND = says(200, BODY, Content_Type=OCI_MANIFEST, Docker_Content_Digest=MANIFEST.digest)
PATH = "/v2/team/app/manifests/1"
LOGIN = ("robot$me", "s3cr3t")
BASIC = f"Basic {base64.b64encode(b'robot$me:s3cr3t').decode()}"


def reference(server: Faulty, name: str = "team/app") -> Reference:
    return Repository(server.host, name).tagged("1")


def bearer(
    server: Faulty, *, answer: Handler = FOUND, wants: str = "token", scope: str = "repository:team/app:pull"
) -> Handler:
    """Wants the bearer token `wants`, from the token server at `server`."""

    async def check(request: web.Request) -> web.StreamResponse:
        presented = request.headers.get("Authorization")
        if presented == f"Bearer {wants}":
            return await answer(request)
        error = ',error="invalid_token"' if presented else ""
        challenge = f'Bearer realm="{server.url}/token?tenant=7",service="reg",scope="{scope}"{error}'
        return await says(401, {"errors": [{"code": "UNAUTHORIZED"}]}, WWW_Authenticate=challenge)(request)

    return check


def basic(answer: Handler = FOUND, wants: str = BASIC) -> Handler:
    async def check(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") == wants:
            return await answer(request)
        return await says(401, WWW_Authenticate='Basic realm="x"')(request)

    return check


async def test_an_anonymous_token(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", bearer(faulty))
    faulty.on("GET /token", says(200, {"token": "token", "expires_in": 300}))
    client = connect()
    assert await client.get_manifest(reference(faulty)) == MANIFEST
    assert await client.get_manifest(reference(faulty)) == MANIFEST
    assert [asked.path for asked in faulty.asked] == [PATH, "/token", PATH, PATH]
    assert faulty.asked[1].query == {"tenant": "7", "service": "reg", "scope": "repository:team/app:pull"}
    assert faulty.asked[1].authorization is None


async def test_the_next_repository_needs_no_second_challenge(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", bearer(faulty))
    faulty.on("GET /v2/team/other/manifests/1", bearer(faulty))
    faulty.on("GET /token", says(200, {"token": "token"}))
    client = connect(logins={faulty.host: LOGIN})
    await client.get_manifest(reference(faulty))
    await client.get_manifest(reference(faulty, "team/other"))
    assert [asked.path for asked in faulty.asked[3:]] == ["/token", "/v2/team/other/manifests/1"]
    assert faulty.asked[3].query["scope"] == "repository:team/other:pull"
    assert {asked.authorization for asked in faulty.asked if asked.path == "/token"} == {BASIC}


async def test_many_at_once_share_one_token(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", bearer(faulty))
    faulty.on("GET /token", says(200, {"token": "token"}))
    client = connect()
    await asyncio.gather(*(client.get_manifest(reference(faulty)) for _ in range(20)))
    assert faulty.times("GET", "/token") == 1


async def test_a_token_that_expired_early_is_renewed(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", bearer(faulty, wants="first"))
    faulty.on("GET /token", says(200, {"token": "first"}), says(200, {"token": "second"}))
    client = connect()
    await client.get_manifest(reference(faulty))
    faulty.on(f"GET {PATH}", bearer(faulty, wants="second"))
    assert await client.get_manifest(reference(faulty)) == MANIFEST


async def test_a_different_scope_in_the_challenge_is_remembered(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", bearer(faulty, scope="repository:vhost/team/app:pull"))
    faulty.on("GET /token", says(200, {"token": "token"}))
    client = connect()
    for _ in range(3):
        await client.get_manifest(reference(faulty))
    assert [asked.path for asked in faulty.asked] == [PATH, "/token", PATH, PATH, PATH]


async def test_a_second_challenge_is_answered_and_a_third_not(faulty: Faulty, connect: Connect) -> None:
    challenges = [
        says(401, WWW_Authenticate=f'Bearer realm="{faulty.url}/token",scope="repository:x:{number}"')
        for number in range(5)
    ]
    faulty.on(f"GET {PATH}", *challenges)
    faulty.on("GET /token", *(says(200, {"token": f"t{number}"}) for number in range(5)))
    with pytest.raises(Denied, match="it is private, or missing"):
        await connect().get_manifest(reference(faulty))
    assert faulty.times("GET", PATH) == 3


async def test_basic(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", basic())
    client = connect(logins={faulty.host: LOGIN})
    for _ in range(2):
        assert await client.get_manifest(reference(faulty)) == MANIFEST
    assert [asked.authorization for asked in faulty.asked] == [None, BASIC, BASIC]


async def test_a_wrong_password_is_tried_once_by_concurrent_requests(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", basic())
    client = connect(logins={faulty.host: ("robot$me", "wr0ng")})
    errors = await asyncio.gather(*(client.get_manifest(reference(faulty)) for _ in range(8)), return_exceptions=True)
    assert {type(error) for error in errors} == {LoginRefused}
    assert sum(asked.authorization is not None for asked in faulty.asked) == 1
    assert "the login of 'robot$me' was refused" in str(errors[0])
    assert "wr0ng" not in str(errors)


async def test_a_wrong_password_is_tried_once_for_all_repositories(faulty: Faulty, connect: Connect) -> None:
    names = [f"team/app{number}" for number in range(8)]
    for name in names:
        faulty.on(f"GET /v2/{name}/manifests/1", bearer(faulty, scope=f"repository:{name}:pull"))
    faulty.on("GET /token", says(401))
    client = connect(logins={faulty.host: LOGIN})
    calls = (client.get_manifest(reference(faulty, name)) for name in names)
    assert {type(error) for error in await asyncio.gather(*calls, return_exceptions=True)} == {LoginRefused}
    assert faulty.times("GET", "/token") == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_server_refuses_the_login_once(faulty: Faulty, connect: Connect, status: int) -> None:
    faulty.on(f"GET {PATH}", bearer(faulty))
    faulty.on("GET /token", says(status, {"details": "incorrect username or password"}))
    client = connect(logins={faulty.host: LOGIN})
    errors = await asyncio.gather(*(client.get_manifest(reference(faulty)) for _ in range(8)), return_exceptions=True)
    assert {type(error) for error in errors} == {LoginRefused}
    before = len(faulty.asked)
    for call in (
        client.get_manifest(reference(faulty)),
        client.credential_for_engine(faulty.host),
        client.log_in(faulty.host),
    ):
        with pytest.raises(LoginRefused, match="incorrect username or password"):
            await call
    assert len(faulty.asked) == before
    assert faulty.times("GET", "/token") == (1 if status == 401 else 2)


async def test_a_refused_login_is_tried_again_after_a_change_or_when_forgotten(
    faulty: Faulty, connect: Connect, clock: ManualClock
) -> None:
    faulty.on(f"GET {PATH}", basic())
    client = connect(logins={faulty.host: ("robot$me", "wrong")})
    for _ in range(2):
        with pytest.raises(LoginRefused):
            await client.get_manifest(reference(faulty))
        client.forget_refusals(faulty.host)
    assert sum(asked.authorization is not None for asked in faulty.asked) == 2
    known = await client.login_fingerprint(faulty.host)
    assert await client.matches(faulty.host, known)
    client.configure(hosts={}, credentials=credentials(clock, {faulty.host: LOGIN}))
    assert not await client.matches(faulty.host, known)
    assert await client.get_manifest(reference(faulty)) == MANIFEST


async def test_a_token_without_the_scope_is_denied_access_not_a_refused_login(faulty: Faulty, connect: Connect) -> None:
    faulty.on(
        f"GET {PATH}", says(401, WWW_Authenticate=f'Bearer realm="{faulty.url}/token",error="insufficient_scope"')
    )
    faulty.on("GET /token", says(200, {"token": "less"}))
    client = connect(logins={faulty.host: LOGIN})
    with pytest.raises(Denied, match=r"robot\$me may not read it"):
        await client.get_manifest(reference(faulty))
    assert await client.credential_for_engine(faulty.host) == {"username": "robot$me", "password": "s3cr3t"}


async def test_a_registry_that_refuses_its_own_tokens_refuses_the_login(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", bearer(faulty, wants="never"))
    faulty.on("GET /token", says(200, {"token": "token"}))
    with pytest.raises(LoginRefused):
        await connect(logins={faulty.host: LOGIN}).get_manifest(reference(faulty))
    assert faulty.times("GET", "/token") == 1


async def test_an_anonymous_read_is_denied_and_an_anonymous_push_a_missing_login(
    faulty: Faulty, connect: Connect
) -> None:
    for method in ("GET", "PUT"):
        faulty.on(f"{method} {PATH}", basic())
    client = connect()
    with pytest.raises(Denied, match="docker login"):
        await client.get_manifest(reference(faulty))
    with pytest.raises(LoginRefused, match="there is none"):
        await client.put_manifest(reference(faulty), MANIFEST)
    with pytest.raises(LoginRefused):
        await connect(targets=frozenset({faulty.host})).get_manifest(reference(faulty))


async def test_a_push_requests_the_push_scope(faulty: Faulty, connect: Connect) -> None:
    stored = says(201, Docker_Content_Digest=MANIFEST.digest)
    faulty.on(f"PUT {PATH}", bearer(faulty, answer=stored, scope="repository:team/app:pull,push"))
    faulty.on("GET /token", says(200, {"token": "token"}))
    put = await connect(logins={faulty.host: LOGIN}).put_manifest(reference(faulty), MANIFEST)
    assert put.digest == MANIFEST.digest
    assert faulty.asked[1].query["scope"] == "repository:team/app:pull,push"
    assert (faulty.asked[2].body, faulty.asked[2].headers["Content-Type"]) == (BODY, OCI_MANIFEST)


async def test_a_429_of_the_token_server_holds_the_registry(
    faulty: Faulty, connect: Connect, clock: ManualClock
) -> None:
    faulty.on(f"GET {PATH}", bearer(faulty))
    faulty.on("GET /token", says(429, Retry_After="300"))
    client = connect()
    with pytest.raises(RateLimited):
        await client.get_manifest(reference(faulty))
    held = client.held_until(faulty.host)
    assert held is not None
    assert (held - clock.now()).total_seconds() == 300


async def test_a_redirect_does_not_take_the_password_along(faulty: Faulty, elsewhere: Faulty, connect: Connect) -> None:
    moved = says(307, Location=f"{elsewhere.url}/signed?sig=a%2Bb%3D")
    faulty.on(f"GET {PATH}", basic(moved))
    elsewhere.on("GET /signed", FOUND)
    assert await connect(logins={faulty.host: LOGIN}).get_manifest(reference(faulty)) == MANIFEST
    assert elsewhere.asked[0].authorization is None
    assert elsewhere.asked[0].query == {"sig": "a+b="}


async def test_a_redirect_on_the_same_origin_takes_the_password_along(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", basic(says(302, Location="/elsewhere")))
    faulty.on("GET /elsewhere", basic())
    assert await connect(logins={faulty.host: LOGIN}).get_manifest(reference(faulty)) == MANIFEST


async def test_after_a_redirect_the_token_is_anonymous(faulty: Faulty, elsewhere: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", basic(says(307, Location=f"{elsewhere.url}{PATH}")))
    elsewhere.on(f"GET {PATH}", bearer(elsewhere))
    elsewhere.on("GET /token", says(200, {"token": "token"}))
    assert await connect(logins={faulty.host: LOGIN}).get_manifest(reference(faulty)) == MANIFEST
    assert [asked.authorization for asked in elsewhere.asked] == [None, None, "Bearer token"]


async def test_after_a_redirect_basic_gets_no_password(faulty: Faulty, elsewhere: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", basic(says(307, Location=f"{elsewhere.url}{PATH}")))
    elsewhere.on(f"GET {PATH}", basic())
    client = connect(logins={faulty.host: LOGIN, elsewhere.host: LOGIN})
    with pytest.raises(Denied):
        await client.get_manifest(reference(faulty))
    assert {asked.authorization for asked in elsewhere.asked} == {None}
    assert await client.credential_for_engine(faulty.host) is not None


async def test_a_mirror_does_not_get_the_hubs_password(faulty: Faulty, connect: Connect) -> None:
    login = json.dumps({"auths": {"https://index.docker.io/v1/": {"username": "hub", "password": "s3cr3t"}}})
    client = connect(
        hosts={"docker.io": RegistryOptions(endpoint=faulty.url)}, environment={"DOCKER_AUTH_CONFIG": login}
    )
    faulty.on("GET /v2/library/nginx/manifests/1", basic())
    with pytest.raises(Denied):
        await client.get_manifest(Repository("docker.io", "library/nginx").tagged("1"))
    assert {asked.authorization for asked in faulty.asked} == {None}
    assert await client.credential_for_engine("docker.io") is None
    assert client.host_for_engine("docker.io") == faulty.host
    found = await client.credential_for_api("docker.io")
    assert found is not None
    assert found.username == "hub"


@pytest.mark.parametrize(
    ("answer", "login", "says_what"),
    [
        (says(200, {}), None, "{host} answers, without a login"),
        (says(200, {}), LOGIN, "{host} answers and asks for no login: that of robot$me was not tried"),
        (basic(says(200, {})), LOGIN, "logged in to {host} as robot$me"),
        (basic(says(200, {})), None, "{host} answers; no login is set up, so only what is public can be read"),
    ],
)
async def test_log_in(faulty: Faulty, connect: Connect, answer: Handler, login: Any, says_what: str) -> None:
    faulty.on("GET /v2/", answer)
    sentence = await connect(logins={faulty.host: login} if login else {}).log_in(faulty.host)
    assert sentence == says_what.format(host=faulty.host)
