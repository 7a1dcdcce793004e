"""A request that is refused, with a sentence for the person who made it."""

from collections.abc import Mapping


class Refused(Exception):
    """Raise it in a handler; the reader gets a page, a program a problem document (RFC 9457)."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        """`detail`: a sentence in the reader's language, without secrets. `members`: more of the problem document."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members or {}
