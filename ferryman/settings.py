"""The FERRYMAN_* environment variables, as values. One bad value does not hide another."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

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
    cache_limit: ByteSize = ByteSize(20 * 2**30)  # bytes of pulled images that the engine keeps
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
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            raise ConfigurationError([*(_problem(detail, given, known) for detail in details), *problems]) from None
        if problems:
            raise ConfigurationError(problems)
        return settings


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
