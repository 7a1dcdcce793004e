"""The FERRYMAN_* environment variables, as values. One bad value does not hide another."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from ferryman.clock import SystemClock
from ferryman.durations import parse_duration
from ferryman.errors import ConfigurationError, Problem

_PREFIX = "FERRYMAN_"
# Kubernetes puts these into every container beside a Service that is named ferryman.
_KUBERNETES = re.compile(r"FERRYMAN_(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_\w+)?")
_SHORTEST_LEASE = timedelta(seconds=3)
_NO_BYTES = 100_000  # a number below is one of gibibytes, at the most of megabytes
# As POSIX writes a zone without a file, such as CST-8.
_POSIX_ZONE = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?[0-9]{1,3}(?::[0-9]{2}){0,2}(?:[A-Za-z<,].*)?")
_HALF_A_LOGIN = Problem("TARGET_USER and TARGET_PASSWORD: found one of them, expected both or neither")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to look upstream: a duration between two looks, or a cron expression in UTC."""

    text: str

    def __post_init__(self) -> None:
        """Raises ValueError for one that is neither, or that never comes."""
        if not self.is_cron:
            parse_duration(self.text)
            return
        try:
            self.next_after(SystemClock().now())
        except (CronSimError, StopIteration):
            raise ValueError("expected a duration such as 6h, or a cron expression such as '0 */6 * * *'") from None

    @property
    def is_cron(self) -> bool:
        """Whether it names moments of the machine's clock; otherwise it is a duration."""
        return len(self.text.split()) > 1

    def next_after(self, now: datetime) -> datetime:
        """The first moment after `now` (aware, in UTC) at which to look."""
        if not self.is_cron:
            return now + parse_duration(self.text)
        return next(CronSim(self.text, now))


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _lease(duration: timedelta) -> timedelta:
    """A worker shows every third of its lease that it lives: a slow disk must not be taken for its death."""
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
    """A mere number of bytes is hardly ever meant: 20 would be no cache at all."""
    if not isinstance(value, str) or not value.strip().isdecimal() or int(value) == 0:
        return value
    unit = "GiB" if int(value) < _NO_BYTES else "B"
    raise ValueError(f"expected a size with its unit, such as 20GiB or 500MB: did you mean {value.strip()}{unit}?")


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Number = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """What the environment says; every field but the last two is FERRYMAN_<ITS NAME>."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True,
        alias_generator=lambda name: f"{_PREFIX}{name.upper()}",
    )  # fmt: skip

    items: Path = Path("items.yml")
    database_url: SecretStr = SecretStr("sqlite+aiosqlite:///data/ferryman.db")  # the store says what it may be
    workers: Number = 4  # copies at once, in one process
    interval: Annotated[Schedule, BeforeValidator(_schedule)] = Schedule("6h")
    complete_walk: Duration = timedelta(days=1)  # how often a repository is listed to its very end
    transport: Annotated[Literal["docker", "direct", "auto"], BeforeValidator(_lower)] = "docker"
    max_attempts: Number = 6
    retry_delay: Duration = timedelta(seconds=10)  # before the second attempt; it doubles from there
    # A silent worker's job goes to another after this: longer for slow disks.
    lease: Annotated[Duration, AfterValidator(_lease)] = timedelta(seconds=60)
    cache_limit: Annotated[ByteSize, BeforeValidator(_size)] = ByteSize(
        20 * 2**30
    )  # bytes of pulled images that the engine keeps
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = "INFO"
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = "text"
    target_user: str | None = Field(None, alias="TARGET_USER")
    target_password: SecretStr | None = Field(None, alias="TARGET_PASSWORD")

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment; an empty variable is an unset one. Raises ConfigurationError with every Problem."""
        known = {field.alias for field in cls.model_fields.values()}
        given = {
            name: value
            for name, value in environ.items()
            if value and (name in known or name.startswith(_PREFIX)) and not _KUBERNETES.fullmatch(name)
        }
        problems = [] if ("TARGET_USER" in given) == ("TARGET_PASSWORD" in given) else [_HALF_A_LOGIN]
        problems += _problems_of_zone(environ.get("TZ", ""))
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            raise ConfigurationError([*(_problem(detail, given, known) for detail in details), *problems]) from None
        if problems:
            raise ConfigurationError(problems)
        return settings


def _problems_of_zone(name: str) -> list[Problem]:
    """The system takes a zone that it does not know for UTC, without a word."""
    stem = name.removeprefix(":")
    if not stem or stem.startswith("/") or _POSIX_ZONE.fullmatch(stem):
        return []
    try:
        ZoneInfo(stem)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(stem, available_timezones(), n=1)
        mend = f"did you mean {near[0]}?" if near else "expected a name such as UTC or Asia/Shanghai"
        return [Problem(f"TZ: {name!r} is not a time zone: {mend}")]
    return []


def _problem(detail: ErrorDetails, given: Mapping[str, str], known: set[str | None]) -> Problem:
    name = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        return Problem(f"{name}: there is no such setting: {_nearest(name, sorted(filter(None, known)))}")
    return Problem(f"{name}: found {given[name]!r}, {_expected(detail)}")


def _nearest(name: str, known: list[str]) -> str:
    stems = {each.removeprefix(_PREFIX): each for each in known}  # the prefix alone would make all of them alike
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
