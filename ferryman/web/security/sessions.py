"""The cookie of a login: signed, not stored. Its key comes from the token, so another token ends every session."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from ferryman.clock import Clock
from ferryman.web.security.access import Access, Actor

LIFETIME = timedelta(hours=12)
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Session:
    """One login."""

    actor: Actor
    number: str  # random: forms are bound to it


class Sessions:
    """Makes and reads the cookie's value: `act.1777636800.1f2e….signature`."""

    def __init__(self, access: Access, *, clock: Clock) -> None:
        self._access = access
        self._clock = clock

    def begin(self, actor: Actor) -> str:
        """The value of a new cookie."""
        ends = int((self._clock.now() + LIFETIME).timestamp())
        content = f"{actor.may}.{ends}.{secrets.token_hex(16)}"
        return f"{content}.{self._signature(actor, content)}"

    def read(self, value: str) -> Session | None:
        """The session; None if it has expired, or is not signed by a token that is valid now."""
        parts = value.split(".")
        if len(parts) != _PARTS or not parts[1].isdecimal():
            return None
        may, ends, number, signature = parts
        actor = next((each for each in self._access.actors() if each.may == may), None)
        if actor is None or not hmac.compare_digest(
            self._signature(actor, f"{may}.{ends}.{number}").encode(), signature.encode()
        ):
            return None
        return Session(actor, number) if int(ends) > self._clock.now().timestamp() else None

    def _signature(self, actor: Actor, content: str) -> str:
        return hmac.digest(self._access.sessions_key(actor), content.encode(), "sha256").hex()
