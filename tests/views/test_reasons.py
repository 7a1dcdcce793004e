"""Descriptions of reason codes, and shortened names."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ferryman import errors
from ferryman.planner import Reason
from ferryman.views.reasons import reason_in_words, shortened

KINDS = [found.kind for found in vars(errors).values() if hasattr(found, "kind")]


@pytest.mark.parametrize("code", [*get_args(Reason), *KINDS])
def test_every_reason_has_its_words(code: str) -> None:
    assert reason_in_words(code) != code.replace("-", " ") or code == "new"


def test_a_reason_of_another_version_is_shown_as_it_is() -> None:
    assert reason_in_words("too-new-for-us") == "too new for us"


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (40, "kube-apiserver:v1.30.1-rc.0"),
        (27, "kube-apiserver:v1.30.1-rc.0"),
        (13, "kube-a…1-rc.0"),
        (2, "k…"),
        (1, "…"),
    ],
)
def test_what_is_too_long_loses_its_middle(width: int, told: str) -> None:
    assert shortened("kube-apiserver:v1.30.1-rc.0", width) == told


def test_wide_characters_count_twice() -> None:
    assert shortened("镜像仓库同步:最新版本", 11) == "镜像…版本"


@given(st.text(st.characters(exclude_categories=["C", "M"])), st.integers(0, 30))
def test_it_never_takes_more_than_its_room(text: str, width: int) -> None:
    assert cell_len(shortened(text, width)) <= width
    assert shortened(text, cell_len(text)) == text
