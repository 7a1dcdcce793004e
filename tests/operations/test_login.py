"""A person tries a registry's login now."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from ferryman.application import Application, open_application
from ferryman.operations.login import try_login
from ferryman.settings import Settings
from tests.support.faulty import Faulty


@pytest.fixture
async def registry() -> AsyncIterator[Faulty]:
    async with Faulty() as server:
        yield server


@pytest.fixture
async def app(tmp_path: Path, registry: Faulty) -> AsyncIterator[Application]:
    (tmp_path / "items.yml").write_text(
        f'registries: {{"{registry.host}": {{username: me, password: hunter2}}}}\n'
        f"items: [{{source: quay.io/coreos/flannel, target: {registry.host}/m/}}]\n"
    )
    settings = Settings(items=tmp_path / "items.yml", database_url=f"sqlite+aiosqlite:///{tmp_path}/ferryman.db")
    async with open_application(settings, engine=False) as app:
        yield app


def answering(registry: Faulty, status: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return web.Response(status=status, headers={"WWW-Authenticate": 'Basic realm="x"'})

    registry.on("GET /v2/", answer)


async def test_a_paused_registry_that_accepts_it_is_resumed(app: Application, registry: Faulty) -> None:
    answering(registry, 200)
    await app.pauses.pause_after_refusal(registry.host, error="wrong password")
    tried = await try_login(app, registry.host, actor="token:web")
    assert (tried.accepted, tried.resumed) == (True, True)
    assert await app.record.queue.paused_registries() == []
    [entry] = await app.record.actions.list()
    assert (entry.actor, entry.action, entry.subject, entry.detail) == (
        "token:web", "try-login", registry.host, "accepted",
    )  # fmt: skip


async def test_one_that_was_not_paused_is_only_tried(app: Application, registry: Faulty) -> None:
    answering(registry, 200)
    tried = await try_login(app, registry.host, actor="token:web")
    assert (tried.accepted, tried.resumed) == (True, False)
    assert [each.detail for each in await app.record.actions.list()] == ["accepted"]


async def test_one_that_refuses_it_stays_paused(app: Application, registry: Faulty) -> None:
    answering(registry, 401)
    await app.pauses.pause_after_refusal(registry.host, error="wrong password")
    tried = await try_login(app, registry.host, actor="token:web")
    assert (tried.accepted, tried.resumed) == (False, False)
    assert "hunter2" not in tried.message
    assert len(await app.record.queue.paused_registries()) == 1
    assert [each.detail for each in await app.record.actions.list()] == ["refused, or no answer"]
