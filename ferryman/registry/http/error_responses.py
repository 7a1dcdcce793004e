"""Turns an unsuccessful answer into an error: class by the table in `classify.py`, sentence and `Retry-After` here.

Source: distribution specification, "Error Codes". Bodies are quoted without secrets (`quoted`).
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from ferryman.errors import (
    Denied,
    LoginRefused,
    NotFound,
    RateLimited,
    TransferError,
    Unreachable,
)
from ferryman.registry.http.classify import WEB_PAGE, Phase, classify
from ferryman.registry.http.messages import RequestSpec, Response

_QUOTED = 300  # characters of a body in an error
_READ = 4096  # characters that are searched: a long signed URL may precede the reason
_PAUSE = timedelta(seconds=60)  # the hold for a 429 without Retry-After
_LONGEST_PAUSE = timedelta(days=1)
_TARGET_LOGIN = "TARGET_USER and TARGET_PASSWORD"
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
# The signature of a URL is in its query. In a URL without a host, the query is recognised by its "=".
_QUERY = re.compile(r"(?P<url>://[^\s\"'<>?#]*+)[?#][^\s\"'<>]*|\?[^\s\"'<>?=]*+=[^\s\"'<>]*")
_GHCR_WAIT = re.compile(r"retry-after:\s*((?:[0-9.]+(?:h|ms|m|µs|μs|us|ns|s))+)")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|µs|μs|us|ns|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ns": 1e-9}


def refusal(spec: RequestSpec, response: Response, *, now: datetime) -> TransferError:
    """The error for an unsuccessful answer, with its status and codes."""
    kind = classify(response.status, _codes_or_page(response), _phase(spec))
    if kind is Denied or (kind is Unreachable and response.status == HTTPStatus.FORBIDDEN):
        return denied(spec, response, account=None)
    error = _refusal(spec, response, kind, now=now)
    error.status, error.codes = response.status, error_codes(response)
    return error


def _phase(spec: RequestSpec) -> Phase:
    if not spec.pushes:
        return "read"
    return "manifest" if "/manifests/" in spec.request.url.raw_path else "upload"


def _refusal(spec: RequestSpec, response: Response, kind: type[TransferError], *, now: datetime) -> TransferError:
    name, status = spec.host.name, response.status
    about = f"{spec.answered_by(response.url)}: {spec.subject}"
    reported = _message_of(response)
    if kind is RateLimited:
        until = retry_at(response, now=now) or now + _PAUSE
        message = f"{about}: too many requests{reported}; retry after {until:%Y-%m-%d %H:%M:%S} UTC"
        return RateLimited(message, registry=spec.rate_limited_host, retry_at=until)
    if kind is Unreachable:
        return Unreachable(f"{about}: answered {status}{reported}", registry=name, retry_at=retry_at(response, now=now))
    if kind is NotFound:
        return NotFound(f"{about} not found{reported}{_must_exist(spec)}", registry=name, reported=reported)
    if status >= HTTPStatus.BAD_REQUEST:
        return kind(f"{about}: answered {status}{reported}", registry=name, reported=f"{status}{reported}")
    return kind(f"{about}: answered {status} where content was expected", registry=name)


def denied(spec: RequestSpec, response: Response, *, account: str | None, elsewhere: bool = False) -> TransferError:
    """The error for a final 401 or 403. `account` None: the request was anonymous.

    `elsewhere`: it comes from a host that the registry redirected to.
    """
    error = _denied(spec, response, account=account, elsewhere=elsewhere)
    error.status, error.codes = response.status, error_codes(response)
    return error


def _denied(spec: RequestSpec, response: Response, *, account: str | None, elsewhere: bool) -> TransferError:
    name = spec.host.name
    about = f"{spec.answered_by(response.url)}: {spec.subject}"
    reported = _message_of(response)
    kind = classify(response.status, _codes_or_page(response), "elsewhere" if elsewhere else "read")
    if kind is Unreachable:
        what = "storage that it redirected to refuses" if elsewhere else "by something before the registry"
        return Unreachable(f"{about}: answered {response.status}, {what}{reported}", registry=name)
    hint = _login_for(spec)
    if account is not None:
        may_not = "may not push to it" if spec.pushes else "may not read it"
        return Denied(f"{about}: {account} {may_not}{reported}{_must_exist(spec)}", registry=name, reported=reported)
    if spec.needs_login and response.status == HTTPStatus.UNAUTHORIZED:
        return LoginRefused(f"{about}: a login is wanted and there is none{reported}: {hint}", registry=name)
    return Denied(
        f"{about}: denied{reported}: it is private, or missing; if it is private, {hint}",
        registry=name,
        reported=reported,
    )


def login_refused(spec: RequestSpec, response: Response, *, account: str) -> LoginRefused:
    """The error for a login that was refused."""
    about = spec.answered_by(response.url)
    hint = f": check {_TARGET_LOGIN}, `registries:` in items.yml, or `docker login`" if spec.needs_login else ""
    message = f"{about}: the login of {account!r} was refused{_message_of(response)}{hint}"
    return LoginRefused(message, registry=spec.host.name)


def _login_for(spec: RequestSpec) -> str:
    """The hint on how to configure a login for the registry."""
    name = spec.host.name
    hint = f"give {name} a username and password under `registries:` in items.yml, or run `docker login {name}`"
    return f"set {_TARGET_LOGIN}, or {hint}" if spec.needs_login else hint


def is_refusal(response: Response) -> bool:
    """Whether it is a 401 or 403 of the server itself, not of a firewall before it, which answers with a web page."""
    refused = response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    return refused and classify(response.status, _codes_or_page(response), "read") is Denied


def is_limit(response: Response) -> bool:
    """Whether it is a rate limit: 429, or the code TOOMANYREQUESTS."""
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    failed = response.status >= HTTPStatus.BAD_REQUEST
    return failed and any(error.get("code") == "TOOMANYREQUESTS" for error in _errors(response))


def error_codes(response: Response) -> frozenset[str]:
    """The error codes of the distribution specification in the body."""
    return frozenset(code for error in _errors(response) for code in _strings(error, "code"))


def _codes_or_page(response: Response) -> frozenset[str]:
    """The error codes, or WEB_PAGE for HTML."""
    codes = error_codes(response)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return codes if codes or kind not in _PAGES else frozenset({WEB_PAGE})


def retry_at(response: Response, *, now: datetime) -> datetime | None:
    """The moment of `Retry-After`: seconds, a date, Unix time, or ghcr's message. At most a day away; None: none."""
    headers = response.headers
    try:
        moment = _unix(headers.get("X-Retry-After")) or _after(headers.get("Retry-After"), now)
        moment = moment or _ghcr_retry_after(response, now)
    except (ValueError, OverflowError, OSError):
        return None
    return None if moment is None else min(max(moment, now), now + _LONGEST_PAUSE)


def quoted(text: str) -> str:
    """Text of a server, made fit for a log line: cut, without control characters and without queries of URLs."""
    line = _QUERY.sub(r"\g<url>", _CONTROL.sub(" ", text[:_READ])).strip()
    return line if len(line) <= _QUOTED else f"{line[:_QUOTED]}…"


def _message_of(response: Response) -> str:
    """The message in the body, as " (…)"; empty if there is none."""
    sentences = filter(None, map(_sentence, _errors(response)))
    text = quoted("; ".join(sentences) or response.body[: 4 * _QUOTED].decode(errors="replace"))
    return f" ({text})" if text else ""


def _sentence(error: dict[str, Any]) -> str:
    """Code, message and detail: in many registries only the detail has the reason."""
    parts = [part for part in _strings(error, "code", "message") if part]
    detail = error.get("detail")
    text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False) if detail else ""
    if text and text not in parts:
        parts.append(text)
    return ": ".join(parts)


def _errors(response: Response) -> Iterator[dict[str, Any]]:
    """The errors in the body by the distribution specification, or what looks like a message of another server."""
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    errors = document.get("errors")
    if isinstance(errors, list):
        yield from (error for error in errors if isinstance(error, dict))
        return
    for key in ("message", "details", "detail", "error_message", "error_description", "error"):
        if isinstance(document.get(key), str):
            yield {"message": document[key]}
            return


def _strings(error: dict[str, Any], *keys: str) -> Iterator[str]:
    return (value for key in keys if isinstance(value := error.get(key), str))


def _unix(header: str | None) -> datetime | None:
    return None if header is None else datetime.fromtimestamp(float(header), UTC)


def _after(header: str | None, now: datetime) -> datetime | None:
    if header is None:
        return None
    if header.strip().isdigit():
        return now + timedelta(seconds=min(int(header), _LONGEST_PAUSE.total_seconds()))
    moment = parsedate_to_datetime(header)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ghcr_retry_after(response: Response, now: datetime) -> datetime | None:
    """ghcr: `retry-after: 880µs, allowed: 44000/minute` in the error's message."""
    found = _GHCR_WAIT.search(_message_of(response))
    if found is None:
        return None
    return now + timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(found[1])))


def _must_exist(spec: RequestSpec) -> str:
    if not spec.pushes:
        return ""
    return "; some registries want the repository, or its project or namespace, to be created first"
