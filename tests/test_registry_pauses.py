"""Pauses of registries after refused logins and rate limits, and how they end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest

from ferryman.clock import SystemClock
from ferryman.commands import status
from ferryman.errors import LoginRefused
from ferryman.events import RegistryPaused, RegistryResumed
from ferryman.reference import DOCKER_HUB, Repository
from ferryman.registry.auth.credentials import Credential, CredentialStore
from ferryman.registry_options import RegistryOptions
from ferryman.registry_waits import next_login
from ferryman.settings import Settings
from ferryman.store.records import RegistryState
from tests.conftest import ReadLog
from tests.support.faulty import Faulty, says
from tests.support.workplace import Workplace

QUAY = "quay.io"
NGINX = "docker.io/library/nginx"
NOWHERE = {host: RegistryOptions(endpoint="http://127.0.0.1:9") for host in (QUAY, DOCKER_HUB)}  # nobody answers there


def log_in_with(workplace: Workplace, logins: Mapping[str, tuple[str, str]]) -> None:
    """Apply other credentials, as a re-read items.yml does."""
    explicit = {registry: Credential(*login) for registry, login in logins.items()}
    store = CredentialStore(explicit=explicit, clock=workplace.clock, environment={"HOME": "/nonexistent"})
    workplace.client.configure(hosts=NOWHERE, credentials=store)


async def test_a_registry_is_stopped_once(workplace: Workplace, read_log: ReadLog) -> None:
    assert await workplace.pauses.refusal(QUAY) is None
    assert await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    assert not await workplace.pauses.pause_after_refusal(QUAY, error="wrong password again")
    assert await workplace.pauses.refusal(QUAY) == "wrong password"
    assert await workplace.pauses.refusal("docker.io") is None
    assert [line["registry"] for line in read_log()] == [QUAY]


async def test_pauses_are_told_to_observers(workplace: Workplace) -> None:
    until = workplace.clock.now() + timedelta(minutes=5)
    await workplace.enqueue("v1", "v2")
    log_in_with(workplace, {QUAY: ("me", "wrong")})
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    await workplace.pauses.pause_until(DOCKER_HUB, until=until, error="slow down")
    log_in_with(workplace, {QUAY: ("me", "right")})
    await workplace.pauses.resume_recovered()
    assert workplace.watcher.events == [
        RegistryPaused(QUAY, None, "wrong password"),
        RegistryPaused(DOCKER_HUB, until, "slow down", tags=0),
        RegistryResumed(QUAY, 2, "credentials-changed"),
    ]


async def test_of_many_that_are_refused_at_once_one_is_the_first(workplace: Workplace) -> None:
    first = await asyncio.gather(
        *(workplace.pauses.pause_after_refusal(QUAY, error="wrong password") for _ in range(20))
    )
    assert sorted(first) == [False] * 19 + [True]


async def test_a_limit_ends_by_itself_and_is_no_pause(workplace: Workplace) -> None:
    until = workplace.clock.now() + timedelta(minutes=5)
    await workplace.pauses.pause_until(QUAY, until=until, error="slow down")
    assert await workplace.pauses.refusal(QUAY) is None
    await workplace.enqueue("v1")
    await workplace.pauses.resume_recovered()
    assert await workplace.queue.claim() is None
    workplace.clock.advance(300)
    assert await workplace.queue.claim() is not None


async def test_every_change_of_a_limit_is_one_line_of_the_log(workplace: Workplace, read_log: ReadLog) -> None:
    await workplace.enqueue("v1", "v2", source=NGINX)
    await workplace.enqueue("3.9")
    soon, later = (workplace.clock.now() + timedelta(minutes=minutes) for minutes in (5, 125))
    for until in (soon, soon, later, soon):
        await workplace.pauses.pause_until(DOCKER_HUB, until=until, error="slow down")
    await workplace.pauses.pause_until(QUAY, until=soon, error="slow down")
    assert [line["message"] for line in read_log()] == [
        "2 tags wait for Docker Hub's limit; next at 12:05 UTC",
        "2 tags wait for Docker Hub's limit; next at 14:05 UTC",
        "1 tag waits for quay.io's limit; next at 12:05 UTC",
    ]


async def test_status_tells_what_waits_for_a_limit(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    workplace.clock.advance((SystemClock().now() - workplace.clock.now()).total_seconds())  # `status` goes by that
    await workplace.enqueue("v1", "v2", source=NGINX)
    await workplace.enqueue("3.9")
    until = SystemClock().now() + timedelta(hours=1)
    await workplace.pauses.pause_until(DOCKER_HUB, until=until, error="slow down")
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    settings = Settings.load({"FERRYMAN_DATABASE_URL": f"sqlite+aiosqlite:///{workplace.file}"})
    await status.status(settings, [], failed=False, everything=False, as_json=False)
    shown = capsys.readouterr().out
    assert f"2 tags wait for Docker Hub's limit; next at {until:%H:%M} UTC" in shown.splitlines()
    assert "quay.io's limit" not in shown


async def test_a_refused_login_during_a_limit_is_a_pause(workplace: Workplace) -> None:
    until = workplace.clock.now() + timedelta(minutes=5)
    await workplace.pauses.pause_until(QUAY, until=until, error="slow down")
    assert await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    assert await workplace.pauses.refusal(QUAY) == "wrong password"
    workplace.clock.advance(300)
    assert await workplace.pauses.refusal(QUAY) == "wrong password"


async def test_the_same_login_changes_nothing(workplace: Workplace) -> None:
    log_in_with(workplace, {QUAY: ("me", "wr0ng")})
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    log_in_with(workplace, {QUAY: ("me", "wr0ng")})
    await workplace.pauses.resume_recovered()
    assert await workplace.pauses.refusal(QUAY) == "wrong password"


async def test_another_login_lets_the_registry_go(workplace: Workplace, read_log: ReadLog) -> None:
    log_in_with(workplace, {QUAY: ("me", "wr0ng")})
    workplace.transport.fail(LoginRefused("wrong password", registry=QUAY), "v1")
    await workplace.enqueue("v1", "v2")
    await workplace.work()
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2")} == {"failed", "queued"}
    assert await workplace.queue.claim() is None
    log_in_with(workplace, {QUAY: ("me", "right")})
    await workplace.pauses.resume_recovered()
    assert await workplace.pauses.refusal(QUAY) is None
    await workplace.work(ends=2)
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2")} == {"synced"}
    [line] = [line for line in read_log() if line["event"] == "registry_resumed"]
    assert (line["registry"], line["tags"]) == (QUAY, 2)


async def test_a_login_where_there_was_none_lets_the_registry_go(workplace: Workplace) -> None:
    await workplace.pauses.pause_after_refusal(QUAY, error="a login is wanted and there is none")
    await workplace.pauses.resume_recovered()
    assert await workplace.pauses.refusal(QUAY) is not None
    log_in_with(workplace, {QUAY: ("me", "right")})
    await workplace.pauses.resume_recovered()
    assert await workplace.pauses.refusal(QUAY) is None


async def test_another_registrys_login_is_none_of_its_business(workplace: Workplace) -> None:
    log_in_with(workplace, {QUAY: ("me", "wr0ng")})
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    await workplace.pauses.pause_after_refusal("docker.io", error="toomanyfailedlogins")
    log_in_with(workplace, {QUAY: ("me", "wr0ng"), "docker.io": ("me", "right")})
    await workplace.pauses.resume_recovered()
    assert [state.registry for state in await workplace.queue.paused_registries()] == [QUAY]


async def test_no_secret_is_kept_in_the_database(workplace: Workplace) -> None:
    log_in_with(workplace, {QUAY: ("me", "a-long-enough-secret")})
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    await workplace.database.close()  # all of it is in the file then
    content = b"".join(
        file.read_bytes() for file in workplace.file.parent.glob(f"{workplace.file.name}*") if file.is_file()
    )
    assert b"wrong password" in content
    assert b"a-long-enough-secret" not in content


async def test_a_lifted_login_is_really_tried_again(workplace: Workplace) -> None:
    log_in_with(workplace, {QUAY: ("me", "right")})
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    credential = Credential("me", "right")
    workplace.client._sender.refusals.remember(QUAY, credential, LoginRefused("wrong password"))
    await workplace.queue.resume(QUAY)  # `ferryman requeue`, in another process
    await workplace.enqueue("v1")
    job = await workplace.queue.claim()
    assert job is not None
    await workplace.worker().copy(job, lambda: None)
    assert await workplace.client.credential_for_engine(QUAY, Repository.parse(job.source).name) is not None


async def test_the_limit_of_a_tag_api_is_minded_by_the_next_process(workplace: Workplace) -> None:
    workplace.clock.advance((SystemClock().now() - workplace.clock.now()).total_seconds())
    until = SystemClock().now() + timedelta(hours=1)  # the clock of the client
    await workplace.pauses.pause_until("hub.docker.com", until=until, error="slow down")
    await workplace.pauses.check(DOCKER_HUB)
    held = workplace.client.held_until("hub.docker.com")
    assert held is not None
    assert abs(held - until) < timedelta(minutes=1)  # kept as a time that is left: clocks are set
    assert workplace.client.held_until(DOCKER_HUB) is None


# A login that is refused now and then

WANTED = says(401, {"errors": [{"code": "UNAUTHORIZED"}]}, WWW_Authenticate='Basic realm="r"')
TAKEN = says(200, {})
ILL = says(503)


@pytest.fixture
async def quay(workplace: Workplace) -> AsyncIterator[Faulty]:
    """quay.io on loopback: it takes a login if it is told to answer /v2/ with TAKEN."""
    store = CredentialStore(
        explicit={QUAY: Credential("me", "right")}, clock=workplace.clock, environment={"HOME": "/nonexistent"}
    )
    async with Faulty() as server:
        workplace.client.configure(hosts={QUAY: RegistryOptions(endpoint=server.url)}, credentials=store)
        server.on("GET /v2/", WANTED)
        yield server


def logins(server: Faulty) -> int:
    return sum(asked.authorization is not None for asked in server.asked)


async def test_a_login_that_is_taken_a_moment_later_pauses_nothing(workplace: Workplace, quay: Faulty) -> None:
    quay.on("GET /v2/", WANTED, TAKEN)
    workplace.transport.fail(LoginRefused("unauthorized: authentication required", registry=QUAY), "v1")
    await workplace.enqueue("v1", "v2")
    await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.error_kind) == ("queued", "login-unsteady")
    assert record.run_at is not None
    assert await workplace.queue.paused_registries() == []
    workplace.clock.advance(60)
    await workplace.work(ends=2)
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2")} == {"synced"}


async def test_many_that_are_refused_at_once_show_the_login_once_more(workplace: Workplace, quay: Faulty) -> None:
    assert await asyncio.gather(*(workplace.pauses.retry_login(QUAY) for _ in range(20))) == [False] * 20
    assert logins(quay) == 1
    quay.on("GET /v2/", TAKEN)
    assert await asyncio.gather(*(workplace.pauses.retry_login(QUAY) for _ in range(20))) == [True] * 20
    assert logins(quay) == 2
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    assert not await workplace.pauses.retry_login(QUAY)
    assert logins(quay) == 2  # a paused registry is left alone


async def test_a_registry_that_wants_no_login_says_nothing_of_it(workplace: Workplace, quay: Faulty) -> None:
    quay.on("GET /v2/", TAKEN)
    assert not await workplace.pauses.retry_login(QUAY)
    assert not await workplace.pauses.retry_login("registry.example.com")  # there is no login for it


async def test_a_refused_login_is_tried_again_at_growing_intervals(
    workplace: Workplace, quay: Faulty, read_log: ReadLog
) -> None:
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    tried_after = []
    for minute in range(70):
        before = logins(quay)
        await workplace.pauses.retry_refused_logins({QUAY})
        if logins(quay) > before:
            tried_after.append(minute)
            assert logins(quay) == before + 1
        workplace.clock.advance(60)
    assert tried_after == [0, 1, 3, 7, 15, 31, 63]
    assert await workplace.pauses.refusal(QUAY) == "wrong password"
    told = [line["next_try"] for line in read_log() if line["event"] == "login_still_refused"]
    assert told[0] == "2026-05-01T12:01:00+00:00"


@pytest.mark.parametrize("tries", [12, 40, 10**6])
def test_a_refused_login_is_tried_once_a_day_at_least(tries: int) -> None:
    now = SystemClock().now()
    assert next_login(RegistryState(QUAY, None, "wrong", now, tried_at=now, tries=tries)) == now + timedelta(days=1)
    assert next_login(RegistryState(QUAY, None, "wrong", now)) == now  # paused by an older Ferryman


async def test_a_login_that_is_taken_again_resumes_the_registry(workplace: Workplace, quay: Faulty) -> None:
    workplace.transport.fail(LoginRefused("wrong password", registry=QUAY), "v1")
    await workplace.enqueue("v1", "v2")
    await workplace.work()
    assert await workplace.queue.claim() is None
    quay.on("GET /v2/", TAKEN)  # it is known to want a login
    await workplace.pauses.retry_refused_logins({"docker.io"})  # of another cycle's items
    assert await workplace.queue.paused_registries() != []
    await workplace.pauses.retry_refused_logins({QUAY})
    assert await workplace.queue.paused_registries() == []
    await workplace.work(ends=2)
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2")} == {"synced"}


async def test_an_outage_does_not_count_as_a_refused_login(workplace: Workplace, quay: Faulty) -> None:
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    quay.on("GET /v2/", ILL)
    for _ in range(10):
        await workplace.pauses.retry_refused_logins({QUAY})
    [state] = await workplace.queue.paused_registries()
    assert state.tries == 0
    quay.on("GET /v2/", WANTED, TAKEN)
    await workplace.pauses.retry_refused_logins({QUAY})
    assert await workplace.queue.paused_registries() == []


async def test_a_login_that_was_tried_in_the_future_is_tried_now(workplace: Workplace, quay: Faulty) -> None:
    workplace.clock.advance(3600 * 24 * 365)
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    workplace.clock.advance(-3600 * 24 * 365)  # the clock was ahead
    quay.on("GET /v2/", WANTED, TAKEN)
    await workplace.pauses.retry_refused_logins({QUAY})
    assert await workplace.queue.paused_registries() == []


async def test_where_nothing_wants_the_login_the_work_itself_tries_it(workplace: Workplace, quay: Faulty) -> None:
    quay.on("GET /v2/", TAKEN)
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    await workplace.pauses.retry_refused_logins({QUAY})
    assert await workplace.queue.paused_registries() == []
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    await workplace.pauses.retry_refused_logins({QUAY})
    assert [state.tries for state in await workplace.queue.paused_registries()] == [1]  # not every cycle


async def test_check_resumes_a_registry_that_takes_its_login(workplace: Workplace, quay: Faulty) -> None:
    assert not await workplace.pauses.resume_if_accepted(QUAY, actor="me")
    await workplace.pauses.pause_after_refusal(QUAY, error="wrong password")
    assert not await workplace.pauses.resume_if_accepted(QUAY, actor="me")
    quay.on("GET /v2/", TAKEN)
    assert await workplace.pauses.resume_if_accepted(QUAY, actor="me")
    assert await workplace.queue.paused_registries() == []


async def test_a_token_that_is_kept_is_no_proof_of_a_login(workplace: Workplace, quay: Faulty) -> None:
    bearer = f'Bearer realm="{quay.url}/token",service="s"'
    quay.on("GET /v2/", says(401, {}, WWW_Authenticate=bearer), TAKEN)
    quay.on("GET /token", says(200, {"token": "t", "expires_in": 3600}), says(401, {"details": "wrong"}))
    assert await workplace.client.try_login(QUAY)
    with pytest.raises(LoginRefused):
        await workplace.client.try_login(QUAY)
    assert not await workplace.pauses.retry_login(QUAY)
