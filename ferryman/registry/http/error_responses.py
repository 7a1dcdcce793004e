"""What an answer that is no success means: one error of the program, in one sentence.

Source: distribution specification, "Error Codes". What an answer means is decided by the table in `classify.py`;
its body is quoted here, as `quoted` does it.
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
from ferryman.registry.http.messages import Answer, RequestSpec

_QUOTED = 300  # characters of a body
_READ = 4096  # characters of it that are looked at: a signed URL may stand before what matters
_PAUSE = timedelta(seconds=60)  # what "too many requests" means where nothing more is said
_LONGEST_PAUSE = timedelta(days=1)
_TARGET_LOGIN = "TARGET_USER and TARGET_PASSWORD"
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
# What signs a URL stands in its query. The query of one without a host is known by its "=".
_QUERY = re.compile(r"(?P<url>://[^\s\"'<>?#]*+)[?#][^\s\"'<>]*|\?[^\s\"'<>?=]*+=[^\s\"'<>]*")
_GHCR_WAIT = re.compile(r"retry-after:\s*((?:[0-9.]+(?:h|ms|m|µs|μs|us|ns|s))+)")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|µs|μs|us|ns|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ns": 1e-9}


def refusal(spec: RequestSpec, answer: Answer, *, now: datetime) -> TransferError:
    """The error for any answer that is no success, with its status and codes."""
    kind = classify(answer.status, _told_codes(answer), _phase(spec))
    if kind is Denied or (kind is Unreachable and answer.status == HTTPStatus.FORBIDDEN):
        return denied(spec, answer, account=None)
    error = _refusal(spec, answer, kind, now=now)
    error.status, error.codes = answer.status, error_codes(answer)
    return error


def _phase(spec: RequestSpec) -> Phase:
    if not spec.pushes:
        return "read"
    return "manifest" if "/manifests/" in spec.request.url.raw_path else "upload"


def _refusal(spec: RequestSpec, answer: Answer, kind: type[TransferError], *, now: datetime) -> TransferError:
    name, status = spec.host.name, answer.status
    about = f"{spec.speaker(answer.url)}: {spec.thing}"
    said = _said(answer)
    if kind is RateLimited:
        until = retry_at(answer, now=now) or now + _PAUSE
        message = f"{about}: too many requests{said}; asks to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC"
        return RateLimited(message, registry=spec.place, retry_at=until)
    if kind is Unreachable:
        return Unreachable(f"{about}: answered {status}{said}", registry=name, retry_at=retry_at(answer, now=now))
    if kind is NotFound:
        return NotFound(f"{about} not found{said}{_must_exist(spec)}", registry=name, reported=said)
    if status >= HTTPStatus.BAD_REQUEST:
        return kind(f"{about}: answered {status}{said}", registry=name, reported=f"{status}{said}")
    return kind(f"{about}: answered {status} where content was expected", registry=name)


def denied(spec: RequestSpec, answer: Answer, *, account: str | None, elsewhere: bool = False) -> TransferError:
    """The error for a 401 or 403 that no login mends. `account` None: asked as a stranger.

    `elsewhere`: it comes from a host that the registry redirected to.
    """
    error = _denied(spec, answer, account=account, elsewhere=elsewhere)
    error.status, error.codes = answer.status, error_codes(answer)
    return error


def _denied(spec: RequestSpec, answer: Answer, *, account: str | None, elsewhere: bool) -> TransferError:
    name = spec.host.name
    about = f"{spec.speaker(answer.url)}: {spec.thing}"
    said = _said(answer)
    kind = classify(answer.status, _told_codes(answer), "elsewhere" if elsewhere else "read")
    if kind is Unreachable:
        what = "storage that it redirected to refuses" if elsewhere else "by something before the registry"
        return Unreachable(f"{about}: answered {answer.status}, {what}{said}", registry=name)
    mend = _login_for(spec)
    if account is not None:
        may_not = "may not push to it" if spec.pushes else "may not read it"
        return Denied(f"{about}: {account} {may_not}{said}{_must_exist(spec)}", registry=name, reported=said)
    if spec.needs_login and answer.status == HTTPStatus.UNAUTHORIZED:
        return LoginRefused(f"{about}: a login is wanted and there is none{said}: {mend}", registry=name)
    return Denied(
        f"{about}: denied{said}: it is private, or missing; if it is private, {mend}", registry=name, reported=said
    )


def login_refused(spec: RequestSpec, answer: Answer, *, account: str) -> LoginRefused:
    """The error for credentials that were presented and not taken."""
    about = spec.speaker(answer.url)
    mend = f": check {_TARGET_LOGIN}, `registries:` in items.yml, or `docker login`" if spec.needs_login else ""
    message = f"{about}: the login of {account!r} was refused{_said(answer)}{mend}"
    return LoginRefused(message, registry=spec.host.name)


def _login_for(spec: RequestSpec) -> str:
    """How to give the registry a login, as it reads in an error."""
    name = spec.host.name
    mend = f"give {name} a username and password under `registries:` in items.yml, or run `docker login {name}`"
    return f"set {_TARGET_LOGIN}, or {mend}" if spec.needs_login else mend


def is_refusal(answer: Answer) -> bool:
    """Whether it is a 401 or 403 of the server itself: a firewall before it answers with a web page."""
    refused = answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    return refused and classify(answer.status, _told_codes(answer), "read") is Denied


def is_limit(answer: Answer) -> bool:
    """Whether the registry says that it was asked too often."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    failed = answer.status >= HTTPStatus.BAD_REQUEST
    return failed and any(error.get("code") == "TOOMANYREQUESTS" for error in _errors(answer))


def error_codes(answer: Answer) -> frozenset[str]:
    """The codes of the distribution specification that the body names."""
    return frozenset(code for error in _errors(answer) for code in _strings(error, "code"))


def _told_codes(answer: Answer) -> frozenset[str]:
    """The codes, or that the body is a web page."""
    codes = error_codes(answer)
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return codes if codes or kind not in _PAGES else frozenset({WEB_PAGE})


def retry_at(answer: Answer, *, now: datetime) -> datetime | None:
    """When the registry wants to be asked again: seconds, a date, unix time, or a message. At most a day off."""
    headers = answer.headers
    try:
        moment = _unix(headers.get("X-Retry-After")) or _after(headers.get("Retry-After"), now) or _told(answer, now)
    except (ValueError, OverflowError, OSError):
        return None
    return None if moment is None else min(max(moment, now), now + _LONGEST_PAUSE)


def quoted(text: str) -> str:
    """What a stranger wrote, fit for one line of a log: cut, and without control characters and URLs' queries."""
    line = _QUERY.sub(r"\g<url>", _CONTROL.sub(" ", text[:_READ])).strip()
    return line if len(line) <= _QUOTED else f"{line[:_QUOTED]}…"


def _said(answer: Answer) -> str:
    """What the body tells, as " (…)"; empty where it tells nothing."""
    told = filter(None, map(_sentence, _errors(answer)))
    text = quoted("; ".join(told) or answer.body[: 4 * _QUOTED].decode(errors="replace"))
    return f" ({text})" if text else ""


def _sentence(error: dict[str, Any]) -> str:
    """Code, message and detail: many registries have the reason in the detail alone."""
    parts = [part for part in _strings(error, "code", "message") if part]
    detail = error.get("detail")
    text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False) if detail else ""
    if text and text not in parts:
        parts.append(text)
    return ": ".join(parts)


def _errors(answer: Answer) -> Iterator[dict[str, Any]]:
    """The errors of a distribution registry; of another server, what looks like one."""
    try:
        document = json.loads(answer.body)
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


def _told(answer: Answer, now: datetime) -> datetime | None:
    """ghcr: `retry-after: 880µs, allowed: 44000/minute` in the error's message."""
    found = _GHCR_WAIT.search(_said(answer))
    if found is None:
        return None
    return now + timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(found[1])))


def _must_exist(spec: RequestSpec) -> str:
    if not spec.pushes:
        return ""
    return "; some registries want the repository, or its project or namespace, to be created first"
