"""The table of unsuccessful answers, row by row."""

import pytest

from ferryman.errors import Denied, NotFound, RateLimited, TransferError, Unreachable, Unsupported, WrongContent
from ferryman.registry.http.classify import TABLE, WEB_PAGE, Phase, Row, classify

# A line of the table each, in its order: an answer that only this line decides, and one more of its kind.
LINES: list[tuple[type[TransferError], list[tuple[int, str, Phase]]]] = [
    (RateLimited, [(403, "TOOMANYREQUESTS", "read"), (500, "TOOMANYREQUESTS", "upload")]),
    (RateLimited, [(429, "", "read"), (429, "DENIED", "upload")]),
    (WrongContent, [(400, "DIGEST_INVALID", "upload"), (500, "SIZE_INVALID", "manifest")]),
    (Unreachable, [(404, "BLOB_UPLOAD_UNKNOWN", "upload"), (500, "BLOB_UPLOAD_UNKNOWN", "upload")]),
    (NotFound, [(500, "MANIFEST_UNKNOWN", "read"), (400, "NAME_UNKNOWN", "upload"), (502, "BLOB_UNKNOWN", "read")]),
    (
        Unsupported,
        [(500, "MANIFEST_INVALID", "manifest"), (503, "TAG_INVALID", "manifest")],
    ),
    (Unsupported, [(501, "", "read"), (505, "", "upload")]),
    (Unreachable, [(500, "", "read"), (503, "UNKNOWN", "upload"), (507, "", "upload"), (599, WEB_PAGE, "read")]),
    (Unsupported, [(409, "", "manifest"), (409, "TAG_INVALID", "manifest")]),
    (Unreachable, [(408, "", "read"), (409, "", "upload"), (423, "", "upload"), (425, "", "read")]),
    (Unreachable, [(403, WEB_PAGE, "read"), (403, WEB_PAGE, "upload")]),
    (Unreachable, [(403, "", "elsewhere")]),
    (Denied, [(401, "", "read"), (403, "DENIED", "elsewhere"), (403, "", "upload"), (401, WEB_PAGE, "read")]),
    (NotFound, [(404, "", "read"), (410, WEB_PAGE, "read"), (404, "MANIFEST_BLOB_UNKNOWN", "manifest")]),
    (
        Unsupported,
        [(406, "", "read"), (415, "", "manifest"), (412, "", "manifest"), (400, "", "upload")],
    ),
]


def codes(code: str) -> frozenset[str]:
    return frozenset({code} if code else ())


def deciding(status: int, code: str, phase: Phase) -> Row | None:
    return next((row for row in TABLE if row.fits(status, codes(code), phase)), None)


def test_every_row_of_the_table_is_tested() -> None:
    assert [row.error for row in TABLE] == [error for error, _ in LINES]


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_row(number: int) -> None:
    error, answers = LINES[number]
    for status, code, phase in answers:
        assert deciding(status, code, phase) is TABLE[number], (status, code, phase)
        assert classify(status, codes(code), phase) is error


def test_every_unsuccessful_status_has_a_row() -> None:
    phases: list[Phase] = ["read", "upload", "manifest", "elsewhere"]
    for status in range(400, 600):
        assert all(deciding(status, "", phase) for phase in phases), status


@pytest.mark.parametrize("status", [200, 304, 302])
def test_a_status_below_400_is_wrong_content(status: int) -> None:
    assert classify(status, (), "read") is WrongContent
