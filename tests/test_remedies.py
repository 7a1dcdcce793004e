"""What mends an error is one text: that of docs/troubleshooting.md, in both languages."""

import re
from pathlib import Path

import pytest

from ferryman.i18n.languages import languages
from ferryman.i18n.texts import _, using
from ferryman.remedies import LOOK_FIRST, OWN_DISK, REMEDIES, Remedy, remedy_for

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {"en": DOCS / "troubleshooting.md", "zh": DOCS / "zh/troubleshooting.md"}


def plain(markdown: str) -> str:
    """Without code marks and links, and with single spaces."""
    return " ".join(re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown).replace("`", "").split())


def rows(language: str) -> list[tuple[str, str]]:
    cells = [line.strip("|").split(" | ") for line in PAGES[language].read_text().splitlines() if line.startswith("| ")]
    return [(plain(first), plain(second.removesuffix(" "))) for first, second in cells]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.found_in[0])
def test_a_remedy_is_what_the_document_says_of_these_messages(language: str, remedy: Remedy) -> None:
    [(_messages, said)] = [row for row in rows(language) if all(text in row[0] for text in remedy.found_in)]

    with using(languages()[language]):
        assert said.startswith(_(remedy.text))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_where_to_look_first_is_the_document_s_first_sentence(language: str) -> None:
    with using(languages()[language]):
        assert _(LOOK_FIRST) in plain(PAGES[language].read_text())


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        ("GET https://r.io/v2/: the login of 'me' was refused", "The registry rejected the login"),
        ("r.io: cannot connect: Connection refused", "The registry, or the way to it"),
        ("the state database x: the disk is full; free some room, nothing of the record is lost", OWN_DISK),
        ("something new", LOOK_FIRST),
        (None, LOOK_FIRST),
    ],
)
def test_a_remedy_is_found_by_what_an_error_says(error: str | None, begins: str) -> None:
    assert remedy_for(error).startswith(begins)
