"""Every error that Ferryman reports, as one tree.

    FerrymanError                 a sentence for a person: it names the thing, and the mend where there is one
    ├── ConfigurationError        items.yml or a FERRYMAN_* setting is wrong; carries every Problem      (exit 2)
    ├── StoreError                the state database cannot be used                                      (exit 3)
    │   ├── NoDatabase            there is none, and nobody asked to make one
    │   └── Unstorable            it can, but does not take this value
    ├── WorkStopped               a background task of the service keeps ending                        (exit 3)
    └── TransferError             what a registry or the Docker Engine did; has a `kind`
        ├── Temporary             trying again can help
        │   ├── Unreachable       unreachable    no connection, a cut, a stall, a 5xx
        │   │   └── TooSlow                      it goes on, and would hold its place for too long
        │   ├── RateLimited       rate-limited   429 or `toomanyrequests`; `retry_at` says from when
        │   ├── LoginUnsteady     login-unsteady  a login was refused that is taken a moment later
        │   ├── EngineUnavailable engine         no Docker Engine answers
        │   ├── DiskFull          disk-full      the engine has no room
        │   └── WrongContent      wrong-content  what arrived is not what was promised
        └── Permanent             trying again cannot help until somebody changes something
            ├── LoginRefused      login          the credentials were refused: the whole registry is paused
            ├── Denied            denied         logged in (or anonymous), but not allowed
            ├── TlsFailed         tls            no TLS where it was expected, or a certificate that is not trusted
            ├── NotFound          not-found      no such repository, tag, manifest or blob
            ├── NoSuchPlatform    platform       the image has none of the wanted platforms: `skipped`
            └── Unsupported       unsupported    schema 1, Helm charts through an engine, immutable tags …

aiohttp's, aiodocker's and SQLAlchemy's exceptions never cross the folder that uses them.
Messages hold no secret: URLs are quoted without their query, bodies are cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


class FerrymanError(Exception):
    """Anything Ferryman reports to a person in a sentence, without a traceback."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration: where it is, what was found, and what was expected."""

    message: str
    file: str | None = None
    line: int | None = None  # 1-based
    column: int | None = None  # 1-based

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place}: {self.message}" if place else self.message


class ConfigurationError(FerrymanError):
    """items.yml or the environment is wrong; nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(FerrymanError):
    """The state database cannot be used: of a newer version, unreachable, full, damaged."""


class NoDatabase(StoreError):
    """There is no state database where one was looked for."""


class Unstorable(StoreError):
    """What was to be written is at fault, not the database: a number too large, or a text that is none."""


class WorkStopped(FerrymanError):
    """A background task was started again and again, and ended every time."""


class TransferError(FerrymanError):
    """What a registry or the Docker Engine did instead of what was asked."""

    kind: ClassVar[str]
    temporary: ClassVar[bool]

    def __init__(
        self,
        message: str,
        *,
        registry: str | None = None,
        retry_at: datetime | None = None,
        reported: str = "",
        status: int | None = None,
        codes: frozenset[str] = frozenset(),
    ) -> None:
        # What a stranger wrote may be no text at all, or nothing that a line of a log can show.
        super().__init__("".join(each if each.isprintable() else "?" for each in message))
        self.registry = registry  # the host that is to blame, where one is
        self.retry_at = retry_at  # not before this moment, where the other side said so
        self.status = status  # of the HTTP answer, where one came
        self.codes = codes  # of the distribution specification, that the answer named
        self.reported = reported  # by the other side: the message names things too, which may be called anything


class Temporary(TransferError):
    """Trying again can help."""

    temporary = True


class Unreachable(Temporary):
    """No connection, a cut, a stall, or an answer of 5xx."""

    kind = "unreachable"


class TooSlow(Unreachable):
    """It goes on below the least rate, or beyond a time: its place is given up, and only the queue tries again."""


class RateLimited(Temporary):
    """The registry wants to be left alone until `retry_at` (unknown: None)."""

    kind = "rate-limited"


class LoginUnsteady(Temporary):
    """The registry refused a login that it takes a moment later."""

    kind = "login-unsteady"


class EngineUnavailable(Temporary):
    """No Docker Engine answers where one was looked for."""

    kind = "engine"


class DiskFull(Temporary):
    """The Docker Engine has no room left for an image."""

    kind = "disk-full"


class WrongContent(Temporary):
    """What arrived is not what was promised: a digest, a length, a platform."""

    kind = "wrong-content"


class Permanent(TransferError):
    """Trying again cannot help until somebody changes something."""

    temporary = False


class LoginRefused(Permanent):
    """A registry refused the credentials, or wants some where there are none."""

    kind = "login"


class Denied(Permanent):
    """The registry knows who asks, and does not allow it."""

    kind = "denied"


class TlsFailed(Permanent):
    """No TLS is spoken where it was expected, or the certificate is not trusted: nothing was asked."""

    kind = "tls"


class NotFound(Permanent):
    """No such repository, tag, manifest or blob."""

    kind = "not-found"


class NoSuchPlatform(Permanent):
    """The source has none of the wanted platforms."""

    kind = "platform"


class Unsupported(Permanent):
    """An image, or a registry, that this transport cannot serve."""

    kind = "unsupported"
