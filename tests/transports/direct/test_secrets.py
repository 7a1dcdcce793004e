"""Passwords and tokens are sent only to their own registry, even if another host is involved in each step of a copy."""

import base64
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from aiohttp import web

from ferryman.errors import TransferError, Unsupported
from ferryman.reference import Repository
from tests.support.clock import ManualClock
from tests.support.faulty import Asked, Faulty, Handler, says
from tests.support.images import image, layer
from tests.support.transports import DirectTransports, Progress, open_client, pinned, tagged
from tests.transports.direct.blob_store import InMemoryBlobLedger

MADE = image([layer({"file": os.urandom(1_500_000)}), layer({"small": b"small"})])
SECRETS = {"source-password", "source-token", "target-password", "target-token"}
UPLOADS = "/v2/m/image/blobs/uploads/"


def secrets_in(asked: Asked) -> set[str]:
    """The secrets in any part of a request, however encoded."""
    parts = [asked.path, *asked.query.values(), *asked.headers.values(), asked.body.decode("latin-1")]
    scheme, _, packed = (asked.authorization or "").partition(" ")
    if scheme == "Basic":
        parts.append(base64.b64decode(packed).decode())
    return {secret for secret in SECRETS if any(secret in part for part in parts)}


def secrets_received(server: Faulty) -> set[str]:
    return {secret for asked in server.asked for secret in secrets_in(asked)}


@dataclass
class Scene:
    """Two registries, a token server for each, and a foreign host."""

    source: Faulty
    source_tokens: Faulty
    target: Faulty
    target_tokens: Faulty
    other: Faulty

    def login(self, server: Faulty, scheme: str) -> str:
        """The challenge of a registry."""
        tokens = self.source_tokens if server is self.source else self.target_tokens
        return 'Basic realm="x"' if scheme == "basic" else f'Bearer realm="{tokens.url}/token",service="x"'


@pytest.fixture
async def scene(stack: AsyncExitStack) -> Scene:
    scene = Scene(*[await stack.enter_async_context(Faulty()) for _ in range(5)])
    scene.source_tokens.on("GET /token", gives("source-token"))
    scene.target_tokens.on("GET /token", gives("target-token"))
    scene.other.on("GET /token", says(200, {"token": "a-token-for-anybody"}))
    return scene


def gives(token: str) -> Handler:
    """A token server, with another token for anonymous requests."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"token": token if "Authorization" in request.headers else "for-strangers"})

    return answer


def behind(challenge: str | None, then: Handler) -> Handler:
    """Require a login before `then`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if challenge and "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return await then(request)

    return answer


def serve(scene: Scene, scheme: str, challenge: str | None) -> None:
    """Redirect everything to the other host, which requires a login too."""
    at_source, at_target = scene.login(scene.source, scheme), scene.login(scene.target, scheme)
    contents = {
        f"manifests/{MADE.digest}": MADE.manifest,
        **{f"blobs/{name}": blob for name, blob in MADE.blobs.items()},
    }
    for path, content in contents.items():
        kind = MADE.media_type if content == MADE.manifest else "application/octet-stream"
        moved = says(307, Location=f"{scene.other.url}/store/{path}?signature=x")
        scene.source.on(f"GET /v2/a/image/{path}", behind(at_source, moved))
        scene.other.on(f"GET /store/{path}", behind(challenge, says(200, content, Content_Type=kind)))
    scene.target.on(f"POST {UPLOADS}", behind(at_target, says(202, Location=f"{scene.other.url}/upload?state=x")))
    for digest in MADE.blobs:
        scene.target.on(f"HEAD /v2/m/image/blobs/{digest}", behind(at_target, says(404)))
    scene.other.on("PUT /upload", behind(challenge, says(201)))
    scene.target.on("PUT /v2/m/image/manifests/1", behind(at_target, says(307, Location=f"{scene.other.url}/put")))
    scene.other.on("PUT /put", behind(challenge, says(201, Docker_Content_Digest=MADE.digest)))


@pytest.mark.parametrize("challenge", ["none", "its own token", "the source's token", "the target's token"])
@pytest.mark.parametrize("scheme", ["basic", "bearer"])
async def test_a_copy_that_leads_elsewhere_at_every_step(
    scene: Scene, stack: AsyncExitStack, scheme: str, challenge: str
) -> None:
    challenges = {
        "none": None,
        "its own token": f'Bearer realm="{scene.other.url}/token",service="x"',
        "the source's token": scene.login(scene.source, "bearer"),
        "the target's token": scene.login(scene.target, "bearer"),
    }
    serve(scene, scheme, challenges[challenge])
    ledger = InMemoryBlobLedger()
    ledger.held[scene.target.host, "blob", MADE.config_digest] = {"elsewhere/image"}  # so that a mount is tried
    logins = {scene.source.host: ("me", "source-password"), scene.target.host: ("me", "target-password")}
    transport = DirectTransports(stack).open(clock=ManualClock(), logins=logins, ledger=ledger)

    copied = await transport.copy(
        pinned(scene.source.host, "a/image", MADE.digest), tagged(scene.target.host, "m/image", "1"), None, Progress()
    )

    assert copied.identical
    assert {asked.method for asked in scene.other.asked} >= {"GET", "PUT"}
    assert any("mount" in asked.query for asked in scene.target.asked)
    assert secrets_received(scene.other) == set()
    assert secrets_received(scene.source) == ({"source-token"} if scheme == "bearer" else {"source-password"})
    assert secrets_received(scene.target) == ({"target-token"} if scheme == "bearer" else {"target-password"})
    assert secrets_received(scene.source_tokens) <= {"source-password"}
    assert secrets_received(scene.target_tokens) <= {"target-password"}


@pytest.mark.parametrize("basic", ["source", "target"])
async def test_a_host_that_asks_for_the_password_itself_does_not_get_it(
    scene: Scene, stack: AsyncExitStack, basic: str
) -> None:
    """The error names the storage host that refuses, also for an upload that continues there."""
    serve(scene, "bearer", None)
    wanted = 'Basic realm="your password, please"'
    path = f"GET /store/manifests/{MADE.digest}" if basic == "source" else "PUT /upload"
    scene.other.on(path, says(401, WWW_Authenticate=wanted))
    logins = {scene.source.host: ("me", "source-password"), scene.target.host: ("me", "target-password")}
    transport = DirectTransports(stack).open(clock=ManualClock(), logins=logins)

    with pytest.raises(TransferError, match=r"denied|login") as raised:
        await transport.copy(
            pinned(scene.source.host, "a/image", MADE.digest),
            tagged(scene.target.host, "m/image", "1"),
            None,
            Progress(),
        )

    assert not any(secret in str(raised.value) for secret in SECRETS)
    assert secrets_received(scene.other) == set()


async def test_a_next_page_elsewhere_is_not_asked_for(scene: Scene) -> None:
    scene.source.on(
        "GET /v2/a/image/tags/list",
        behind(
            scene.login(scene.source, "bearer"),
            says(200, {"tags": ["1"]}, Link=f'<{scene.other.url}/v2/b/tags/list?last=1>; rel="next"'),
        ),
    )
    client = open_client(logins={scene.source.host: ("me", "source-password")})
    try:
        with pytest.raises(Unsupported, match="not followed"):
            assert [page async for page in client.list_tags(Repository(scene.source.host, "a/image"))] == [["1"]]
    finally:
        await client.aclose()
    assert scene.other.asked == []
