"""Maps an unsuccessful HTTP answer to an error class: the table that decides what is retried.

A status alone is not enough: registries send a decision ("this manifest is invalid") as 500, and gateways an outage as
403. So a row matches the status, the error codes in the body, and the phase (what was being done).

A 429 is RateLimited in every phase, during an upload too: `Retry-After` holds the registry (limits/host_limits.py), the
upload is not repeated (blobs/uploads.py), and the job is retried later, not before `Retry-After` (ferryman/retry.py).

Source: distribution specification, "Error Codes"; RFC 9110, 15; other known answers are explained at their rows.
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

# upload: of a blob; manifest: pushing one; elsewhere: the answer of a host that the registry redirected to.
Phase = Literal["read", "upload", "manifest", "elsewhere"]

WEB_PAGE = "<web page>"  # added to the codes if the body is HTML, which no registry sends
_ANY = range(400, 600)
_SERVER = range(500, 600)
_GONE = ("*_UNKNOWN",)
_DECIDED = ("MANIFEST_*", "BLOB_*", "TAG_*", "NAME_*", "UNSUPPORTED")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; the first that fits counts."""

    statuses: range | frozenset[int]
    error: type[TransferError]
    codes: tuple[str, ...] = ()  # at least one of them; `*` matches anything; empty: any codes or none
    phases: tuple[Phase, ...] = ("read", "upload", "manifest", "elsewhere")
    names_none: bool = False  # only if the body has no code

    def fits(self, status: int, codes: Collection[str], phase: Phase) -> bool:
        if status not in self.statuses or phase not in self.phases or (self.names_none and codes):
            return False
        return not self.codes or any(_is_like(code, pattern) for code in codes for pattern in self.codes)


TABLE = (
    Row(_ANY, RateLimited, ("TOOMANYREQUESTS",)),
    Row(frozenset({429}), RateLimited),  # in every phase; see the head of this file for a 429 during an upload
    # The content was damaged on its way, or the upload session is lost: the upload starts again.
    Row(_ANY, WrongContent, ("DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID"), ("upload", "manifest")),
    Row(_ANY, Unreachable, ("BLOB_UPLOAD_UNKNOWN",), ("upload",)),
    # A decision about the request, whatever the status: MANIFEST_UNKNOWN comes as 400 and as 500 too.
    Row(frozenset({400, *_SERVER}), NotFound, _GONE),
    Row(_SERVER, Unsupported, _DECIDED),
    Row(frozenset({501, 505}), Unsupported),  # not implemented; a version of HTTP
    Row(_SERVER, Unreachable),  # also 507, a full disk: space will be freed
    # Busy, in conflict with another upload, locked: temporary.
    Row(frozenset({409}), Unsupported, phases=("manifest",)),  # a tag that may not be overwritten
    Row(frozenset({408, 409, 421, 423, 424, 425, 499}), Unreachable),
    # From a firewall or a login page of a network, or from storage for an expired signed URL. Not from the registry.
    Row(frozenset({403}), Unreachable, (WEB_PAGE,)),
    Row(frozenset({403}), Unreachable, phases=("elsewhere",), names_none=True),
    Row(frozenset({401, 402, 403, 451}), Denied),
    Row(frozenset({404, 410}), NotFound),
    Row(range(400, 500), Unsupported),  # 405, 406, 412 (an immutable tag), 413, 415, 422 …
)


def classify(status: int, codes: Collection[str], phase: Phase) -> type[TransferError]:
    """The error class of an answer. WrongContent for a status below 400, where content was expected."""
    return next((row.error for row in TABLE if row.fits(status, codes, phase)), WrongContent)


def _is_like(code: str, pattern: str) -> bool:
    begin, _, end = pattern.partition("*")
    return code == pattern or ("*" in pattern and code.startswith(begin) and code.endswith(end))
