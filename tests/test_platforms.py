"""Platforms, normalised as containerd does, and which of them are wanted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.platforms import Platform, Platforms

AMD64 = Platform.parse("linux/amd64")
words = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,6}[A-Za-z0-9])?", fullmatch=True)
platforms = st.builds(Platform.of, words, words, st.one_of(st.none(), words))


@given(platforms)
def test_a_platform_round_trips_through_text(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform


@given(platforms)
def test_normalising_twice_changes_nothing(platform: Platform) -> None:
    assert Platform.of(platform.os, platform.architecture, platform.variant) == platform


@given(st.lists(platforms, min_size=1, max_size=5))
def test_a_list_round_trips_through_text(listed: list[Platform]) -> None:
    parsed = Platforms.parse([str(each) for each in listed])
    assert parsed.listed == tuple(dict.fromkeys(listed))
    assert Platforms.parse(str(parsed)) == parsed
    assert all(parsed.admits(each, AMD64) for each in listed)


@given(st.text())
def test_any_text_is_a_platform_or_a_value_error(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except ValueError:
        return
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/arm/5", "linux/arm/v5"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
    ],
)
def test_two_spellings_of_one_platform(text: str, same: str) -> None:
    assert Platform.parse(text) == Platform.parse(same)


@pytest.mark.parametrize("text", ["linux/arm/v6", "linux/amd64/v3", "linux/arm64/v9", "linux/s390x", "windows/amd64"])
def test_different_platforms_are_not_equal(text: str) -> None:
    assert str(Platform.parse(text)) == text
    assert Platform.parse(text) not in {AMD64, Platform.parse("linux/arm64"), Platform.parse("linux/arm/v7")}


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "linux amd64", "linux/am d64"])
def test_invalid_platforms(text: str) -> None:
    with pytest.raises(ValueError, match="such as linux/arm64"):
        Platform.parse(text)


@pytest.mark.parametrize("keyword", ["native", "linux", "all"])
def test_platform_keywords(keyword: str) -> None:
    assert str(Platforms.parse(keyword)) == keyword
    assert Platforms.parse(keyword).listed == ()


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="is empty"):
        Platforms.parse([])


@pytest.mark.parametrize(
    ("wanted", "admitted"),
    [
        ("native", {"linux/arm64"}),
        ("linux", {"linux/amd64", "linux/arm64", "linux/arm/v7"}),
        ("all", {"linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64"}),
        ("linux/amd64,linux/arm/v7", {"linux/amd64", "linux/arm/v7"}),
        ("linux/arm64/v8", {"linux/arm64"}),
        ("linux/arm/v6", set()),
    ],
)
def test_which_platforms_are_admitted(wanted: str, admitted: set[str]) -> None:
    offered = ["linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64"]
    native = Platform.parse("linux/arm64")
    parsed = Platforms.parse(wanted)
    assert {text for text in offered if parsed.admits(Platform.parse(text), native)} == admitted
