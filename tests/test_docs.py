"""The READMEs fail the build: what a user can type, set or get stands in both of them, and is what they say."""

import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from ferryman import cli, items
from ferryman.settings import Settings
from ferryman.store.database.database import open_database
from ferryman.store.ledger import HistoryLine, Ledger
from ferryman.store.records import ItemKey
from ferryman.views.json_documents import tag_document

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
EVERYWHERE = {"--items", "--help"}  # stand above the table of commands
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMENT = re.compile(r"\s+# .*$", re.MULTILINE)
readme = pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=lambda path: path.name)


@readme
def test_every_command_and_its_options_stand_in_one_row(path: Path) -> None:
    rows = rows_of(path)
    for name, command in cli.main.commands.items():
        written = next((row for row in rows if re.match(rf"\| `.*\b{name}\b", row)), None)
        assert written, f"no row for {name}"
        options = {
            text for parameter in command.params for text in parameter.opts if isinstance(parameter, click.Option)
        }
        assert [text for text in options - EVERYWHERE if text not in written.split("|")[1]] == [], name
    assert all(option in path.read_text() for option in EVERYWHERE)


@readme
def test_every_key_of_items_yml_is_told(path: Path) -> None:
    section = section_of(path, "items.yml")
    keys = set(property_names(items.schema()))

    assert {"source", "include", "endpoint"} <= keys
    assert sorted(key for key in keys if not re.search(rf"`([\w]+\.)?{key}(\.\w+)?`", section)) == []


@readme
def test_every_setting_has_a_row(path: Path) -> None:
    rows = " ".join(row.split("|")[1] for row in rows_of(path))

    assert [field.alias for field in Settings.model_fields.values() if f"`{field.alias}`" not in rows] == []


def test_compose_passes_every_variable_that_is_told() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["ferryman"]
    cells = [row.split("|")[1] for row in section_of(ENGLISH, "Settings").splitlines() if row.startswith("| `")]
    told = {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)}

    assert "HTTPS_PROXY" in told
    assert told - set(service["environment"]) == {"FERRYMAN_ITEMS"}  # mounted where it is


@readme
def test_every_default_of_a_setting_is_what_it_says(path: Path) -> None:
    told = re.findall(r"^\| `(FERRYMAN_\w+)` \| `([^`]+)` \|", path.read_text(), re.MULTILINE)

    assert len(told) > 10
    assert Settings.load(dict(told)) == Settings.load({})


@readme
async def test_every_field_of_status_json_has_a_row(path: Path, tmp_path: Path) -> None:
    rows = " ".join(row.split("|")[1] for row in rows_of(path))
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'ferryman.db'}")
    ledger = Ledger(database)
    item = ItemKey("pause", "registry.k8s.io/pause", "registry.example.com/pause", None)
    await ledger.import_history(item, [HistoryLine("3.9", "Unknown", None)], now=datetime(2026, 1, 1, tzinfo=UTC))

    [record] = await ledger.tags()
    await database.close()

    assert [name for name in tag_document(record) if f"`{name}`" not in rows] == []


@readme
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text()
    anchors = {anchor_of(title) for _, title in HEADING.findall(FENCE.sub("", text))}

    for link in LINK.findall(text):
        if link.startswith("#"):
            assert link[1:] in anchors
        elif "://" not in link:
            assert (ROOT / link).is_file(), link


@readme
def test_the_table_of_contents_names_every_section(path: Path) -> None:
    text = FENCE.sub("", path.read_text())
    sections = [title for level, title in HEADING.findall(text) if level == "##"]

    assert re.findall(r"^- \[(.+?)\]\(#", text, re.MULTILINE) == sections[1:]


def test_both_say_the_same_in_the_same_order() -> None:
    english, chinese = (FENCE.sub("```", path.read_text()) for path in (ENGLISH, CHINESE))

    def shape(text: str) -> list[str]:
        return re.findall(r"^ *(#+ |```|\| `[^`]+`|- |\d\. |\|-+)", text, re.MULTILINE)

    assert shape(english) == shape(chinese)


def test_both_show_the_same_code() -> None:
    english, chinese = (FENCE.findall(path.read_text()) for path in (ENGLISH, CHINESE))

    assert [code(block) for block in english] == [code(block) for block in chinese]


def test_every_items_yml_that_is_shown_is_accepted(tmp_path: Path) -> None:
    shown = [body for language, body in FENCE.findall(ENGLISH.read_text()) if language == "yaml" and "source:" in body]

    for number, body in enumerate(shown):
        path = tmp_path / f"{number}.yml"
        path.write_text(textwrap.dedent(body))
        assert items.load(path, environ={"TARGET_USER": "me", "TARGET_PASSWORD": "secret"}).items

    assert len(shown) > 1


@readme
def test_every_message_that_is_explained_is_one_of_ours(path: Path) -> None:
    written = "".join(re.sub(r'"\n\s*f?"', "", source.read_text()) for source in (ROOT / "ferryman").rglob("*.py"))
    headings = {ENGLISH: "Trouble and its mend", CHINESE: "故障与处理"}
    trouble = [row.split("|")[1] for row in section_of(path, headings[path]).splitlines() if row.startswith("| ")]
    explained = [message for cell in trouble for message in re.findall(r"`([^`]+)`", cell)]

    assert [message for message in explained if message not in written] == []
    assert len(explained) > 20


@pytest.mark.parametrize(
    ("an_engines", "a_clients"),
    [
        ("these credentials may not read it", "it is private, or missing"),
        ("the credentials may not push there", "may not push to it"),
        ("create the repository at the target first", "some registries want the repository"),
        ("the registry wants to be left alone", "too many requests"),
        ("the engine does not trust this registry", "its certificate is refused"),
    ],
)
@readme
def test_what_both_transports_meet_is_explained_in_the_words_of_both(
    path: Path, an_engines: str, a_clients: str
) -> None:
    assert any(f"`{an_engines}`" in row and f"`{a_clients}`" in row for row in rows_of(path))


def section_of(path: Path, title: str) -> str:
    """The text below one heading."""
    _, _, rest = path.read_text().partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def rows_of(path: Path) -> list[str]:
    """The rows of all tables."""
    return [line for line in path.read_text().splitlines() if line.startswith("| ")]


def property_names(schema: Any) -> Iterator[str]:
    """Every key that a JSON Schema gives a name to."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from property_names(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from property_names(part)


def anchor_of(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def code(block: tuple[str, str]) -> tuple[str, str]:
    """A code block without what is translated: comments, and the pictures in ```text."""
    language, body = block
    return language, "" if language == "text" else COMMENT.sub("", body)
