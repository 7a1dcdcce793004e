"""The order of tag names: versions by PEP 440, other names in natural order."""

import random
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferryman.versions import name_key, names_one_release, version_key, version_order

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
def test_the_order_of_two_names(smaller: str, larger: str) -> None:
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


# What is no version of the repository's usual shape

RELEASES = ["1.27.3", "v1.26.0", "1.25-alpine", "1.25.1", "2.0.0-rc.1"]
STRANGERS = [
    "20240101", "2024-01-31", "20240131-0600", "20240131T060000Z-amd64", "1704067200", "1234", "1234-amd64", "1a2b3c4",
    "7f3e9d1-alpine", "deadbe1f" * 5, "nightly-20240101", "build-1234", "latest", "main", "sha-1a2b3c4",
]  # fmt: skip


def highest_first(names: list[str]) -> list[str]:
    return sorted(names, key=version_order(names), reverse=True)


@given(releases=st.lists(st.sampled_from(RELEASES), min_size=3, unique=True), strangers=st.permutations(STRANGERS))
def test_releases_are_larger_than_dates_commits_and_build_numbers(releases: list[str], strangers: list[str]) -> None:
    assert set(highest_first([*strangers, *releases])[: len(releases)]) == set(releases)


@given(st.lists(st.dates(min_value=date(1980, 1, 1), max_value=date(2099, 12, 31)), min_size=1, unique=True), st.data())
def test_dates_are_ordered_by_date(days: list[date], data: st.DataObject) -> None:
    ways = st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y_%m_%d-amd64", "%Y%m%d-120000", "v%Y%m%d0600"])
    written = {f"{day:{data.draw(ways)}}": day for day in days}
    # Of two on one day nothing is said; here no two are.
    assert [written[name] for name in highest_first(list(written))] == sorted(days, reverse=True)


@pytest.mark.parametrize(
    ("names", "highest"),
    [
        (["20240101", "20240102", "20231231", "1.0"], "20240102"),  # one stray release does not make a habit
        ([*(f"2024{month:02}01" for month in range(1, 13)), "1.0", "1.1", "0.9"], "1.1"),  # nightlies of releases
        ([f"0.{number}" for number in range(90, 116)] + ["2021.1.0", "2024.1.5"], "2024.1.5"),  # a change of scheme
        (["12", "11", "12.5", "11.9", "10.3", "1234"], "12.5"),
        (["13", "12", "12.5", "13.0", "10.3", "1234"], "13.0"),
        ([str(number) for number in range(1, 1500)], "1499"),  # builds, all of them
        (["8", "11-jre", "17", "8u202", "latest"], "17"),
        (["2017-latest", "2019-CU18-ubuntu", "2022-CU1", "latest"], "2022-CU1"),
        (["1a2b3c4", "latest", "7"], "7"),
        (["1.0", "20240101"], "1.0"),  # as many of either
        (["2.0.20240306.2", "2023.3.20240219.0", "2018.03.0.1", "1"], "2023.3.20240219.0"),
        (["build-9", "build-10"], "build-10"),
    ],
)
def test_the_highest(names: list[str], highest: str) -> None:
    assert highest_first(names)[0] == highest


@given(st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True), unique=True), st.randoms())
@example(["20240101", "1.0", "1a2b3c4", "9" * 128], random.Random(1))
def test_the_order_does_not_depend_on_the_order_of_the_list(names: list[str], shuffle: random.Random) -> None:
    mixed = list(names)
    shuffle.shuffle(mixed)
    assert highest_first(mixed) == highest_first(names)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("1.2.3", True), ("v1.2.3-alpine", True), ("1.2.3-rc.1", True), ("20240131", True), ("2024-01-31-amd64", True),
        ("latest", False), ("1.2", False), ("v1", False), ("1.2-alpine", False), ("1a2b3c4", False), ("main", False),
    ],
)  # fmt: skip
def test_a_name_of_one_release_is_told_from_one_that_follows_releases(name: str, is_one: bool) -> None:
    assert names_one_release(name) is is_one
