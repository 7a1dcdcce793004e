"""Token authentication, without a server."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ferryman.errors import Denied, LoginRefused, RateLimited, TransferError, Unreachable, Unsupported, WrongContent
from ferryman.registry.auth.challenge import Challenge
from ferryman.registry.auth.credential import Credential
from ferryman.registry.auth.handshake import Handshake, choose, token_handshake
from ferryman.registry.auth.tokens import Grant
from ferryman.registry.hosts import Host
from ferryman.registry.http.messages import Request, RequestSpec, Response
from ferryman.registry_options import RegistryOptions
from tests.support.clock import ManualClock

AT = URL("https://registry.example/v2/a/b/manifests/1")
SPEC = RequestSpec(Host.resolve("registry.example", RegistryOptions()), Request("GET", AT), "manifest a/b:1")
ROBOT = Credential("ns+robot", "s3cr3t:with:colons")
IDENTITY = Credential("<token>", "refresh-me", is_identity_token=True)


def handshake(
    realm: str = "https://auth.example/token",
    service: str | None = "registry.example",
    scopes: tuple[str, ...] = ("repository:a/b:pull",),
    credential: Credential | None = None,
) -> Handshake:
    challenge = Challenge("bearer", {"realm": realm} | ({"service": service} if service else {}))
    return token_handshake(SPEC, challenge, at=AT, scopes=scopes, credential=credential, clock=ManualClock())


def answer(status: int, body: Any = None, **headers: str) -> Response:
    return Response(
        status, URL("https://auth.example/token"), CIMultiDictProxy(CIMultiDict(headers)), json.dumps(body).encode()
    )


def finish(going: Handshake, last: Response) -> Grant:
    with pytest.raises(StopIteration) as finished:
        going.send(last)
    granted: Grant = finished.value.value
    return granted


def query(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(request.url.raw_query_string)


def test_an_anonymous_request_has_no_login() -> None:
    going = handshake()
    request = next(going)
    assert (request.method, str(request.url.with_query(None))) == ("GET", "https://auth.example/token")
    assert query(request) == [("service", "registry.example"), ("scope", "repository:a/b:pull")]
    assert "Authorization" not in request.headers
    assert finish(going, answer(200, {"token": "t"})) == Grant("t", timedelta(seconds=60))


def test_a_login_is_sent_as_basic_with_one_parameter_a_scope() -> None:
    request = next(handshake(scopes=("repository:a/b:pull", "repository:c/d:pull"), credential=ROBOT))
    assert [value for key, value in query(request) if key == "scope"] == ["repository:a/b:pull", "repository:c/d:pull"]
    packed = request.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(packed) == b"ns+robot:s3cr3t:with:colons"


def test_a_realm_keeps_its_query_and_colons_are_encoded() -> None:
    request = next(handshake("https://auth.example/t?tenant=7&service=old", "registry.aliyuncs.com:cn-shenzhen:26842"))
    assert query(request)[:2] == [("tenant", "7"), ("service", "registry.aliyuncs.com:cn-shenzhen:26842")]
    assert "registry.aliyuncs.com%3Acn-shenzhen%3A26842" in request.url.raw_query_string


def test_a_relative_realm_is_at_the_registry() -> None:
    assert str(next(handshake("/service/token", None, ())).url).startswith("https://registry.example/service/token")


@pytest.mark.parametrize("realm", ["http://auth.example/token", "gopher://x", "mailto:x"])
def test_a_realm_that_must_not_get_a_password(realm: str) -> None:
    with pytest.raises(Unsupported, match=r"^registry\.example: "):
        next(handshake(realm, credential=ROBOT))


def test_an_identity_token_is_posted() -> None:
    going = handshake(credential=IDENTITY)
    request = next(going)
    assert request.method == "POST"
    assert isinstance(request.body, bytes)
    assert dict(parse_qsl(request.body.decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-me",
        "client_id": "ferryman",
        "service": "registry.example",
        "scope": "repository:a/b:pull",
    }
    assert finish(going, answer(200, {"access_token": "t", "expires_in": 300})) == Grant("t", timedelta(seconds=300))


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_an_identity_token_falls_back_to_get(status: int) -> None:
    going = handshake(credential=IDENTITY)
    next(going)
    request = going.send(answer(status))
    assert request.method == "GET"
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'<token>:refresh-me').decode()}"


@pytest.mark.parametrize(
    ("status", "credential", "error"),
    [
        (401, ROBOT, LoginRefused),
        (401, None, Denied),
        (403, None, Denied),
        (429, ROBOT, RateLimited),
        (503, ROBOT, Unreachable),
        (404, ROBOT, Unsupported),
        (307, ROBOT, WrongContent),
    ],
)
def test_refusals(status: int, credential: Credential | None, error: type[TransferError]) -> None:
    going = handshake(credential=credential)
    next(going)
    with pytest.raises(error) as raised:
        going.send(answer(status, {"details": "incorrect username or password"}))
    assert "registry.example" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize(("alone", "error"), [(403, LoginRefused), (401, LoginRefused), (200, Denied)])
def test_a_403_is_retried_without_a_scope(alone: int, error: type[TransferError]) -> None:
    going = handshake(credential=ROBOT)
    next(going)
    again = going.send(answer(403))
    assert [key for key, _ in query(again)] == ["service"]
    with pytest.raises(error):
        going.send(answer(alone, {"token": "t"}))


@pytest.mark.parametrize("body", [[], {}, {"token": 3}, {"token": ""}, {"token": "a\r\nb"}, "x", None])
def test_answers_without_a_token(body: Any) -> None:
    going = handshake()
    next(going)
    with pytest.raises(WrongContent):
        going.send(answer(200, body))


@pytest.mark.parametrize(
    "body", [b"<html>sign in</html>", b"", b"\xff\xfe", b"[" * 200_000, b'{"token":"t","expires_in":' + b"9" * 5000]
)
def test_answers_without_json(body: bytes) -> None:
    going = handshake()
    next(going)
    with pytest.raises(WrongContent):
        going.send(replace(answer(200), body=body))


@pytest.mark.parametrize("lifetime", [None, 0, -5, "soon", 10**30, 1e300, float("nan"), float("-inf"), [], {}])
def test_a_missing_or_absurd_lifetime(lifetime: Any) -> None:
    going = handshake()
    next(going)
    assert finish(going, answer(200, {"token": "t", "expires_in": lifetime})).lifetime == timedelta(seconds=60)


def test_bearer_is_chosen_before_basic() -> None:
    bearer, plain = Challenge("bearer", {"realm": "https://x"}), Challenge("basic", {})
    assert choose([plain, bearer]) == bearer
    assert choose([Challenge("bearer", {}), plain]) == plain
    assert choose([Challenge("negotiate", {})]) is None


@pytest.mark.parametrize("body", ["<html>Request blocked</html>", {"errors": [{"code": "TOOMANYREQUESTS"}]}])
def test_a_firewall_or_a_rate_limit_is_no_refused_login(body: Any) -> None:
    going = handshake(credential=ROBOT)
    next(going)
    kind = "text/html" if isinstance(body, str) else "application/json"
    with pytest.raises((Unreachable, RateLimited)):
        going.send(answer(403, body, **{"Content-Type": kind}))
