"""Registries that are left alone, and let go when their login is another one."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from ferryman import commands
from ferryman.clock import SystemClock
from ferryman.errors import LoginRefused
from ferryman.reference import DOCKER_HUB, Repository
from ferryman.registry.credentials import Credential, CredentialStore
from ferryman.settings import Settings
from tests.conftest import ReadLog
from tests.support.workplace import Workplace

QUAY = "quay.io"
NGINX = "docker.io/library/nginx"


def log_in_with(workplace: Workplace, logins: Mapping[str, tuple[str, str]]) -> None:
    """What a re-read items.yml does."""
    explicit = {registry: Credential(*login) for registry, login in logins.items()}
    store = CredentialStore(explicit=explicit, clock=workplace.clock, environment={"HOME": "/nonexistent"})
    workplace.client.configure(hosts={}, credentials=store)


async def test_a_registry_is_stopped_once(workplace: Workplace, read_log: ReadLog) -> None:
    assert await workplace.pauses.reason(QUAY) is None
    assert await workplace.pauses.stop(QUAY, error="wrong password")
    assert not await workplace.pauses.stop(QUAY, error="wrong password again")
    assert await workplace.pauses.reason(QUAY) == "wrong password"
    assert await workplace.pauses.reason("docker.io") is None
    assert [line["registry"] for line in read_log()] == [QUAY]


async def test_of_many_that_are_refused_at_once_one_is_the_first(workplace: Workplace) -> None:
    first = await asyncio.gather(*(workplace.pauses.stop(QUAY, error="wrong password") for _ in range(20)))
    assert sorted(first) == [False] * 19 + [True]


async def test_a_limit_ends_by_itself_and_is_no_pause(workplace: Workplace) -> None:
    until = workplace.clock.now() + timedelta(minutes=5)
    await workplace.pauses.wait(QUAY, until=until, error="slow down")
    assert await workplace.pauses.reason(QUAY) is None
    await workplace.enqueue("v1")
    await workplace.pauses.lift_mended()
    assert await workplace.queue.claim() is None
    workplace.clock.advance(300)
    assert await workplace.queue.claim() is not None


async def test_every_change_of_a_limit_is_one_line_of_the_log(workplace: Workplace, read_log: ReadLog) -> None:
    await workplace.enqueue("v1", "v2", source=NGINX)
    await workplace.enqueue("3.9")
    soon, later = (workplace.clock.now() + timedelta(minutes=minutes) for minutes in (5, 125))
    for until in (soon, soon, later, soon):
        await workplace.pauses.wait(DOCKER_HUB, until=until, error="slow down")
    await workplace.pauses.wait(QUAY, until=soon, error="slow down")
    assert [line["event"] for line in read_log()] == [
        "2 tags wait for Docker Hub's limit; next at 12:05 UTC",
        "2 tags wait for Docker Hub's limit; next at 14:05 UTC",
        "1 tag waits for quay.io's limit; next at 12:05 UTC",
    ]


async def test_status_tells_what_waits_for_a_limit(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    await workplace.enqueue("v1", "v2", source=NGINX)
    await workplace.enqueue("3.9")
    until = SystemClock().now() + timedelta(hours=1)
    await workplace.pauses.wait(DOCKER_HUB, until=until, error="slow down")
    await workplace.pauses.stop(QUAY, error="wrong password")
    settings = Settings.load({"FERRYMAN_DATABASE_URL": f"sqlite+aiosqlite:///{workplace.file}"})
    await commands.status(settings, [], failed=False, everything=False, as_json=False)
    shown = capsys.readouterr().out
    assert f"2 tags wait for Docker Hub's limit; next at {until:%H:%M} UTC" in shown.splitlines()
    assert "quay.io's limit" not in shown


async def test_a_refused_login_during_a_limit_is_a_pause(workplace: Workplace) -> None:
    until = workplace.clock.now() + timedelta(minutes=5)
    await workplace.pauses.wait(QUAY, until=until, error="slow down")
    assert await workplace.pauses.stop(QUAY, error="wrong password")
    assert await workplace.pauses.reason(QUAY) == "wrong password"
    workplace.clock.advance(300)
    assert await workplace.pauses.reason(QUAY) == "wrong password"


async def test_the_same_login_changes_nothing(workplace: Workplace) -> None:
    log_in_with(workplace, {QUAY: ("me", "wr0ng")})
    await workplace.pauses.stop(QUAY, error="wrong password")
    log_in_with(workplace, {QUAY: ("me", "wr0ng")})
    await workplace.pauses.lift_mended()
    assert await workplace.pauses.reason(QUAY) == "wrong password"


async def test_another_login_lets_the_registry_go(workplace: Workplace, read_log: ReadLog) -> None:
    log_in_with(workplace, {QUAY: ("me", "wr0ng")})
    workplace.transport.fail(LoginRefused("wrong password", registry=QUAY), "v1")
    await workplace.enqueue("v1", "v2")
    await workplace.work()
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2")} == {"failed", "queued"}
    assert await workplace.queue.claim() is None
    log_in_with(workplace, {QUAY: ("me", "right")})
    await workplace.pauses.lift_mended()
    assert await workplace.pauses.reason(QUAY) is None
    await workplace.work(ends=2)
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2")} == {"synced"}
    [line] = [line for line in read_log() if "resumed" in line["event"]]
    assert (line["registry"], line["tags"]) == (QUAY, 2)


async def test_a_login_where_there_was_none_lets_the_registry_go(workplace: Workplace) -> None:
    await workplace.pauses.stop(QUAY, error="a login is wanted and there is none")
    await workplace.pauses.lift_mended()
    assert await workplace.pauses.reason(QUAY) is not None
    log_in_with(workplace, {QUAY: ("me", "right")})
    await workplace.pauses.lift_mended()
    assert await workplace.pauses.reason(QUAY) is None


async def test_another_registrys_login_is_none_of_its_business(workplace: Workplace) -> None:
    log_in_with(workplace, {QUAY: ("me", "wr0ng")})
    await workplace.pauses.stop(QUAY, error="wrong password")
    await workplace.pauses.stop("docker.io", error="toomanyfailedlogins")
    log_in_with(workplace, {QUAY: ("me", "wr0ng"), "docker.io": ("me", "right")})
    await workplace.pauses.lift_mended()
    assert [state.registry for state in await workplace.queue.held()] == [QUAY]


async def test_no_secret_is_kept_in_the_database(workplace: Workplace) -> None:
    log_in_with(workplace, {QUAY: ("me", "a-long-enough-secret")})
    await workplace.pauses.stop(QUAY, error="wrong password")
    await workplace.database.close()  # all of it is in the file then
    content = b"".join(
        file.read_bytes() for file in workplace.file.parent.glob(f"{workplace.file.name}*") if file.is_file()
    )
    assert b"wrong password" in content
    assert b"a-long-enough-secret" not in content


async def test_a_lifted_login_is_really_tried_again(workplace: Workplace) -> None:
    log_in_with(workplace, {QUAY: ("me", "right")})
    await workplace.pauses.stop(QUAY, error="wrong password")
    credential = Credential("me", "right")
    workplace.client._sender.refusals.remember(QUAY, credential, LoginRefused("wrong password"))
    await workplace.queue.let_go(QUAY)  # `ferryman requeue`, in another process
    await workplace.enqueue("v1")
    job = await workplace.queue.claim()
    assert job is not None
    await workplace.worker().copy(job)
    assert await workplace.client.credential_for_engine(QUAY, Repository.parse(job.source).name) is not None


async def test_the_limit_of_a_tag_api_is_minded_by_the_next_process(workplace: Workplace) -> None:
    until = SystemClock().now() + timedelta(hours=1)  # the clock of the client
    await workplace.pauses.wait("hub.docker.com", until=until, error="slow down")
    await workplace.pauses.heed(DOCKER_HUB)
    assert workplace.client.held_until("hub.docker.com") == until
    assert workplace.client.held_until(DOCKER_HUB) is None
