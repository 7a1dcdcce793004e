"""What came of an action, shown once on the next page: in a signed cookie, so that nobody can put words there."""

import base64
import hmac
from datetime import timedelta

from ferryman.clock import Clock

COOKIE = "ferryman_notice"
LIFETIME = timedelta(minutes=1)
_LONGEST = 600  # characters of up to four bytes each, in base64: a cookie holds 4 kB
_PARTS = 3


class Notices:
    """Writes and reads the cookie's value: `text.expiry.signature`. `key`: a secret."""

    def __init__(self, key: bytes, *, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def write(self, text: str) -> str:
        """The value of the cookie."""
        ends = int((self._clock.now() + LIFETIME).timestamp())
        content = f"{base64.urlsafe_b64encode(text[:_LONGEST].encode()).decode().rstrip('=')}.{ends}"
        return f"{content}.{self._signature(content)}"

    def read(self, value: str) -> str | None:
        """The text; None if it has expired, or is not one of ours."""
        parts = value.split(".")
        if len(parts) != _PARTS or not hmac.compare_digest(
            self._signature(f"{parts[0]}.{parts[1]}").encode(), parts[2].encode()
        ):
            return None
        if int(parts[1]) < self._clock.now().timestamp():
            return None
        return base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)).decode()

    def _signature(self, content: str) -> str:
        return hmac.digest(self._key, f"notice {content}".encode(), "sha256").hex()
