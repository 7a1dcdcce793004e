"""What the application takes up anew when items.yml is read again."""

import base64
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from ferryman.application import Application, open_application
from ferryman.clock import SystemClock
from ferryman.errors import ConfigurationError, LoginRefused
from ferryman.manifests.index import empty_index
from ferryman.reference import keep_tag
from ferryman.settings import Settings
from ferryman.store.actions import Actions
from ferryman.store.kept_digests import KeptDigests
from ferryman.store.records import Intent
from tests.signatures.conftest import RECORDED
from tests.support.faulty import Faulty, Handler, says
from tests.support.upstreams import made_up_digest

OLD, NEW = "hunter2-before", "hunter2-after"


def expects(password: str) -> Handler:
    """A registry that knows one login."""
    right = "Basic " + base64.b64encode(f"me:{password}".encode()).decode()

    async def answer(request: web.Request) -> web.StreamResponse:
        known = request.headers.get("Authorization") == right
        return web.Response(status=200 if known else 401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    return answer


@pytest.fixture
async def registry() -> AsyncIterator[Faulty]:
    async with Faulty() as server:
        server.on("GET /v2/", expects(NEW))
        yield server


@pytest.fixture
async def app(tmp_path: Path, registry: Faulty) -> AsyncIterator[Application]:
    """With the password of a registry in a file."""
    (tmp_path / "password").write_text(f"{OLD}\n")
    (tmp_path / "items.yml").write_text(
        f'registries: {{"{registry.host}": {{username: me, password_file: password}}}}\n'
        f"items: [{{source: quay.io/coreos/flannel, target: {registry.host}/m/}}]\n"
    )
    settings = Settings(items=tmp_path / "items.yml", database_url=f"sqlite+aiosqlite:///{tmp_path}/ferryman.db")
    async with open_application(settings, engine=False) as app:
        yield app


async def test_a_password_that_was_rotated_in_its_file_is_taken_and_never_told(
    app: Application, registry: Faulty, tmp_path: Path
) -> None:
    with pytest.raises(LoginRefused) as refused:
        await app.registry.log_in(registry.host)
    (tmp_path / "password").write_text(f"{NEW}\n")
    app.reload()
    await app.registry.log_in(registry.host)

    (tmp_path / "password").write_text("")
    with pytest.raises(ConfigurationError, match=r"items\.yml:1:\d+: password_file: '.*/password' is empty") as broken:
        app.reload()
    await app.registry.log_in(registry.host)  # by the last valid one

    told = f"{refused.value!r} {broken.value!r} {app.configuration!r} {app.settings!r}"
    assert "hunter2" not in told
    assert holding(tmp_path, b"hunter2") == []


def holding(folder: Path, secret: bytes) -> list[str]:
    """The files of a folder in which this stands."""
    return [path.name for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


class Earlier(SystemClock):
    """So many days ago."""

    days = 0

    def now(self) -> datetime:
        return super().now() - timedelta(days=self.days)


async def test_nothing_is_asked_about_kept_digests_while_a_target_is_paused(app: Application, registry: Faulty) -> None:
    clock, target = Earlier(), f"{registry.host}/m/flannel"
    clock.days = 100
    own = empty_index(f"{target}:{keep_tag(made_up_digest('old'))}", docker=False)
    await KeptDigests(app.record.database, clock=clock).begin(target, made_up_digest("old"))
    registry.on(f"DELETE /v2/m/flannel/manifests/{own.digest}", says(405))
    await app.record.manual_pauses.pause("item", target, intent=Intent("me", "pause", target))

    await app.settle_targets()
    await app.record.manual_pauses.resume("item", target, intent=Intent("me", "resume", target))
    await app.record.queue.pause(registry.host, until=None, error="refused")
    await app.settle_targets()
    assert registry.asked == []

    await app.record.queue.resume(registry.host)
    await app.settle_targets()
    assert [each.method for each in registry.asked] == ["DELETE"]  # which it does not do
    assert await app.record.kept.unsettled(before=app.clock.now()) == []


async def test_what_people_did_is_kept_for_a_year(app: Application) -> None:
    clock = Earlier()
    actions = Actions(app.record.database, clock=clock)
    for clock.days in (367, 365, 1):
        await actions.note(Intent("me", "look", f"{clock.days} days ago"))
    await app.remove_old_records()
    assert [each.subject for each in await app.record.actions.list()] == ["1 days ago", "365 days ago"]


async def test_whose_signatures_count_is_taken_up_with_items_yml(app: Application, tmp_path: Path) -> None:
    """A key that cannot be used changes nothing: what was asked for before is still asked for."""
    items = tmp_path / "items.yml"
    without = items.read_text()
    (tmp_path / "cosign.pub").write_text((RECORDED / "p256.pub").read_text())
    items.write_text(f"{without}defaults: {{verify_signatures: {{key: cosign.pub}}, transport: direct}}\n")
    app.reload()
    before = app.signatures
    assert before is not None

    (tmp_path / "cosign.pub").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(ConfigurationError, match=r"verify_signatures: cosign\.pub is no public key in PEM"):
        app.reload()
    assert app.signatures is before
    assert app.configuration.items[0].signatures is not None

    items.write_text(without)
    app.reload()
    assert app.signatures is None
