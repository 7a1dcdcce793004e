"""Texts of strangers are one plain line."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis.strategies import text

from ferryman.notify.neutral import neutralised


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("v1.2.3_rc-1+x", "v1.2.3_rc-1+x"),
        ("<script>alert(1)</script>", "‹script›alert(1)‹/script›"),
        ("<!channel> <at user_id=\"all\">x</at>", "‹!channel› ‹at user_id=\"all\"›x‹/at›"),
        ("@everyone @13800000000", "＠everyone ＠13800000000"),
        ("**b** [x](http://evil.example) `c` ~~s~~ ||p||", "∗∗b∗∗ ［x］(http:⁄⁄evil.example) 'c' ∼∼s∼∼ ¦¦p¦¦"),
        ("\x1b[31mred\x1b[0m", "［31mred ［0m"),
        ("a\r\nb\u2028c\x00d", "a b c d"),
        ("abc\u202egnp.exe\u2066", "abc gnp.exe"),
        ("&lt;b&gt;", "＆lt;b＆gt;"),
        ("# head", "＃ head"),
        ("中文 テスト", "中文 テスト"),
    ],
)  # fmt: skip
def test_markup_becomes_what_looks_like_it(written: str, shown: str) -> None:
    assert neutralised(written) == shown


def test_a_long_text_loses_its_end() -> None:
    assert neutralised("x" * 100, 10) == "x" * 9 + "…"
    assert neutralised("x" * 10, 10) == "x" * 10


@given(text())
def test_nothing_is_left_that_means_something(written: str) -> None:
    shown = neutralised(written)

    assert not set(shown) & set("<>@`*[]|~\\&#\n\r\x1b")
    assert "//" not in shown
    assert not [each for each in shown if unicodedata.category(each).startswith("C")]
    assert neutralised(shown) == shown
