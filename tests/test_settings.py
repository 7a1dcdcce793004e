"""Parsing the environment into settings."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ByteSize, SecretStr

from ferryman.durations import parse_duration
from ferryman.errors import ConfigurationError
from ferryman.settings import Schedule, Settings
from ferryman.web_address import ListenAddress

NOW = datetime(2026, 1, 1, 5, 59, 30, 500, tzinfo=UTC)
NUMBER = "expected a whole number of at least 1"
DURATION = "expected a duration of at most ten years, such as 10s, 6h, 1d or 1h30m"
SCHEDULE = "expected a duration such as 6h, or a cron expression such as '0 */6 * * *'"
LISTEN = "expected an address with a port, such as 127.0.0.1:8080 or [::1]:8080, :8080 for all addresses, or off"
HOSTS = "expected host names and addresses without ports, such as ferryman.example.com,192.168.1.5"
URL = "expected the URL of the page, such as https://ferryman.example.com, without login, ? and #"
TOKEN = "expected at least 16 characters of ASCII, without spaces: make one with `openssl rand -hex 32`"
MISSING = "cannot be read: No such file or directory, expected a file that contains the secret"
A_TOKEN = "0123456789abcdef"
LEASE = "expected at least 3s: a worker that is merely slow would lose its tags"


def complaints(**environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(environ)
    return str(caught.value).splitlines()


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.load({"PATH": "/bin", "FERRYMAN_WORKERS": ""})
    assert settings == Settings()
    assert settings.items == Path("items.yml")
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///data/ferryman.db"
    assert (settings.workers, settings.max_attempts, settings.transport) == (None, 6, "docker")
    assert (settings.interval, settings.complete_walk) == (Schedule("6h"), timedelta(days=1))
    assert (settings.retry_delay, settings.lease) == (timedelta(seconds=10), timedelta(seconds=60))
    assert settings.cache_limit == 20 * 1024**3
    assert (settings.log_level, settings.log_format) == ("INFO", "text")
    assert (settings.target_user, settings.target_password) == (None, None)
    assert settings.listen == ListenAddress("127.0.0.1", 8080)
    assert (settings.token, settings.read_token, settings.notify, settings.url) == (None, None, None, None)
    assert (settings.hosts, settings.base_path, settings.trusted_proxies) == ((), "", ())


def test_every_variable_is_read() -> None:
    settings = Settings.load(
        {
            "FERRYMAN_ITEMS": "/etc/ferryman/items.yml",
            "FERRYMAN_DATABASE_URL": "postgresql+asyncpg://me:hunter2@db/ferryman",
            "FERRYMAN_WORKERS": "8",
            "FERRYMAN_INTERVAL": "0 */6 * * *",
            "FERRYMAN_COMPLETE_WALK": "12h",
            "FERRYMAN_TRANSPORT": "auto",
            "FERRYMAN_MAX_ATTEMPTS": "1",
            "FERRYMAN_RETRY_DELAY": "500ms",
            "FERRYMAN_LEASE": "1m30s",
            "FERRYMAN_CACHE_LIMIT": "1.5GiB",
            "FERRYMAN_LOG_LEVEL": "debug",
            "FERRYMAN_LOG_FORMAT": "JSON",
            "FERRYMAN_LISTEN": "[::1]:8443",
            "FERRYMAN_TOKEN": "hunter2-hunter2-acts",
            "FERRYMAN_READ_TOKEN": "hunter2-hunter2-reads",
            "FERRYMAN_HOSTS": "Mirror.example.com, 192.168.1.5",
            "FERRYMAN_BASE_PATH": "/ferryman/",
            "FERRYMAN_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8, fd00::/8",
            "FERRYMAN_URL": "https://mirror.example.com/ferryman/",
            "FERRYMAN_NOTIFY": "ntfy://hunter2@host/topic dingtalk://hunter2",
            "TARGET_USER": "me",
            "TARGET_PASSWORD": "hunter2",
        }
    )
    assert settings == Settings(
        items=Path("/etc/ferryman/items.yml"),
        database_url=SecretStr("postgresql+asyncpg://me:hunter2@db/ferryman"),
        workers=8,
        interval=Schedule("0 */6 * * *"),
        complete_walk=timedelta(hours=12),
        transport="auto",
        max_attempts=1,
        retry_delay=timedelta(milliseconds=500),
        lease=timedelta(seconds=90),
        cache_limit=ByteSize(3 * 2**29),
        log_level="DEBUG",
        log_format="json",
        listen=ListenAddress("::1", 8443),
        token=SecretStr("hunter2-hunter2-acts"),
        read_token=SecretStr("hunter2-hunter2-reads"),
        hosts=("mirror.example.com", "192.168.1.5"),
        base_path="/ferryman",
        trusted_proxies=tuple(map(ip_network, ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8"))),
        url="https://mirror.example.com/ferryman",
        notify=SecretStr("ntfy://hunter2@host/topic dingtalk://hunter2"),
        target_user="me",
        target_password=SecretStr("hunter2"),
    )
    assert "hunter2" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("WORKERS", "x", f"found 'x', {NUMBER}"),
        ("WORKERS", "0", f"found '0', {NUMBER}"),
        ("WORKERS", "2.5", f"found '2.5', {NUMBER}"),
        ("MAX_ATTEMPTS", "9" * 5000, f"found '{'9' * 5000}', {NUMBER}"),
        ("INTERVAL", "6", f"found '6', {DURATION}"),
        ("INTERVAL", "6 h", f"found '6 h', {SCHEDULE}"),
        ("INTERVAL", "0 */6 * * * * *", f"found '0 */6 * * * * *', {SCHEDULE}"),
        ("INTERVAL", "0 0 31 2 *", f"found '0 0 31 2 *', {SCHEDULE}"),
        ("RETRY_DELAY", "0s", f"found '0s', {DURATION}"),
        ("RETRY_DELAY", "-1s", f"found '-1s', {DURATION}"),
        ("LEASE", "1s1h", f"found '1s1h', {DURATION}"),
        ("LEASE", "1ms", f"found '1ms', {LEASE}"),
        ("LEASE", "2s999ms", f"found '2s999ms', {LEASE}"),
        ("COMPLETE_WALK", "999999999d", f"found '999999999d', {DURATION}"),
        ("CACHE_LIMIT", "lots", "found 'lots', expected a size, such as 20GiB or 500MB"),
        ("CACHE_LIMIT", "20 barrels", "found '20 barrels', expected a size, such as 20GiB or 500MB"),
        ("TRANSPORT", "skopeo", "found 'skopeo', expected 'docker', 'direct' or 'auto'"),
        ("LOG_LEVEL", "loud", "found 'loud', expected 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LOG_FORMAT", "xml", "found 'xml', expected 'text' or 'json'"),
        ("LISTEN", "8080", f"found '8080', {LISTEN}"),
        ("HOSTS", "example.com:8080", f"found 'example.com:8080', {HOSTS}"),
        ("BASE_PATH", "/a/../b", "found '/a/../b', expected a path such as /ferryman"),
        (
            "TRUSTED_PROXIES",
            "10.1.2.3/8",
            "found '10.1.2.3/8', expected 10.0.0.0/8, or one address: 10.1.2.3/8 is an address within it",
        ),
        ("URL", "https://me:hunter2@example.com", URL),  # not quoted
        ("TOKEN", "hunter2", TOKEN),
        ("TOKEN", "hunter2 with spaces in it", TOKEN),
        ("READ_TOKEN", "hunter2", TOKEN.replace("expected", "expected public, or")),
        ("NOTIFY", "  ", "expected URLs, separated by white space"),
        ("WORKER", "1", "there is no such setting: did you mean FERRYMAN_WORKERS?"),
    ],
)
def test_an_invalid_value_is_named(name: str, value: str, complaint: str) -> None:
    assert complaints(**{f"FERRYMAN_{name}": value}) == [f"FERRYMAN_{name}: {complaint}"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    (complaint,) = complaints(FERRYMAN_QQQ="1")
    assert complaint.startswith("FERRYMAN_QQQ: there is no such setting: expected one of FERRYMAN_BASE_PATH, ")


def test_all_errors_are_reported_at_once() -> None:
    reported = complaints(FERRYMAN_WORKERS="x", FERRYMAN_LEASE="y", FERRYMAN_NOTHING="z", TARGET_USER="me")
    assert [line.split(":")[0] for line in reported] == [
        "FERRYMAN_WORKERS",
        "FERRYMAN_LEASE",
        "FERRYMAN_NOTHING",
        "TARGET_USER and TARGET_PASSWORD",
    ]


def test_half_a_login_is_refused_without_quoting_the_password() -> None:
    assert complaints(TARGET_PASSWORD="hunter2") == [
        "TARGET_USER and TARGET_PASSWORD: found one of them, expected both or neither"
    ]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("6h", datetime(2026, 1, 1, 11, 59, 30, 500, tzinfo=UTC)),
        ("0 */6 * * *", datetime(2026, 1, 1, 6, 0, tzinfo=UTC)),
        ("*/20 * * * * *", datetime(2026, 1, 1, 5, 59, 40, tzinfo=UTC)),
        ("30 4 * * mon", datetime(2026, 1, 5, 4, 30, tzinfo=UTC)),
    ],
)
def test_the_next_poll(text: str, after: datetime) -> None:
    assert Schedule(text).next_after(NOW) == after


@pytest.mark.parametrize(
    ("text", "hours"), [("6h", 6), ("0 */6 * * *", 6), ("30 4 * * *", 24), ("0 2,8 * * *", 18), ("30 4 * * mon", 168)]
)
def test_the_time_between_two_polls(text: str, hours: int) -> None:
    assert Schedule(text).length(NOW) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("6h", 21600), ("1d", 86400), ("1h30m", 5400), ("500ms", 0.5), ("1d2h3m4s5ms", 93784.005)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@given(st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=3649)))
def test_durations_round_trip(duration: timedelta) -> None:
    milliseconds = duration // timedelta(milliseconds=1)
    seconds, rest = divmod(milliseconds, 1000)
    hours, seconds = divmod(seconds, 3600)
    assert parse_duration(f"{hours}h{seconds}s{rest}ms") == timedelta(milliseconds=milliseconds)


@given(st.text("0123456789dhms. ", max_size=12) | st.text(max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        assert str(error) == DURATION  # noqa: PT017 (most texts are none, a few are)
    else:
        assert duration > timedelta(0)


@given(st.lists(st.text("0123456789*/,-#L", min_size=1, max_size=6), min_size=5, max_size=6).map(" ".join))
def test_any_text_is_a_schedule_or_a_value_error(text: str) -> None:
    try:
        following = Schedule(text).next_after(NOW)
    except ValueError as error:
        assert str(error) == SCHEDULE  # noqa: PT017 (most texts are none, a few are)
    else:
        assert following > NOW


def test_variables_of_kubernetes_are_ignored() -> None:
    injected = {"FERRYMAN_PORT": "tcp://10.0.0.1:80", "FERRYMAN_SERVICE_HOST": "10.0.0.1", "FERRYMAN_PORT_80_TCP": "x"}
    assert Settings.load(injected) == Settings.load({})


@pytest.mark.parametrize(
    ("found", "meant"), [("20", "20GiB"), (" 7 ", "7GiB"), ("21474836480", "21474836480B"), ("500", "500GiB")]
)
def test_a_size_without_a_unit_is_refused_with_a_hint(found: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"FERRYMAN_CACHE_LIMIT: .*did you mean {meant}\?"):
        Settings.load({"FERRYMAN_CACHE_LIMIT": found})


@pytest.mark.parametrize(("found", "size"), [("0", 0), ("20 GiB", 20 * 2**30), ("21474836480B", 20 * 2**30)])
def test_a_size_with_a_unit(found: str, size: int) -> None:
    assert Settings.load({"FERRYMAN_CACHE_LIMIT": found}).cache_limit == size


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Asia/Shanghia", "did you mean Asia/Shanghai?"),
        ("nowhere", "expected a name such as UTC"),
        ("../etc", "a name"),
    ],
)
def test_an_unknown_zone_is_an_error(zone: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(hint)):
        Settings.load({"TZ": zone})


@pytest.mark.parametrize(
    "zone",
    ["", "UTC", "Asia/Shanghai", ":Europe/Berlin", "/etc/localtime", "CST-8", "CET-1CEST,M3.5.0,M10.5.0", "<+08>-8"],
)
def test_known_time_zones(zone: str) -> None:
    assert Settings.load({"TZ": zone}) == Settings()


# Secrets from files

SECRETS = sorted(name.removesuffix("_FILE") for name in Settings.variables() if name.endswith("_FILE"))


def test_every_secret_has_a_file() -> None:
    assert SECRETS == [
        "FERRYMAN_DATABASE_URL", "FERRYMAN_NOTIFY", "FERRYMAN_READ_TOKEN", "FERRYMAN_TOKEN", "TARGET_PASSWORD",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_comes_from_its_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{A_TOKEN}\n")
    user = {"TARGET_USER": "me"} if name == "TARGET_PASSWORD" else {}

    settings = Settings.load({**user, f"{name}_FILE": str(file)})

    assert settings == Settings.load({**user, name: A_TOKEN})
    assert A_TOKEN not in repr(settings) + str(settings)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_by_value_and_by_file_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(A_TOKEN)

    reported = complaints(TARGET_USER="me", **{"TARGET_PASSWORD": "x", name: A_TOKEN, f"{name}_FILE": str(file)})

    assert reported == [f"{name} and {name}_FILE: found both, expected one of them"]


def test_an_empty_variable_beside_a_file_counts_as_unset(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(A_TOKEN)
    settings = Settings.load({"FERRYMAN_TOKEN": "", "FERRYMAN_TOKEN_FILE": str(tmp_path / "secret")})
    assert settings.token == SecretStr(A_TOKEN)


def test_a_file_that_is_not_there_is_named_with_its_variable_and_all_else_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    reported = complaints(TARGET_USER="me", TARGET_PASSWORD_FILE=str(file), FERRYMAN_WORKERS="x")
    assert reported == [
        f"FERRYMAN_WORKERS: found 'x', {NUMBER}",
        f"TARGET_PASSWORD_FILE: '{file}' {MISSING}",
    ]


def test_a_file_with_a_wrong_secret_is_named_and_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2")
    assert complaints(FERRYMAN_TOKEN_FILE=str(file)) == [
        f"FERRYMAN_TOKEN_FILE: the content of '{file}' is wrong: {TOKEN}"
    ]


def test_a_token_that_cannot_be_read_is_not_a_missing_one(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert complaints(FERRYMAN_TOKEN_FILE=str(file), FERRYMAN_LISTEN=":8080") == [
        f"FERRYMAN_TOKEN_FILE: '{file}' {MISSING}"
    ]


def test_only_secrets_come_from_files() -> None:
    (complaint,) = complaints(FERRYMAN_WORKERS_FILE="/run/secrets/workers")
    assert complaint.startswith("FERRYMAN_WORKERS_FILE: there is no such setting: ")


# Who reaches the page


@pytest.mark.parametrize("tokens", [{}, {"FERRYMAN_NOTIFY": "ntfy://topic"}])
@pytest.mark.parametrize("listen", [":8080", "0.0.0.0:8080", "[::]:8080", "192.168.1.5:80", "ferryman.example.com:80"])
def test_other_machines_are_let_in_with_a_token_only(listen: str, tokens: dict[str, str]) -> None:
    (complaint,) = complaints(FERRYMAN_LISTEN=listen, **tokens)
    assert complaint.startswith("FERRYMAN_LISTEN: found ")
    assert "no FERRYMAN_TOKEN: expected one (make one with `openssl rand -hex 32`)" in complaint
    assert "FERRYMAN_READ_TOKEN=public" in complaint


@pytest.mark.parametrize(
    "tokens",
    [{"FERRYMAN_TOKEN": A_TOKEN}, {"FERRYMAN_READ_TOKEN": A_TOKEN}, {"FERRYMAN_READ_TOKEN": "public"}],
)
def test_other_machines_may_be_let_in(tokens: dict[str, str]) -> None:
    assert Settings.load({"FERRYMAN_LISTEN": ":8080", **tokens}).listen == ListenAddress(None, 8080)


@pytest.mark.parametrize("listen", ["off", " OFF ", "localhost:0", "127.8.9.10:1", "[::1]:65535"])
def test_this_machine_needs_no_token(listen: str) -> None:
    settings = Settings.load({"FERRYMAN_LISTEN": listen})
    assert settings.listen is None or settings.listen.is_loopback


def test_public_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "reading").write_text("public\n")
    settings = Settings.load({"FERRYMAN_READ_TOKEN_FILE": str(tmp_path / "reading")})
    assert settings.read_token == "public"
    assert complaints(FERRYMAN_TOKEN="public") == [f"FERRYMAN_TOKEN: {TOKEN}"]


def test_one_token_for_both_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reading").write_text(A_TOKEN)
    (complaint,) = complaints(FERRYMAN_TOKEN=A_TOKEN, FERRYMAN_READ_TOKEN_FILE=str(tmp_path / "reading"))
    assert complaint == (
        "FERRYMAN_TOKEN and FERRYMAN_READ_TOKEN: found the same text, expected two: who may read could act as well"
    )


def test_the_url_of_the_page_has_its_path() -> None:
    assert complaints(FERRYMAN_URL="https://example.com/ferryman") == [
        "FERRYMAN_URL and FERRYMAN_BASE_PATH: found the paths '/ferryman' and '/', expected the same"
    ]


@given(
    st.sampled_from(["TOKEN", "READ_TOKEN", "NOTIFY", "URL", "TOKEN_FILE", "NOTIFY_FILE", "DATABASE_URL_FILE"]),
    st.text("0123456789abcdef:/@ ?#", min_size=8, max_size=40).filter(lambda text: not text.startswith("/")),
)
def test_no_error_quotes_what_may_be_a_secret(name: str, value: str) -> None:
    try:
        shown = repr(Settings.load({f"FERRYMAN_{name}": value}))
    except ConfigurationError as error:
        shown = str(error)
    assert value.strip() == "" or value not in shown
