"""Cursors: what a page gives is taken back, and nothing else."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.store.queries.pages import InvalidCursor, bounded, decode_cursor, encode_cursor

AT = datetime(2026, 5, 1, 12, 0, 0, 5, tzinfo=UTC)


def test_a_cursor_is_taken_back() -> None:
    key = ("1.27-\u00e9", 7, AT)
    assert decode_cursor(encode_cursor(key), str, int, datetime) == key


@pytest.mark.parametrize("types", [(int, int), (str,), (int,), ()])
def test_the_cursor_of_another_list_is_refused(types: tuple[type, ...]) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(("name", 7)), *types)


@given(st.text())
def test_what_no_page_has_given_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, str, int, datetime)


@pytest.mark.parametrize("key", [[{"at": "never"}], [{"at": 1}], [{}], [True], [2**70], {"a": 1}, 7, None])
def test_a_forged_cursor_is_refused(key: object) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(base64.urlsafe_b64encode(json.dumps(key).encode()).decode(), int)


def test_nobody_gets_a_million_rows() -> None:
    assert [bounded(size) for size in (-1, 0, 50, 10**6)] == [1, 1, 50, 200]
