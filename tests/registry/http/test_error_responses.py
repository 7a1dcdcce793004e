"""Unsuccessful answers, as errors."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ferryman.errors import (
    Denied,
    LoginRefused,
    NotFound,
    RateLimited,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)
from ferryman.registry.hosts import Host
from ferryman.registry.http.error_responses import denied, login_refused, refusal, retry_at
from ferryman.registry.http.messages import Request, RequestSpec, Response
from ferryman.registry_options import RegistryOptions

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
URL_WITH_TOKEN = URL("https://registry-1.docker.io/v2/a/b/manifests/1?token=s3cr3t")
SPEC = RequestSpec(Host.resolve("docker.io", RegistryOptions()), Request("GET", URL_WITH_TOKEN), "manifest a/b:1")
PUSH = RequestSpec(SPEC.host, Request("PUT", URL_WITH_TOKEN), "manifest a/b:1", pushes=True, needs_login=True)


def answer(status: int, body: Any = b"", **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = CIMultiDict({key.replace("_", "-"): value for key, value in headers.items()})
    return Response(status, URL_WITH_TOKEN, CIMultiDictProxy(named), raw)


def coded(code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message, "detail": {}}]}


@pytest.mark.parametrize(
    ("got", "kind"),
    [
        (answer(404, coded("MANIFEST_UNKNOWN", "manifest unknown")), NotFound),
        (answer(410), NotFound),
        (answer(403, coded("DENIED", "denied")), Denied),
        (answer(401), Denied),
        (answer(451), Denied),
        (answer(429), RateLimited),
        (answer(403, coded("TOOMANYREQUESTS", "slow down")), RateLimited),
        (answer(500), Unreachable),
        (answer(503), Unreachable),
        (answer(408), Unreachable),
        (answer(400, coded("TAG_INVALID", "immutable")), Unsupported),
        (answer(413), Unsupported),
        (answer(302), WrongContent),
    ],
)
def test_kinds(got: Response, kind: type[TransferError]) -> None:
    error = refusal(SPEC, got, now=NOW)
    assert type(error) is kind
    assert str(error).startswith("docker.io (registry-1.docker.io): manifest a/b:1")
    assert "s3cr3t" not in str(error)
    assert error.registry == "docker.io"


def test_a_message_quotes_the_registrys_message() -> None:
    assert "(MANIFEST_UNKNOWN: manifest unknown)" in str(
        refusal(SPEC, answer(404, coded("MANIFEST_UNKNOWN", "manifest unknown")), now=NOW)
    )
    assert "(page too deep)" in str(refusal(SPEC, answer(403, {"message": "page too deep"}), now=NOW))


def test_a_message_is_cut_and_on_one_line() -> None:
    message = str(refusal(SPEC, answer(500, b"a\r\nb\x1b[31m\x00" + b"x" * 5000), now=NOW))
    assert "(a b [31m x" in message
    assert len(message) < 450
    assert message.isprintable()


@given(st.binary(max_size=2000))
def test_any_body_makes_a_printable_message(body: bytes) -> None:
    message = str(refusal(SPEC, answer(500, body), now=NOW))
    assert "\n" not in message
    assert "\x1b" not in message


def test_a_401_means_different_things_with_and_without_a_login() -> None:
    anonymous = denied(SPEC, answer(401), account=None)
    assert type(anonymous) is Denied
    assert "docker login docker.io" in str(anonymous)
    pushing = denied(PUSH, answer(401), account=None)
    assert type(pushing) is LoginRefused
    assert "set TARGET_USER and TARGET_PASSWORD, or give docker.io a username" in str(pushing)
    assert "TARGET_USER" not in str(anonymous)
    known = denied(PUSH, answer(401), account="robot")
    assert type(known) is Denied
    assert "robot may not push to it" in str(known)
    assert "created first" in str(known)


@pytest.mark.parametrize(
    ("got", "seconds"),
    [
        (answer(429, Retry_After="120"), 120),
        (answer(429, Retry_After="Fri, 01 May 2026 12:00:30 GMT"), 30),
        (answer(429, X_Retry_After=str(int(NOW.timestamp()) + 45), Retry_After="1"), 45),
        (answer(429, coded("TOOMANYREQUESTS", "retry-after: 880µs, allowed: 44000/minute")), 0.00088),
        (answer(429, coded("TOOMANYREQUESTS", "retry-after: 1m2.5s, allowed: 1/minute")), 62.5),
        (answer(429, Retry_After="Fri, 01 May 2020 12:00:30 GMT"), 0),
        (answer(429, Retry_After="999999999999999999999"), 86400),
        (answer(429, Retry_After="Fri, 01 May 2099 12:00:30 GMT"), 86400),
    ],
)
def test_retry_after(got: Response, seconds: float) -> None:
    assert retry_at(got, now=NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("header", ["soon", "", "1e400", "²"])
def test_a_malformed_retry_after_is_ignored(header: str) -> None:
    assert retry_at(answer(429, Retry_After=header), now=NOW) is None
    assert retry_at(answer(429, X_Retry_After=header), now=NOW) is None


def test_a_429_without_retry_after_means_a_minute() -> None:
    assert refusal(SPEC, answer(429), now=NOW).retry_at == NOW + timedelta(minutes=1)


def test_a_refused_login_of_a_target_names_its_source() -> None:
    assert "check TARGET_USER and TARGET_PASSWORD" in str(login_refused(PUSH, answer(401), account="me"))
    assert "TARGET_USER" not in str(login_refused(SPEC, answer(401), account="me"))


@pytest.mark.parametrize(
    ("detail", "quoted"),
    [
        ("media type is not allowed", "manifest invalid: media type is not allowed"),
        ({"reason": "quota", "limit": 5}, 'manifest invalid: {"reason": "quota", "limit": 5}'),
        ([{"Type": "repository"}], 'manifest invalid: [{"Type": "repository"}]'),
        ("see https://cdn.example/x?token=s3cr3t\x1b[31m now", "manifest invalid: see https://cdn.example/x"),
        ("manifest invalid", "(MANIFEST_INVALID: manifest invalid)"),
        ({}, "(MANIFEST_INVALID: manifest invalid)"),
        (None, "(MANIFEST_INVALID: manifest invalid)"),
        ("x" * 5000, "…"),
    ],
)
def test_a_message_quotes_the_detail(detail: Any, quoted: str) -> None:
    body = {"errors": [{"code": "MANIFEST_INVALID", "message": "manifest invalid", "detail": detail}]}
    error = refusal(PUSH, answer(400, body), now=NOW)
    assert quoted in str(error)
    assert quoted.strip("()") in error.reported
    assert "s3cr3t" not in str(error)
    assert len(str(error)) < 450
    assert (error.status, error.codes) == (400, frozenset({"MANIFEST_INVALID"}))


def test_a_403_with_a_web_page_is_not_from_the_registry() -> None:
    page = answer(403, b"<html>Request blocked</html>", Content_Type="text/html; charset=UTF-8")
    for error in (refusal(SPEC, page, now=NOW), denied(SPEC, page, account="robot")):
        assert type(error) is Unreachable
        assert "by something before the registry" in str(error)


def test_a_403_of_storage_is_not_from_the_registry() -> None:
    refused = answer(403, b"<Error><Code>AccessDenied</Code></Error>", Content_Type="application/xml")
    assert type(denied(SPEC, refused, account=None, elsewhere=True)) is Unreachable
    assert type(denied(SPEC, refused, account=None)) is Denied
    named = answer(403, coded("DENIED", "may not exist"))
    assert type(denied(SPEC, named, account=None, elsewhere=True)) is Denied
