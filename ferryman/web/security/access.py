"""Who may read and who may act, by the tokens in the settings."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

Rank = Literal["read", "act"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: which token they showed. `name` stands in the audit log."""

    name: str
    may: Rank

    @property
    def has_token(self) -> bool:
        """Whether they are logged in."""
        return self != ANYBODY

    @property
    def may_act(self) -> bool:
        """Whether they may change something; all may read."""
        return self.may == "act"


ANYBODY = Actor("anybody", "read")
_ACTS = Actor("token", "act")
_READS = Actor("read token", "read")
PUBLIC = "public"  # as FERRYMAN_READ_TOKEN: everybody reads


class Access:
    """The tokens, and what each allows. Without FERRYMAN_TOKEN nobody acts.

    Everybody reads if FERRYMAN_READ_TOKEN is `public`, or if there is no token at all: then the settings allow no
    address but loopback.
    """

    def __init__(self, *, token: str | None, read_token: str | None) -> None:
        """`read_token`: may be PUBLIC."""
        self.public = read_token == PUBLIC
        self.closed = token is not None or (read_token is not None and not self.public)  # there is a token to show
        self._tokens = [(_ACTS, token)] if token else []
        if read_token and not self.public:
            self._tokens.append((_READS, read_token))

    @property
    def anybody(self) -> Actor | None:
        """Who asks without a token: a reader, or nobody."""
        return ANYBODY if self.public or not self.closed else None

    def actor(self, shown: str) -> Actor | None:
        """Whose token this is. Takes the same time for every token that is wrong."""
        given = _digest(shown)
        right = [actor for actor, token in self._tokens if hmac.compare_digest(_digest(token), given)]
        return right[0] if right else None

    def sessions_key(self, actor: Actor) -> bytes:
        """A secret that only this actor's token yields: another token makes another one."""
        token = next(token for each, token in self._tokens if each == actor)
        return hmac.digest(token.encode(), b"ferryman session", "sha256")

    def form_key(self) -> bytes:
        """A secret that comes from all tokens."""
        tokens = "\n".join(token for _, token in self._tokens)
        return hmac.digest(tokens.encode(), b"ferryman forms", "sha256") if tokens else secrets.token_bytes(32)

    def actors(self) -> list[Actor]:
        """Everybody who has a token."""
        return [actor for actor, _ in self._tokens]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
