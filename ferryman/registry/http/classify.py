"""What an answer that is no success means: the one table that says what is worth trying again.

A status alone does not tell: registries put a decision ("this manifest is invalid") into a 500, and gateways put an
outage into a 403. So a row looks at the status, at the codes that the body names, and at what was being done.
Source: distribution specification, "Error Codes"; RFC 9110, 15; what else is sent stands in the row that is for it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from ferryman.errors import (
    Denied,
    NotFound,
    RateLimited,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)

# upload: of a blob; manifest: one is pushed; elsewhere: answered by a host that the registry redirected to.
Phase = Literal["read", "upload", "manifest", "elsewhere"]

WEB_PAGE = "<web page>"  # stands among the codes for a body that is HTML, which no registry sends
_ANY = range(400, 600)
_SERVER = range(500, 600)
_GONE = ("*_UNKNOWN",)
_DECIDED = ("MANIFEST_*", "BLOB_*", "TAG_*", "NAME_*", "UNSUPPORTED")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; the first that fits decides."""

    statuses: range | frozenset[int]
    error: type[TransferError]
    codes: tuple[str, ...] = ()  # one of them is named; `*` stands for anything; none: whatever is named
    phases: tuple[Phase, ...] = ("read", "upload", "manifest", "elsewhere")
    names_none: bool = False  # only where no code is named

    def fits(self, status: int, codes: Collection[str], phase: Phase) -> bool:
        if status not in self.statuses or phase not in self.phases or (self.names_none and codes):
            return False
        return not self.codes or any(_is_like(code, pattern) for code in codes for pattern in self.codes)


TABLE = (
    Row(_ANY, RateLimited, ("TOOMANYREQUESTS",)),
    Row(frozenset({429}), RateLimited),
    # What was sent arrived damaged, or the upload is lost: it is sent again.
    Row(_ANY, WrongContent, ("DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID"), ("upload", "manifest")),
    Row(_ANY, Unreachable, ("BLOB_UPLOAD_UNKNOWN",), ("upload",)),
    # A decision about what was asked for, whatever the status: MANIFEST_UNKNOWN comes as 400 and as 500 too.
    Row(frozenset({400, *_SERVER}), NotFound, _GONE),
    Row(_SERVER, Unsupported, _DECIDED),
    Row(frozenset({501, 505}), Unsupported),  # not implemented; a version of HTTP
    Row(_SERVER, Unreachable),  # also 507, a full disk: somebody will make room
    # Busy, in conflict with another upload, locked: it passes.
    Row(frozenset({409}), Unsupported, phases=("manifest",)),  # a tag that may not be overwritten
    Row(frozenset({408, 409, 421, 423, 424, 425, 499}), Unreachable),
    # A firewall or a network's login page says this, and storage to a signed URL that has run out. Not the registry.
    Row(frozenset({403}), Unreachable, (WEB_PAGE,)),
    Row(frozenset({403}), Unreachable, phases=("elsewhere",), names_none=True),
    Row(frozenset({401, 402, 403, 451}), Denied),
    Row(frozenset({404, 410}), NotFound),
    Row(range(400, 500), Unsupported),  # 405, 406, 412 (an immutable tag), 413, 415, 422 …
)


def classify(status: int, codes: Collection[str], phase: Phase) -> type[TransferError]:
    """The error that an answer means. WrongContent for what is no refusal, where content was expected."""
    return next((row.error for row in TABLE if row.fits(status, codes, phase)), WrongContent)


def _is_like(code: str, pattern: str) -> bool:
    begin, _, end = pattern.partition("*")
    return code == pattern or ("*" in pattern and code.startswith(begin) and code.endswith(end))
