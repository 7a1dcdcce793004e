"""Every error that Ferryman reports, as one tree.

    FerrymanError                 a sentence for a person: what it is about, and a hint where there is one
    ├── ConfigurationError        items.yml or a FERRYMAN_* setting is wrong; carries every Problem      (exit 2)
    ├── StoreError                the state database cannot be used                                      (exit 3)
    │   ├── NoDatabase            it does not exist, and is not to be created
    │   └── Unstorable            it works, but cannot store this value
    ├── AddressUnusable           the page cannot listen where FERRYMAN_LISTEN says                    (exit 3)
    ├── WorkStopped               a background task of the service keeps failing                       (exit 3)
    └── TransferError             a registry or the Docker Engine failed; has a `kind`
        ├── Temporary             a retry can help
        │   ├── Unreachable       unreachable    no connection, a broken one, a timeout, a 5xx
        │   │   └── TooSlow                      data flows below the least rate; only the queue retries
        │   ├── RateLimited       rate-limited   429 or `TOOMANYREQUESTS`; `retry_at`: when to retry
        │   ├── LoginUnsteady     login-unsteady  a login was refused that is accepted a moment later
        │   ├── EngineUnavailable engine         no Docker Engine answers
        │   ├── DiskFull          disk-full      the engine has no space left
        │   └── WrongContent      wrong-content  a digest, length or platform does not match
        └── Permanent             a retry cannot help until somebody changes something
            ├── LoginRefused      login          the credentials were refused: the whole registry is paused
            ├── Denied            denied         logged in (or anonymous), but not allowed
            ├── TlsFailed         tls            no TLS where it was expected, or an untrusted certificate
            ├── NotFound          not-found      no such repository, tag, manifest or blob
            ├── NoSuchPlatform    platform       the image has none of the wanted platforms: `skipped`
            ├── Collapsed         frozen         upstream has lost what is mirrored, or changed all of it: `release`
            ├── SignatureRefused  signature-refused  nobody whom items.yml trusts has signed the image
            └── Unsupported       unsupported    schema 1, Helm charts through an engine, immutable tags …

Exceptions of aiohttp, aiodocker and SQLAlchemy never leave the folder that uses the library.
Messages hold no secrets: URLs are quoted without their query, bodies are cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


class FerrymanError(Exception):
    """Any error that is reported to a person as a sentence, without a traceback."""


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
    """items.yml or the environment is invalid; nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(FerrymanError):
    """The state database cannot be used: of a newer version, unreachable, full, damaged."""


class NoDatabase(StoreError):
    """There is no state database at the configured place."""


class Unstorable(StoreError):
    """The value is at fault, not the database: a number that is too large, or text that is not valid."""


class AddressUnusable(FerrymanError):
    """The page cannot listen at its address: it is in use, or not this machine's."""


class WorkStopped(FerrymanError):
    """A background task failed after every restart."""


class TransferError(FerrymanError):
    """A registry or the Docker Engine did not do what was asked."""

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
        # Servers are not trusted: what they wrote may hold control characters, which a log line cannot show.
        super().__init__("".join(character if character.isprintable() else "?" for character in message))
        self.registry = registry  # the host that failed, where there is one
        self.retry_at = retry_at  # the earliest moment for a retry, where the server named one
        self.status = status  # of the HTTP response, where there was one
        self.codes = codes  # error codes of the distribution specification in the response
        self.reported = reported  # the server's own words alone: the message quotes names too, which may say anything


class Temporary(TransferError):
    """A retry can help."""

    temporary = True


class Unreachable(Temporary):
    """No connection, a broken connection, a timeout, or a 5xx."""

    kind = "unreachable"


class TooSlow(Unreachable):
    """Data flows below the least rate, or a timeout ended it: its slot is released, and only the queue retries."""


class RateLimited(Temporary):
    """A rate limit (429, or the code TOOMANYREQUESTS): send nothing before `retry_at` (None: unknown)."""

    kind = "rate-limited"


class LoginUnsteady(Temporary):
    """The registry refused a login that it accepts a moment later."""

    kind = "login-unsteady"


class EngineUnavailable(Temporary):
    """No Docker Engine answers at the configured address."""

    kind = "engine"


class DiskFull(Temporary):
    """The Docker Engine has no disk space left for an image."""

    kind = "disk-full"


class WrongContent(Temporary):
    """Received content does not match its digest, length or platform."""

    kind = "wrong-content"


class Permanent(TransferError):
    """A retry cannot help until somebody changes something."""

    temporary = False


class LoginRefused(Permanent):
    """A registry refused the credentials, or requires a login and none is configured."""

    kind = "login"


class Denied(Permanent):
    """The login was accepted (or the request is anonymous), and access is denied."""

    kind = "denied"


class TlsFailed(Permanent):
    """The server does not speak TLS, or its certificate is not trusted; no request was sent."""

    kind = "tls"


class NotFound(Permanent):
    """No such repository, tag, manifest or blob."""

    kind = "not-found"


class NoSuchPlatform(Permanent):
    """The source has none of the wanted platforms."""

    kind = "platform"


class Collapsed(Permanent):
    """The source has lost most of what is mirrored, or changed all of it at once: the item is frozen."""

    kind = "frozen"


class SignatureRefused(Permanent):
    """Nobody whom `verify_signatures` trusts has signed the image: nothing of it is copied."""

    kind = "signature-refused"


class Unsupported(Permanent):
    """An image or a registry that this transport does not support."""

    kind = "unsupported"


def defect_message(error: BaseException) -> str:
    """What the record says of a defect in Ferryman; its traceback is only in the log."""
    return f"defect in Ferryman, see the log: {type(error).__name__}"
