"""Translates the Docker Engine's error messages into our error tree.

The text decides: the same failure comes as a status from one version and inside the stream from another. If the text
has only the registry's status, it is classified by the registry client's own table.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from ferryman.errors import (
    Denied,
    DiskFull,
    EngineUnavailable,
    LoginRefused,
    NoSuchPlatform,
    NotFound,
    RateLimited,
    TlsFailed,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)
from ferryman.registry.http.classify import Phase
from ferryman.registry.http.classify import classify as classify_status
from ferryman.registry.http.error_responses import quoted


class ImageGone(Unreachable):
    """Something else removed the image from the engine: pull it again."""


class NotUnpacked(Unreachable):
    """The engine has all layers with the right digests, but could not unpack one."""


@dataclass(frozen=True, slots=True)
class EngineOperation:
    """One pull or push, and the registry that its errors name."""

    action: Literal["pull", "push"]
    reference: str
    registry: str  # as written in items.yml: docker.io, even if the engine uses an endpoint
    timeout: float | None = None  # seconds that the registry's answers may take to begin; None: the default


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str  # a regular expression; case is ignored
    error: type[TransferError]
    hint: str
    action: Literal["pull", "push"] | None = None  # None: both
    blames_registry: bool = True


_URL = re.compile(r"\b[a-z]{1,9}://[^\s\"']+", re.IGNORECASE)
# "received unexpected HTTP status: 501 Not Implemented", "unexpected status from PUT request to https://…: 400 Bad
# Request", "error parsing HTTP 413 response body: …".
_STATUS = re.compile(r"(?:unexpected (?:http )?status\b.*?[: ]|error parsing http )([45][0-9]{2})\b", re.IGNORECASE)
_FAILED = "the registry failed; is its disk full?"
_LOGIN = "check the credentials of this registry: `registries:` in items.yml, TARGET_USER, or `docker login`"
_MAY_NOT_PUSH = "the credentials may not push there: check that the namespace exists and grant them the right to push"
_MAY_NOT_READ = "these credentials may not read it"
_CREATE = "create the repository at the target first: this registry does not do it by itself"
_GONE = "upstream no longer has it"
_TOO_MANY = "the registry limits the rate of requests"
_NOT_TAKEN = "the target does not take this image: is its size limited, or may the tag not be overwritten?"
_HINT_BY_STATUS_ERROR: dict[str, dict[type[TransferError], str]] = {
    "pull": {Denied: _MAY_NOT_READ, NotFound: _GONE, Unsupported: "the registry refuses the request"},
    "push": {Denied: _MAY_NOT_PUSH, NotFound: _CREATE, Unsupported: _NOT_TAKEN},
}

# The first rule that matches decides, so the particular stands before the general.
_RULES = (
    _Rule(
        r"http 403 response body: invalid character '<'",
        Unreachable,
        "something in front of the registry forbids it: a firewall, a network's login page",
    ),
    _Rule(r"toomanyrequests|too many requests", RateLimited, _TOO_MANY),
    _Rule(
        r"no space left on device",
        DiskFull,
        "the engine's disk is full: make room there, or lower FERRYMAN_CACHE_LIMIT",
        blames_registry=False,
    ),
    _Rule(
        r"does not exist locally|no such image|no such id",
        ImageGone,
        "something else removed the image from the engine",
        blames_registry=False,
    ),
    _Rule(
        r"client version .* is too (new|old)",
        EngineUnavailable,
        "the engine was replaced by one of another version",
        blames_registry=False,
    ),
    _Rule(
        r"pull access denied|requested resource is not authorized",
        Denied,
        "it does not exist, or these credentials may not read it",
        action="pull",
    ),
    _Rule(
        r"unauthorized to access|requested resource is not authorized",
        Denied,
        _MAY_NOT_PUSH,
        action="push",
    ),
    _Rule(
        r"unauthorized|incorrect username or password|no basic auth credentials|login attempt to",
        LoginRefused,
        _LOGIN,
    ),
    _Rule(
        r"tag invalid|immutable",
        Unsupported,
        "the target's tag may not be overwritten: allow it there, for the tags that change",
        action="push",
    ),
    _Rule(
        r"name unknown|repository .* (not found|does not exist)|project .* not found",
        NotFound,
        _CREATE,
        action="push",
    ),
    _Rule(
        r"no matching manifest|no match for platform|not match the specified platform|cannot be used on this platform",
        NoSuchPlatform,
        "the image is not made for a platform that this engine can carry",
    ),
    _Rule(
        r"unsupported media type|unsupported manifest|schema ?1|manifest\.v1|when fetching|unknown manifest class",
        Unsupported,
        "an engine carries container images only; Helm charts, other artifacts and schema 1 need the direct transport",
    ),
    _Rule(
        r"verification failed|digest mismatch|invalid checksum|unexpected commit digest",
        WrongContent,
        "the content does not match its digest",
    ),
    _Rule(
        r"failed to (register|extract) layer|invalid tar header|error processing tar file|mount callback failed",
        NotUnpacked,
        "it has all of the image and could not unpack it: its log says more",
        blames_registry=False,
    ),
    _Rule(
        r"http response to https client|does not look like a tls handshake",
        TlsFailed,
        "no TLS there; if the registry speaks plain HTTP, add it to `insecure-registries` in the engine's daemon.json",
    ),
    _Rule(
        r"certificate|x509|tls: (handshake failure|no supported versions|protocol version not supported)",
        TlsFailed,
        "the engine does not trust this registry: put its CA under /etc/docker/certs.d, or add it to "
        "`insecure-registries` in the engine's daemon.json",
    ),
    _Rule(
        r"layers from manifest don't match|invalid character .* in literal|parsing time",
        Unsupported,
        "upstream's image is broken: an engine cannot read its config",
        action="pull",
    ),
    _Rule(r"manifest unknown|name unknown|:[^:]+ not found: ", NotFound, _GONE, action="pull"),
    _Rule(r"manifest invalid", Unsupported, _NOT_TAKEN, action="push"),
)  # fmt: skip
# Tried after the status: these words may be part of any sentence.
_VAGUE_RULES = (
    _Rule(r"not found", NotFound, _GONE, action="pull"),
    _Rule(r"denied|forbidden", Denied, _MAY_NOT_PUSH, action="push"),
    _Rule(r"denied|forbidden", Denied, _MAY_NOT_READ, action="pull"),
    _Rule(r"internal server error", Unreachable, _FAILED),
)
_OTHERWISE = _Rule("", Unreachable, "the registry, or the way there, failed")


def classify(text: str, operation: EngineOperation) -> TransferError:
    """The error for the engine's `text`."""
    rule = (
        _first_match(_RULES, text, operation)
        or _rule_for_status(text, operation)
        or _first_match(_VAGUE_RULES, text, operation)
        or _OTHERWISE
    )
    message = f"the engine could not {operation.action} {operation.reference}: {rule.hint} ({quoted(text)})"
    return rule.error(message, registry=operation.registry if rule.blames_registry else None)


def _first_match(rules: Iterable[_Rule], text: str, operation: EngineOperation) -> _Rule | None:
    # Names are removed first: a repository may be called "denied".
    stripped = _URL.sub("", text).replace(_repository(operation.reference), "")
    return next((rule for rule in rules if _fits(rule, stripped, operation)), None)


def _rule_for_status(text: str, operation: EngineOperation) -> _Rule | None:
    found = _STATUS.search(text)
    if found is None:
        return None
    status = int(found.group(1))
    phase: Phase = "read" if operation.action == "pull" else "manifest" if "/manifests/" in text else "upload"
    error = LoginRefused if status == HTTPStatus.UNAUTHORIZED else classify_status(status, (), phase)
    hints: dict[type[TransferError], str] = {
        Unreachable: _FAILED,
        RateLimited: _TOO_MANY,
        LoginRefused: _LOGIN,
        **_HINT_BY_STATUS_ERROR[operation.action],
    }
    return _Rule("", error, hints[error])


def _repository(reference: str) -> str:
    """The reference without tag or digest; a host's port has a colon too."""
    return re.sub(r"(@[^@]*|:[^:/]*)$", "", reference)


def _fits(rule: _Rule, text: str, operation: EngineOperation) -> bool:
    return rule.action in {None, operation.action} and re.search(rule.text, text, re.IGNORECASE) is not None
