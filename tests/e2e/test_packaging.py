"""The lock; `pip install` from a plain source archive, and what it installs at work in a folder of its own."""

import json
import os
import re
import sqlite3
import subprocess
import tarfile
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ferryman
from tests.support.debian import PYTHON, locked_wheels
from tests.support.debian_root import run
from tests.support.sources import CHECKOUT, copy_sources

pytestmark = pytest.mark.timeout(1200)


PINNED = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?==(?P<version>[\w.]+)( ; [^\\]+)? \\")
SOURCES = CHECKOUT / "ferryman"
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


@pytest.mark.parametrize("name", ["run", "build", "dev"])
def test_a_lock_is_versions_and_hashes_and_nothing_else(name: str) -> None:
    lines = (CHECKOUT / f"requirements/{name}.txt").read_text().splitlines()
    assert [line for line in lines if not PINNED.fullmatch(line) and not HASH.fullmatch(line)] == []


def test_the_locks_agree_with_pyproject() -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    dependencies = [*declared["project"]["dependencies"], *declared["project"]["optional-dependencies"]["postgresql"]]
    groups = declared["dependency-groups"]
    assert groups["build"] == declared["build-system"]["requires"]
    tools = [tool for tool in groups["dev"] if isinstance(tool, str)]
    for name, wanted in {"run": dependencies, "build": groups["build"], "dev": [*dependencies, *tools]}.items():
        found = PINNED.finditer((CHECKOUT / f"requirements/{name}.txt").read_text())
        versions = {canonicalize_name(pin["name"]): pin["version"] for pin in found}
        for requirement in map(Requirement, wanted):
            version = versions[canonicalize_name(requirement.name)]
            assert version in requirement.specifier, f"{name}.txt: `make lock` for {requirement}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in a fresh environment, from an archive without `.git`; packages come from the lock's wheels."""
    folder = tmp_path_factory.mktemp("packaging")
    archive = folder / "ferryman.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(copy_sources(folder / "sources"), arcname="ferryman-sources")
    run(PYTHON, "-m", "venv", str(folder / "venv"))
    offline = ("--no-index", f"--find-links={locked_wheels()}")
    run(str(folder / "venv/bin/pip"), "install", "--quiet", *offline, str(archive))
    return folder / "venv/bin/ferryman"


def call(program: Path, *arguments: str, folder: Path) -> str:
    """What the program prints in `folder`, where nothing of the checkout can be found; it must exit with 0."""
    kept = ("PATH", "HOME", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    done = subprocess.run(
        [str(program), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_knows_its_version(installed: Path, tmp_path: Path) -> None:
    assert call(installed, "version", folder=tmp_path).split() == ["ferryman", ferryman.__version__]


def test_it_makes_and_migrates_its_database(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "items.yml").write_text("items:\n  - {source: 127.0.0.1:1/a/x, target: 127.0.0.1:1/b/}\n")
    assert call(installed, "migrate", folder=tmp_path).startswith("state database data/ferryman.db: schema ")
    assert json.loads(call(installed, "status", "--json", folder=tmp_path)) == []
    with closing(sqlite3.connect(tmp_path / "data/ferryman.db")) as database:
        ((revision,),) = database.execute("SELECT version_num FROM alembic_version").fetchall()
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert revision
    assert {"tags", "attempts"} <= tables


def test_it_prints_its_schema(installed: Path, tmp_path: Path) -> None:
    assert json.loads(call(installed, "schema", folder=tmp_path))["title"] == "items.yml"


def test_it_has_the_files_of_its_page(installed: Path) -> None:
    (package,) = (installed.parents[1] / "lib").glob("python3*/site-packages/ferryman")
    shipped, sources = ({str(path.relative_to(root)) for path in files_in(root)} for root in (package, SOURCES))

    assert {"web/templates/base.html", "web/static/ferryman.css", "i18n/locale/zh/LC_MESSAGES/messages.po"} <= sources
    assert sources <= shipped


def files_in(package: Path) -> list[Path]:
    """What is no code."""
    return [path for path in package.rglob("*.*") if path.suffix not in {".py", ".pyc"}]
