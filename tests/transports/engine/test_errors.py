"""The classification of error messages that real engines have returned."""

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
    TlsFailed,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)
from ferryman.transports.engine.errors import EngineOperation, ImageGone, NotUnpacked, classify

Action = Literal["pull", "push"]
DIGEST = f"sha256:{'0' * 64}"
PUT, POST = "https://r/v2/a/manifests/1", "https://r/v2/a/blobs/uploads/"

TEXTS: list[tuple[Action, str, type[TransferError]]] = [
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
    ("pull", "Get https://r/v2/: x509: certificate signed by unknown authority", TlsFailed),
    ("push", 'Get "https://r/v2/": http: server gave HTTP response to HTTPS client', TlsFailed),
    ("pull", "Get https://r/v2/: tls: first record does not look like a TLS handshake", TlsFailed),
    ("pull", "Get https://r/v2/: x509: certificate has expired or is not yet valid", TlsFailed),
    ("push", "remote error: tls: handshake failure", TlsFailed),
    ("push", "received unexpected HTTP status: 501 Not Implemented", Unsupported),
    ("push", "received unexpected HTTP status: 503 Service Unavailable", Unreachable),
    ("push", "received unexpected HTTP status: 429", RateLimited),
    ("pull", "received unexpected HTTP status: 406 Not Acceptable", Unsupported),
    ("push", f'failed commit on ref "m": unexpected status from PUT request to {PUT}: 415 Unsupported', Unsupported),
    ("push", f"unexpected status from PUT request to {PUT}: 409 Conflict", Unsupported),
    ("push", f"unexpected status from POST request to {POST}: 404 Not Found", NotFound),
    ("push", f"unexpected status from POST request to {POST}: 403 Forbidden", Denied),
    ("push", f"unexpected status from POST request to {POST}: 401 Unauthorized", LoginRefused),
    ("push", f"unexpected status from PUT request to {POST}: 502 Bad Gateway", Unreachable),
    ("push", f"unexpected status from PUT request to {POST}: 409 Conflict", Unreachable),
    ("pull", f'failed to resolve reference "r/a": unexpected status from HEAD request to {PUT}: 500 I', Unreachable),
    ("pull", f"unexpected status code {PUT}: 404 Not Found", NotFound),
    ("pull", "a text that nobody has seen before", Unreachable),
    ("push", "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value", Unreachable),
    ("push", "error parsing HTTP 403 response body: unexpected end of JSON input", Denied),
    ("push", "error parsing HTTP 413 response body: invalid character '<' looking for beginning", Unsupported),
    ("push", "manifest invalid: bad", Unsupported),
    ("pull", "layers from manifest don't match image configuration", Unsupported),
    ("pull", "invalid character 'o' in literal null (expecting 'u')", Unsupported),
    ("pull", 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday"', Unsupported),
    ("pull", f"filesystem layer verification failed for digest {DIGEST}", WrongContent),
    ("pull", "failed to register layer: Error processing tar file(exit status 1): unexpected EOF", NotUnpacked),
    ("pull", "failed to register layer: ApplyLayer exit status 1 stdout: stderr: lchown /x: invalid arg", NotUnpacked),
    ("pull", f"failed to extract layer {DIGEST}: mount callback failed on /x: window size exceeded", NotUnpacked),
    ("pull", "archive/tar: invalid tar header", NotUnpacked),
    ("pull", f'failed commit on ref "l": commit failed: unexpected commit digest {DIGEST}, expected x', WrongContent),
    ("pull", f"failed to extract layer {DIGEST}: write /x: no space left on device", DiskFull),
    ("pull", "write /var/lib/docker/tmp/GetImageBlob123: no space left on device", DiskFull),
    ("pull", "failed to register layer: write /usr/bin/x: no space left on device", DiskFull),
    ("push", "An image does not exist locally with the tag: r/a", ImageGone),
    ("pull", "client version 1.46 is too new. Maximum supported API version is 1.41", EngineUnavailable),
]


@pytest.mark.parametrize(("action", "text", "error"), TEXTS)
def test_reads_the_text(action: Action, text: str, error: type[TransferError]) -> None:
    found = classify(text, EngineOperation(action, "r/a:1", "r"))

    assert type(found) is error
    assert "r/a:1" in str(found)
    assert text in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "no space left on device",
        "An image does not exist locally",
        "client version 1 is too old",
        "failed to register layer: x",
    ],
)
def test_blames_no_registry_for_what_the_engine_did(text: str) -> None:
    assert classify(text, EngineOperation("push", "r/a:1", "r")).registry is None


@pytest.mark.parametrize("name", ["denied", "toomanyrequests", "not-found", "unauthorized"])
@pytest.mark.parametrize("action", ["pull", "push"])
def test_what_a_repository_is_called_means_nothing(action: Action, name: str) -> None:
    operation = EngineOperation(action, f"r.example:5000/{name}/{name}:1", "r.example:5000")

    for text in (
        f'Put "https://r.example:5000/v2/{name}/blobs/uploads/": read: connection reset by peer',
        f"failed to do request for r.example:5000/{name}/{name}:1: EOF",
    ):
        assert type(classify(text, operation)) is Unreachable


def test_blames_the_registry_as_people_write_it() -> None:
    operation = EngineOperation("pull", f"mirror.example/library/nginx@{DIGEST}", "docker.io")

    assert classify("toomanyrequests: slow down", operation).registry == "docker.io"


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_quotes_what_may_be_shown(text: str, expected: str) -> None:
    message = str(classify(text, EngineOperation("pull", "r/a:1", "r")))

    assert message.endswith(expected)
    assert "s3cr3t" not in message


def test_cuts_a_long_text() -> None:
    assert len(str(classify("x" * 100_000, EngineOperation("pull", "r/a:1", "r")))) < 1000
