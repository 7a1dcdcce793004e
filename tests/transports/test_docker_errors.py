"""Texts that engines have really said."""

from typing import Literal

import pytest

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
from ferryman.transports.docker_errors import Errand, ImageGone, classify

Doing = Literal["pull", "push"]
DIGEST = f"sha256:{'0' * 64}"

TEXTS: list[tuple[Doing, str, type[TransferError]]] = [
    ("push", "unauthorized: authentication required", LoginRefused),
    ("push", "unauthorized: incorrect username or password", LoginRefused),
    ("push", "no basic auth credentials", LoginRefused),
    ("pull", "Get http://r/v2/: no basic auth credentials", LoginRefused),
    ("pull", "login attempt to http://r/v2/ failed with status: 401 Unauthorized", LoginRefused),
    ("push", "unauthorized: unauthorized to access repository: a/b, action: push", Denied),
    ("push", "denied: requested access to the resource is denied", Denied),
    ("pull", "unauthorized: access to the requested resource is not authorized", Denied),
    (
        "pull",
        "pull access denied for r/x, repository does not exist or may require 'docker login': denied: requested access",
        Denied,
    ),
    ("pull", "manifest for r/a:9 not found: manifest unknown: manifest unknown", NotFound),
    ("push", "name unknown: The repository with name 'x' does not exist in the registry with id '1'", NotFound),
    (
        "push",
        "tag invalid: The image tag '1' already exists and cannot be overwritten because it is immutable",
        Unsupported,
    ),
    ("pull", "toomanyrequests: You have reached your pull rate limit", RateLimited),
    ("push", "toomanyrequests: Rate exceeded", RateLimited),
    ("pull", "no matching manifest for linux/amd64 in the manifest list entries", NoSuchPlatform),
    ("pull", 'image operating system "windows" cannot be used on this platform', NoSuchPlatform),
    (
        "pull",
        "image with reference r/a was found but does not match the specified platform: wanted linux/amd64",
        NoSuchPlatform,
    ),
    ("pull", "unsupported media type application/vnd.cncf.helm.config.v1+json", Unsupported),
    ("pull", "dial tcp 127.0.0.1:5999: connect: connection refused", Unreachable),
    ("pull", "dial tcp: lookup registry.example on 127.0.0.1:53: no such host", Unreachable),
    ("push", "received unexpected HTTP status: 500 Internal Server Error", Unreachable),
    ("pull", "Get https://r/v2/: x509: certificate signed by unknown authority", Unreachable),
    ("pull", "a text that nobody has seen before", Unreachable),
    ("push", "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value", Denied),
    ("push", "error parsing HTTP 413 response body: invalid character '<' looking for beginning", Unsupported),
    ("push", "manifest invalid: bad", Unsupported),
    ("pull", "layers from manifest don't match image configuration", Unsupported),
    ("pull", "invalid character 'o' in literal null (expecting 'u')", Unsupported),
    ("pull", 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday"', Unsupported),
    ("pull", f"filesystem layer verification failed for digest {DIGEST}", WrongContent),
    ("pull", "failed to register layer: Error processing tar file(exit status 1): unexpected EOF", WrongContent),
    ("pull", "write /var/lib/docker/tmp/GetImageBlob123: no space left on device", DiskFull),
    ("pull", "failed to register layer: write /usr/bin/x: no space left on device", DiskFull),
    ("push", "An image does not exist locally with the tag: r/a", ImageGone),
    ("pull", "client version 1.46 is too new. Maximum supported API version is 1.41", EngineUnavailable),
]


@pytest.mark.parametrize(("doing", "text", "error"), TEXTS)
def test_reads_the_text(doing: Doing, text: str, error: type[TransferError]) -> None:
    found = classify(text, Errand(doing, "r/a:1", "r"))

    assert type(found) is error
    assert "r/a:1" in str(found)
    assert text in str(found)


@pytest.mark.parametrize(
    "text", ["no space left on device", "An image does not exist locally", "client version 1 is too old"]
)
def test_blames_no_registry_for_what_the_engine_did(text: str) -> None:
    assert classify(text, Errand("push", "r/a:1", "r")).registry is None


def test_blames_the_registry_as_people_write_it() -> None:
    errand = Errand("pull", f"mirror.example/library/nginx@{DIGEST}", "docker.io")

    assert classify("toomanyrequests: slow down", errand).registry == "docker.io"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'Get "https://cdn.example/blob/1?expires=9&signature=s3cr3t": dial tcp: i/o timeout',
            '(Get "https://cdn.example/blob/1": dial tcp: i/o timeout)',
        ),
        ("parsing /v2/blob?X-Amz-Signature=s3cr3t failed", "(parsing /v2/blob failed)"),
        (f"Put https://cdn.example/?sig={'s3cr3t' * 400} reset by peer", "(Put https://cdn.example/ reset by peer)"),
        ("\x1b[2J\x1b]0;title\x07broken\r\n2026-01-01 forged line", "([2J ]0;title broken 2026-01-01 forged line)"),
    ],
)
def test_quotes_what_may_be_shown(text: str, told: str) -> None:
    message = str(classify(text, Errand("pull", "r/a:1", "r")))

    assert message.endswith(told)
    assert "s3cr3t" not in message


def test_cuts_a_long_text() -> None:
    assert len(str(classify("x" * 100_000, Errand("pull", "r/a:1", "r")))) < 1000
