"""What the Docker Engine says when it fails, read into the error tree.

The text decides: the same failure comes as a status from one version and inside the stream from another.
"""

import re
from dataclasses import dataclass
from typing import Literal

from ferryman.errors import (
    Denied,
    DiskFull,
    EngineUnavailable,
    LoginRefused,
    NoSuchPlatform,
    NotFound,
    RateLimited,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)
from ferryman.registry.answers import quoted


class ImageGone(Unreachable):
    """The image was removed from the engine by somebody else: pull it again."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What the engine was asked to do, and whom to blame if it fails."""

    doing: Literal["pull", "push"]
    reference: str
    registry: str  # as people write it: docker.io, even where the engine goes to an endpoint


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str  # a regular expression, searched for in any case
    error: type[TransferError]
    mend: str
    doing: Literal["pull", "push"] | None = None  # None: both
    blames_registry: bool = True


# The first rule that matches decides, so the particular stands before the general.
_RULES = (
    _Rule(r"toomanyrequests|too many requests", RateLimited, "the registry wants to be left alone for a while"),
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
        "the engine was exchanged for one of another version",
        blames_registry=False,
    ),
    _Rule(
        r"pull access denied|requested resource is not authorized",
        Denied,
        "it does not exist, or these credentials may not read it",
        doing="pull",
    ),
    _Rule(
        r"unauthorized to access|requested resource is not authorized",
        Denied,
        "the credentials may not push there: check that the namespace exists and grant them the right to push",
        doing="push",
    ),
    _Rule(
        r"unauthorized|incorrect username or password|no basic auth credentials|login attempt to",
        LoginRefused,
        "check the credentials of this registry: `registries:` in items.yml, TARGET_USER, or `docker login`",
    ),
    _Rule(
        r"tag invalid|immutable",
        Unsupported,
        "the target's tag may not be overwritten: allow it there, for the tags that change",
        doing="push",
    ),
    _Rule(
        r"name unknown|repository .* (not found|does not exist)|project .* not found",
        NotFound,
        "create the repository at the target first: this registry does not do it by itself",
        doing="push",
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
    _Rule(r"manifest unknown|not found|name unknown", NotFound, "upstream no longer has it", doing="pull"),
    _Rule(
        r"denied|forbidden|http 403 response",
        Denied,
        "the credentials may not push there: check that the namespace exists and grant them the right to push",
        doing="push",
    ),
    _Rule(r"denied|forbidden|http 403 response", Denied, "these credentials may not read it", doing="pull"),
    _Rule(
        r"layers from manifest don't match|invalid character .* in literal|parsing time",
        Unsupported,
        "upstream's image is broken: its config is not what an engine can read",
        doing="pull",
    ),
    _Rule(
        r"http 413 response|manifest invalid",
        Unsupported,
        "the target does not take this image: is there a limit on its size, before it or in it?",
        doing="push",
    ),
    _Rule(
        r"verification failed|failed to register layer|digest mismatch|invalid checksum|invalid tar header",
        WrongContent,
        "what arrived is damaged",
    ),
    _Rule(
        r"http response to https client|certificate|x509",
        Unreachable,
        "the engine does not trust this registry: add it to `insecure-registries` in the engine's daemon.json, "
        "or its CA under /etc/docker/certs.d",
    ),
    _Rule(r"unexpected http status: 5|internal server error", Unreachable, "the registry failed; is its disk full?"),
)  # fmt: skip
_OTHERWISE = _Rule("", Unreachable, "the registry, or the way there, failed")


def classify(text: str, errand: Errand) -> TransferError:
    """The error that the engine's `text` means."""
    rule = next((rule for rule in _RULES if _fits(rule, text, errand)), _OTHERWISE)
    message = f"the engine could not {errand.doing} {errand.reference}: {rule.mend} ({quoted(text)})"
    return rule.error(message, registry=errand.registry if rule.blames_registry else None)


def _fits(rule: _Rule, text: str, errand: Errand) -> bool:
    return rule.doing in {None, errand.doing} and re.search(rule.text, text, re.IGNORECASE) is not None
