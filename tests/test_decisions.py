"""The architecture and its decisions: each has a page of one form and a line in the index, and names what exists."""

import re
from pathlib import Path

import pytest

from ferryman.settings import Settings
from ferryman.store.database.tables import metadata

ROOT = Path(__file__).parent.parent
ARCHITECTURE, INDEX = ROOT / "docs/architecture.md", ROOT / "docs/decisions/README.md"
DECISIONS = sorted(path for path in INDEX.parent.glob("*.md") if path != INDEX)
PAGES = [ARCHITECTURE, *DECISIONS]
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "ferryman").rglob("*.py")))
SETTINGS = {field.alias for field in Settings.model_fields.values()}
MOST_WORDS = {ARCHITECTURE: 1700}  # its tables grow with each room
MOST_WORDS_OF_A_DECISION = 250

TITLE = re.compile(r"# (\d{4}): (.+)\n\nStatus: \w+ \d{4}-\d\d-\d\d.*\n")
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w./-]+(?:\.py|/)")
NAME = re.compile(r"(?:\w+\.)?(\w*(?:[a-z][A-Z]|\w_\w)\w*)")  # of a class, a function, a column or a setting


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "docs"))


def exists(name: str) -> bool:
    return name in SETTINGS or name.startswith("__") or re.search(rf"\b{name}\b", SOURCE) is not None


def title_of(page: Path) -> tuple[str, str]:
    """The number and the title."""
    found = TITLE.match(page.read_text())
    assert found, f"{page.name} begins otherwise than `# NNNN: title` and `Status: accepted YYYY-MM-DD`"
    return found[1], found[2]


def test_each_number_stands_for_one_decision() -> None:
    numbers = [title_of(page)[0] for page in DECISIONS]

    assert numbers == sorted(set(numbers))  # with gaps: a number is given before its decision is written
    assert [page.name[:5] for page in DECISIONS] == [f"{number}-" for number in numbers]


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_a_decision_has_its_three_headings(page: Path) -> None:
    assert HEADING.findall(page.read_text()) == ["Context", "Decision", "Consequences"]


def test_the_index_has_every_decision_by_its_title() -> None:
    lines = re.findall(r"^- \[(\d{4})\]\((.+?)\) (.+)$", INDEX.read_text(), re.MULTILINE)
    written = {file: (number, text) for number, file, text in lines}

    assert len(lines) == len(written) == len(DECISIONS)
    for page in DECISIONS:
        number, title = title_of(page)
        assert written[page.name][0] == number
        assert re.match(re.escape(title) + "[:.]", written[page.name][1]), page.name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_read_in_minutes(page: Path) -> None:
    words = [word for word in page.read_text().split() if re.search(r"\w", word)]

    assert len(words) <= MOST_WORDS.get(page, MOST_WORDS_OF_A_DECISION)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = [text for text in CODE.findall(page.read_text()) if FILE.fullmatch(text)]

    assert [text for text in named if not (ROOT / "ferryman" / text).exists() and not (ROOT / text).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_name_of_the_code_is_one(page: Path) -> None:
    named = [found[1] for text in CODE.findall(page.read_text()) if (found := NAME.fullmatch(text))]

    assert [name for name in named if not exists(name)] == []


def test_the_architecture_names_every_table_of_the_database() -> None:
    _, _, section = ARCHITECTURE.read_text().partition("\n## Tables\n")

    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(metadata.tables)
