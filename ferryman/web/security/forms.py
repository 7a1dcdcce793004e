"""Forms that only our own pages can send (CSRF): a token in each, bound to the login, and the Origin header."""

import hmac

from ferryman.web.security.sessions import Session

FIELD = "form_token"
HEADER = "X-Form-Token"  # for scripts
VISITOR = "ferryman_visitor"  # cookie: what the login form is bound to, where there is no session yet


class FormTokens:
    """Makes and checks the tokens. `key`: as long-lived as the tokens in the settings."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, session: Session | None, visitor: str) -> str:
        """The token for this session's forms, or for this visitor's login form."""
        bound_to = f"session {session.number}" if session else f"visitor {visitor}"
        return hmac.digest(self._key, bound_to.encode(), "sha256").hex()

    def is_right(self, shown: str, session: Session | None, visitor: str) -> bool:
        """Whether the form was one of ours. A visitor without a cookie has none."""
        if session is None and not visitor:
            return False
        return hmac.compare_digest(self.token(session, visitor).encode(), shown.encode())
