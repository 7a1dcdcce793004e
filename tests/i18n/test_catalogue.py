"""Every text is translated: a missing translation fails the build."""

import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from tests.support.messages import CATALOGUE, extracted, update, written

PLACEHOLDER = re.compile(r"%\((\w+)\)s|%")


@pytest.fixture(scope="module")
def texts() -> Catalog:
    return extracted()


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    return written()


def identifiers(catalogue: Catalog) -> set[object]:
    return {message.id for message in catalogue if message.id}


def forms(text: str | Sequence[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else text


def placeholders(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text.replace("%%", "")))


def test_the_catalogue_has_every_text_and_no_other(texts: Catalog, catalogue: Catalog) -> None:
    assert "Overview" in identifiers(texts), "of a template"
    assert "This token is wrong." in identifiers(texts), "of a module"
    assert identifiers(texts) == identifiers(catalogue), "make messages"
    assert not catalogue.obsolete


def test_every_text_is_translated_with_its_placeholders(catalogue: Catalog) -> None:
    def is_right(message: Message) -> bool:
        wanted = placeholders(forms(message.id)[-1])
        return all(form and placeholders(form) == wanted for form in forms(message.string or "")) and not message.fuzzy

    assert [message.id for message in catalogue if message.id and not is_right(message)] == []


def test_an_update_keeps_translations_and_adds_and_drops_texts(tmp_path: Path, texts: Catalog) -> None:
    path = tmp_path / "messages.po"
    path.write_text(CATALOGUE.read_text().replace('msgid "Overview"', 'msgid "Not in the source"'))

    update(path, deepcopy(texts))
    found = written(path)

    assert found.get("Not in the source") is None
    assert [message.id for message in found if message.id and not message.string] == ["Overview"]
    tidy = path.read_text()
    update(path, deepcopy(texts))
    assert path.read_text() == tidy
