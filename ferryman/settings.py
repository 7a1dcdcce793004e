"""Settings: the FERRYMAN_* environment variables, parsed. All invalid values are reported at once."""

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
# Kubernetes sets these in every container if there is a Service named ferryman.
_KUBERNETES = re.compile(r"FERRYMAN_(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_\w+)?")
_SHORTEST_LEASE = timedelta(seconds=3)
_LEAST_BYTES = 100_000  # a smaller number was meant in gibibytes, not in bytes
# A POSIX time zone that needs no file, such as CST-8.
_POSIX_ZONE = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?[0-9]{1,3}(?::[0-9]{2}){0,2}(?:[A-Za-z<,].*)?")
_HALF_A_LOGIN = Problem("TARGET_USER and TARGET_PASSWORD: found one of them, expected both or neither")


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


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Number = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """The settings; the variable of each field but the last two is FERRYMAN_<FIELD>."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True,
        alias_generator=lambda name: f"{_PREFIX}{name.upper()}",
    )  # fmt: skip

    items: Path = Path("items.yml")
    database_url: SecretStr = SecretStr("sqlite+aiosqlite:///data/ferryman.db")  # the store checks it
    workers: Number = 4  # copies at once, in one process
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
    target_user: str | None = Field(None, alias="TARGET_USER")
    target_password: SecretStr | None = Field(None, alias="TARGET_PASSWORD")

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "Settings":
        """Parse the environment; an empty variable counts as unset. Raises ConfigurationError with every Problem."""
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


def _problem(detail: ErrorDetails, given: Mapping[str, str], known: set[str | None]) -> Problem:
    name = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        return Problem(f"{name}: there is no such setting: {_nearest(name, sorted(filter(None, known)))}")
    return Problem(f"{name}: found {given[name]!r}, {_expected(detail)}")


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
