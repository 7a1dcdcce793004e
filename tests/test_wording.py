"""Numbers with their nouns."""

import pytest

from ferryman.wording import counted


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "tag", "0 tags"),
        (1, "tag", "1 tag"),
        (2, "tag", "2 tags"),
        (1, "registry", "1 registry"),
        (3, "registry", "3 registries"),
        (2, "key", "2 keys"),
        (2, "index", "2 indexes"),
        (2, "try", "2 tries"),
        (1_234_567, "item", "1,234,567 items"),
    ],
)
def test_a_noun_follows_its_number(number: int, noun: str, told: str) -> None:
    assert counted(number, noun) == told


def test_an_irregular_plural_is_given() -> None:
    assert [counted(number, "tag waits", "tags wait") for number in (1, 2)] == ["1 tag waits", "2 tags wait"]
