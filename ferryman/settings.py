"""Settings: the FERRYMAN_* environment variables, parsed. All invalid values are reported at once."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from ferryman.clock import SystemClock
from ferryman.durations import parse_duration
from ferryman.errors import ConfigurationError, Problem
from ferryman.secret_files import read_secret
from ferryman.web_address import ListenAddress, Network, parse_base_path, parse_hosts, parse_networks, parse_page_url

_PREFIX = "FERRYMAN_"
# Kubernetes sets these in every container if there is a Service named ferryman.
_KUBERNETES = re.compile(r"FERRYMAN_(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_\w+)?")
_FILE = "_FILE"  # X_FILE names a file that contains the secret X
_SHORTEST_LEASE = timedelta(seconds=3)
_LEAST_BYTES = 100_000  # a smaller number was meant in gibibytes, not in bytes
# A POSIX time zone that needs no file, such as CST-8.
_POSIX_ZONE = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?[0-9]{1,3}(?::[0-9]{2}){0,2}(?:[A-Za-z<,].*)?")
_HALF_A_LOGIN = Problem("TARGET_USER and TARGET_PASSWORD: found one of them, expected both or neither")
_TOKEN = re.compile(r"[!-~]{16,}")  # what `Authorization: Bearer` can carry
_HOW_TO_MAKE_ONE = "make one with `openssl rand -hex 32`"
_EXPECTED_TOKEN = f"at least 16 characters of ASCII, without spaces: {_HOW_TO_MAKE_ONE}"
_SAME_TOKENS = Problem(
    "FERRYMAN_TOKEN and FERRYMAN_READ_TOKEN: found the same text, expected two: who may read could act as well"
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the upstreams are polled: a duration between two polls, or a cron expression in UTC."""

    text: str

    def __post_init__(self) -> None:
        """Raises ValueError for text that is neither, or for an expression that never matches."""
        if not self.is_cron:
            parse_duration(self.text)
            return
        try:
            self.next_after(SystemClock().now())
        except (CronSimError, StopIteration):
            raise ValueError("expected a duration such as 6h, or a cron expression such as '0 */6 * * *'") from None

    @property
    def is_cron(self) -> bool:
        """Whether it is a cron expression, not a duration."""
        return len(self.text.split()) > 1

    def next_after(self, now: datetime) -> datetime:
        """The next poll after `now` (aware, in UTC)."""
        if not self.is_cron:
            return now + parse_duration(self.text)
        return next(CronSim(self.text, now))

    def length(self, now: datetime) -> timedelta:
        """From the next poll after `now` to the one after that."""
        following = self.next_after(now)
        return self.next_after(following) - following


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _lease(duration: timedelta) -> timedelta:
    """The heartbeat is a third of the lease: a slow disk must not make a live worker lose its lease."""
    if duration < _SHORTEST_LEASE:
        raise ValueError("expected at least 3s: a worker that is merely slow would lose its tags")
    return duration


def _schedule(value: object) -> object:
    return Schedule(value) if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _size(value: object) -> object:
    """Require a unit: 20 was hardly meant as 20 bytes, which would be no cache at all."""
    if not isinstance(value, str) or not value.strip().isdecimal() or int(value) == 0:
        return value
    unit = "GiB" if int(value) < _LEAST_BYTES else "B"
    raise ValueError(f"expected a size with its unit, such as 20GiB or 500MB: did you mean {value.strip()}{unit}?")


def _parsed_by(parse: Callable[[str], object]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _listen(text: str) -> ListenAddress | None:
    return None if text.strip().lower() == "off" else ListenAddress.parse(text)


def _token(token: SecretStr | None) -> SecretStr | None:
    if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError(f"expected {_EXPECTED_TOKEN}")
    return token


def _read_token(value: object) -> object:
    if value is None or value == "public":
        return value
    token = value if isinstance(value, SecretStr) else SecretStr(str(value))
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError(f"expected public, or {_EXPECTED_TOKEN}")
    return token


def _urls(urls: SecretStr | None) -> SecretStr | None:
    """Only that there is one: what they are is for those who send to them."""
    if urls is not None and not urls.get_secret_value().strip():
        raise ValueError("expected URLs, separated by white space")
    return urls


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Number = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """The settings; the variable of each field but the last two is FERRYMAN_<FIELD>.

    A secret X (a SecretStr) may also come from the file that X_FILE names. Errors quote neither secrets nor values of
    fields that stay out of the repr.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True,
        alias_generator=lambda name: f"{_PREFIX}{name.upper()}",
    )  # fmt: skip

    items: Path = Path("items.yml")
    database_url: SecretStr = SecretStr("sqlite+aiosqlite:///data/ferryman.db")  # the store checks it
    workers: Number | None = None  # the most copies at once, in one process; None: as many as the way bears
    interval: Annotated[Schedule, BeforeValidator(_schedule)] = Schedule("6h")
    complete_walk: Duration = timedelta(days=1)  # how often a repository is listed completely
    transport: Annotated[Literal["docker", "direct", "auto"], BeforeValidator(_lower)] = "docker"
    max_attempts: Number = 6
    retry_delay: Duration = timedelta(seconds=10)  # backoff before the second attempt; doubles with each attempt
    # Without a heartbeat for this long, a worker's job goes to another; longer for slow disks.
    lease: Annotated[Duration, AfterValidator(_lease)] = timedelta(seconds=60)
    cache_limit: Annotated[ByteSize, BeforeValidator(_size)] = ByteSize(
        20 * 2**30
    )  # bytes of pulled images in the engine
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = "INFO"
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = "text"
    listen: Annotated[ListenAddress | None, _parsed_by(_listen)] = ListenAddress("127.0.0.1", 8080)  # None: no page
    token: Annotated[SecretStr | None, AfterValidator(_token)] = None  # who has it acts and reads
    # Who has it reads; "public": everybody does. Plain: pydantic would make a SecretStr of that word, too.
    read_token: Annotated[SecretStr | Literal["public"] | None, PlainValidator(_read_token)] = None
    hosts: Annotated[tuple[str, ...], _parsed_by(parse_hosts)] = ()  # more names for the Host header
    base_path: Annotated[str, _parsed_by(parse_base_path)] = ""  # of the page, without a slash at the end
    trusted_proxies: Annotated[tuple[Network, ...], _parsed_by(parse_networks)] = ()  # whose X-Forwarded-* count
    # Of the page, as its readers reach it; without a slash at the end.
    url: Annotated[str | None, _parsed_by(parse_page_url)] = Field(None, repr=False)
    notify: Annotated[SecretStr | None, AfterValidator(_urls)] = None  # where messages go, separated by white space
    target_user: str | None = Field(None, alias="TARGET_USER")
    target_password: SecretStr | None = Field(None, alias="TARGET_PASSWORD")

    @classmethod
    def variables(cls) -> frozenset[str]:
        """The names of all variables, X_FILE of each secret X among them."""
        names = {str(field.alias) for field in cls.model_fields.values()}
        return frozenset(names | {f"{name}{_FILE}" for name in _secrets()})

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "Settings":
        """Parse the environment; an empty variable counts as unset. Raises ConfigurationError with every Problem."""
        known = cls.variables()
        given = {
            name: value
            for name, value in environ.items()
            if value and (name in known or name.startswith(_PREFIX)) and not _KUBERNETES.fullmatch(name)
        }
        half = ("TARGET_USER" in given) != ("TARGET_PASSWORD" in given or f"TARGET_PASSWORD{_FILE}" in given)
        problems = [_HALF_A_LOGIN] if half else []
        problems += _problems_of_zone(environ.get("TZ", ""))
        values = _with_files(given, problems)
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            raise ConfigurationError([*(_problem(detail, given, known) for detail in details), *problems]) from None
        problems = problems or list(_contradictions(settings))  # a token that cannot be read is not a missing one
        if problems:
            raise ConfigurationError(problems)
        return settings


def _secrets() -> Iterator[str]:
    """The variables that are secrets."""
    for field in Settings.model_fields.values():
        if SecretStr in (field.annotation, *get_args(field.annotation)):
            yield str(field.alias)


def _with_files(given: Mapping[str, str], problems: list[Problem]) -> dict[str, str]:
    """The variables, with the content of its file for each X_FILE; what is wrong with it is added to `problems`."""
    values = dict(given)
    for name in _secrets():
        path = values.pop(f"{name}{_FILE}", None)
        if path is None:
            continue
        if name in given:
            problems.append(Problem(f"{name} and {name}{_FILE}: found both, expected one of them"))
            continue
        try:
            values[name] = read_secret(path)
        except ValueError as error:
            problems.append(Problem(f"{name}{_FILE}: {error}"))
    return values


def _contradictions(settings: Settings) -> Iterator[Problem]:
    """What is valid by itself, and not together."""
    token, read_token, listen = settings.token, settings.read_token, settings.listen
    if token is not None and token == read_token:
        yield _SAME_TOKENS
    if listen is not None and not listen.is_loopback and token is None and read_token is None:
        yield Problem(
            f"FERRYMAN_LISTEN: found {str(listen)!r}, which other machines may reach, and no FERRYMAN_TOKEN: expected "
            f"one ({_HOW_TO_MAKE_ONE}), FERRYMAN_READ_TOKEN=public if everybody may read, or a loopback address"
        )
    path = urlsplit(settings.url).path if settings.url else settings.base_path
    if path != settings.base_path:
        yield Problem(
            f"FERRYMAN_URL and FERRYMAN_BASE_PATH: found the paths {path or '/'!r} and {settings.base_path or '/'!r}, "
            "expected the same"
        )


def _problems_of_zone(name: str) -> list[Problem]:
    """Check TZ: the C library silently uses UTC for an unknown zone."""
    stem = name.removeprefix(":")
    if not stem or stem.startswith("/") or _POSIX_ZONE.fullmatch(stem):
        return []
    try:
        ZoneInfo(stem)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(stem, available_timezones(), n=1)
        hint = f"did you mean {near[0]}?" if near else "expected a name such as UTC or Asia/Shanghai"
        return [Problem(f"TZ: {name!r} is not a time zone: {hint}")]
    return []


def _problem(detail: ErrorDetails, given: Mapping[str, str], known: frozenset[str]) -> Problem:
    name = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        return Problem(f"{name}: there is no such setting: {_nearest(name, sorted(known))}")
    file = f"{name}{_FILE}"
    if file in given:
        return Problem(f"{file}: the content of {given[file]!r} is wrong: {_expected(detail)}")
    return Problem(
        f"{name}: {_expected(detail)}" if name in _unquoted() else f"{name}: found {given[name]!r}, {_expected(detail)}"
    )


def _unquoted() -> set[str]:
    """The variables whose values errors must not quote."""
    return {*_secrets(), *(str(field.alias) for field in Settings.model_fields.values() if not field.repr)}


def _nearest(name: str, known: list[str]) -> str:
    stems = {setting.removeprefix(_PREFIX): setting for setting in known}  # the prefix would make all of them similar
    near = difflib.get_close_matches(name.removeprefix(_PREFIX), stems, n=1)
    return f"did you mean {stems[near[0]]}?" if near else f"expected one of {', '.join(known)}"


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "literal_error":
        return f"expected {detail['ctx']['expected']}"
    if detail["type"].startswith("byte_size"):
        return "expected a size, such as 20GiB or 500MB"
    return "expected a whole number of at least 1"
