"""CONTRIBUTING.md: its steps are followed to the letter, in a copy of the program, and must suffice."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.measuring import unmeasured

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
# ```python path            a new file
# ```python path after="…"  what to insert behind that line;  replace="…": what to put in its place
STEP = re.compile(
    r"""^```(?:python|jinja) (\S+)(?: (after|replace)="((?:[^"\\\n]|\\.)*)")?\n(.*?)^```$""", re.MULTILINE | re.DOTALL
)
ITEMS = "defaults: {target: registry.example.com/m/}\nitems: [{source: quay.io/coreos/flannel}]\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("ferryman", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    (tmp_path / "items.yml").write_text(ITEMS)
    return tmp_path


def follow(copy: Path, title: str) -> None:
    """Do what the section says."""
    _, _, section = TEXT.partition(f"\n## {title}\n")
    steps = STEP.findall(section.partition("\n## ")[0])
    assert steps, title
    for name, how, place, text in steps:
        file, line = copy / name, place.replace('\\"', '"')
        if not how:
            assert not file.exists()
            file.write_text(text)
            continue
        before = file.read_text()
        assert before.count(f"\n{line}\n") == 1, f"{name} has no line {line!r}"
        after = f"\n{line}\n{text}" if how == "after" else f"\n{text}"
        file.write_text(before.replace(f"\n{line}\n", after))


def run(copy: Path, *arguments: str, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, capture_output=True, text=True, check=False, timeout=120,
        env={**unmeasured(), "PYTHONPATH": str(copy), **environment},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_add_a_command(copy: Path) -> None:
    assert "No such command" in run(copy, "-m", "ferryman", "count", code=2)
    follow(copy, "Add a command")

    assert run(copy, "-m", "ferryman", "count") == "1\n"
    assert "count  " in run(copy, "-m", "ferryman", "--help")


@pytest.mark.slow
def test_add_a_lister(copy: Path) -> None:
    (copy / "items.yml").write_text(f"registries: {{example.com: {{lister: example}}}}\n{ITEMS}")
    assert "found 'example', expected" in run(copy, "-m", "ferryman", "plan", code=2)
    follow(copy, "Add a lister")

    chosen = "from ferryman.discovery.listers.choose import lister_for; "
    chosen += "print(type(lister_for('example.com', client=None, override='example')).__name__)"
    assert run(copy, "-c", chosen) == "ExampleLister\n"
    assert '"example"' in run(copy, "-m", "ferryman", "schema")
    assert "no state database" in run(copy, "-m", "ferryman", "requeue", "failed", code=3)  # items.yml is accepted


@pytest.mark.slow
def test_add_a_setting(copy: Path) -> None:
    shown = "import os; from ferryman.settings import Settings; print(Settings.load(os.environ).batch)"
    follow(copy, "Add a setting")

    assert run(copy, "-c", shown) == "100\n"
    assert run(copy, "-c", shown, FERRYMAN_BATCH="7") == "7\n"
    assert "FERRYMAN_BATCH: found 'x', expected a whole number" in run(
        copy, "-m", "ferryman", "migrate", code=2, FERRYMAN_BATCH="x"
    )


SHOW = """
import asyncio, urllib.request
from ferryman.views.running_jobs import RunningJobs
from ferryman.application import open_application
from ferryman.settings import Settings
from ferryman.web.server import Server

async def main():
    url = "sqlite+aiosqlite:///ferryman.db"
    settings = Settings.load({"FERRYMAN_DATABASE_URL": url, "FERRYMAN_LISTEN": "127.0.0.1:0"})
    async with open_application(settings, engine=False) as app:
        server = Server.listen(settings.listen)
        serving = asyncio.create_task(server.serve(app, "run", RunningJobs(clock=app.clock.monotonic)))
        request = urllib.request.Request(f"http://{server.addresses[0]}/count", headers={"Accept": "text/html"})
        print(await asyncio.to_thread(lambda: urllib.request.urlopen(request).read().decode()))
        serving.cancel()
        await asyncio.wait([serving])

asyncio.run(main())
"""


@pytest.mark.slow
def test_add_a_page(copy: Path) -> None:
    follow(copy, "Add a page")

    assert "<h1>1 item</h1>" in run(copy, "-c", SHOW)


@pytest.mark.slow
def test_add_a_migration(copy: Path) -> None:
    url = f"sqlite+aiosqlite:///{copy}/ferryman.db"
    assert "schema 0004" in run(copy, "-m", "ferryman", "migrate", FERRYMAN_DATABASE_URL=url)
    follow(copy, "Add a migration")

    assert "schema 0005" in run(copy, "-m", "ferryman", "migrate", FERRYMAN_DATABASE_URL=url)
    assert "No new upgrade operations" in run(copy, "-m", "alembic", "check", FERRYMAN_DATABASE_URL=url)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:ferryman|tests|docs|migrations)/[^`…]*)`", TEXT))))
def test_every_path_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


QUESTIONS = re.findall(r"^\| [^|]+ \| `([^`]+)` \| `(ferryman/[^`]+)` \|$", TEXT, re.MULTILINE)
MOST_FILES = 25  # that a stranger looks through in a minute


@pytest.mark.parametrize(("word", "answer"), QUESTIONS, ids=[word for word, _ in QUESTIONS])
def test_a_strangers_question_is_answered_by_one_grep(word: str, answer: str) -> None:
    """By the obvious word the file is found, and it is not one of too many."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ferryman").rglob("*.py")
        if word.lower() in path.read_text().lower()
    }

    assert answer in found
    assert len(found) <= MOST_FILES


def test_there_are_ten_of_them() -> None:
    assert len(QUESTIONS) == 10
