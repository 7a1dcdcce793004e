"""Names in order: versions as people and PEP 440 read them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.versions import name_key, version_key

NEWEST_FIRST = [
    "v1.30.0", "v1.30.0-rc.1", "v1.30.0-beta.0", "v1.30.0-alpha.10", "v1.30.0-alpha.2",
    "1.25.1", "1.25", "1.25-perl", "1.25-bullseye", "1.25-arm64", "1.25-amd64", "1.25-alpine3.18", "1.25-alpine3.9",
    "1.25-rc1-alpine", "1.9", "1.2_1", "main-10", "main-9", "latest",
]  # fmt: skip


def test_versions_are_put_in_order() -> None:
    assert (
        sorted(random.Random(7).sample(NEWEST_FIRST, len(NEWEST_FIRST)), key=version_key, reverse=True) == NEWEST_FIRST
    )


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("1.2-alpine", "1.2"),  # not 1.2a, an alpha with a suffix "lpine"
        ("1.3-rc1", "1.3-alpine"),
        ("1.2", "1.2-1"),  # PEP 440 takes it for a post-release, as packagers do
        ("8u202", "8u212"),
        ("2023.12.31", "2024.01.01"),
        ("v2", "10"),
        ("edge", "0.1"),
    ],
)
def test_a_pair(smaller: str, larger: str) -> None:
    assert version_key(smaller) < version_key(larger)


def test_numbers_in_names_count_by_value_and_stand_before_words() -> None:
    assert sorted(["build-10", "build-9", "build", "7", "10"], key=name_key) == [
        "7",
        "10",
        "build",
        "build-9",
        "build-10",
    ]


@given(
    st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True), min_size=2, max_size=2, unique=True)
)
def test_any_two_tags_can_be_compared(names: list[str]) -> None:
    first, second = map(version_key, names)
    assert (first < second) != (second < first)
