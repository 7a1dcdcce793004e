"""Who is told: the URLs of `notify:` and of FERRYMAN_NOTIFY, with names that do not contain them."""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import SecretStr

from ferryman.items.model import Configuration, Recipient

_LENGTH = 16  # bytes of a hash
_SALT = b"ferryman notify"  # not a random one: each process finds the same hash


@dataclass(frozen=True, slots=True)
class NamedRecipient:
    """A recipient, as messages about it call it."""

    recipient: Recipient
    name: str  # `notify[2] (dingtalk)`

    @property
    def key(self) -> str:
        """What the database has in place of the URL, which is a secret."""
        return _key(self.recipient.url)


@functools.lru_cache(maxsize=256)
def _key(url: str) -> str:
    """A hash, slow enough that a password in the URL cannot be guessed from it, and the same in every process."""
    return hashlib.scrypt(url.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=_LENGTH).hex()


def recipients(configuration: Configuration, variable: SecretStr | None) -> list[NamedRecipient]:
    """Everybody who is told. `variable`: the value of FERRYMAN_NOTIFY, URLs separated by white space.

    The first one with a URL counts: nobody is told twice.
    """
    found: dict[str, NamedRecipient] = {}
    for each in (*_named("notify", configuration.notify), *_named("FERRYMAN_NOTIFY", _of_variable(variable))):
        found.setdefault(each.recipient.url, each)
    return list(found.values())


def _of_variable(variable: SecretStr | None) -> tuple[Recipient, ...]:
    return tuple(Recipient(url) for url in variable.get_secret_value().split()) if variable else ()


def _named(where: str, written: tuple[Recipient, ...]) -> Iterator[NamedRecipient]:
    for number, recipient in enumerate(written, start=1):
        scheme, mark, _ = recipient.url.partition("://")
        yield NamedRecipient(recipient, f"{where}[{number}] ({scheme.lower() if mark else '?'})")
