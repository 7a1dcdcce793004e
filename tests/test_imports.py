"""What each command imports of the packages that take long: nobody waits for what is not needed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferryman import cli
from tests.e2e.support import tiny
from tests.support.measuring import unmeasured
from tests.support.processes import RegistryServer
from tests.support.upstreams import Google

HEAVY = (
    "aiodocker", "aiohttp", "aiosqlite", "alembic", "apprise", "babel", "jinja2", "prometheus_client", "pydantic",
    "rich", "rich.live", "sqlalchemy", "sqlalchemy.dialects.postgresql", "sqlalchemy.ext.asyncio", "sqlalchemy.orm",
    "structlog", "yaml", "ferryman.commands", "ferryman.i18n", "ferryman.metrics",
    "ferryman.transports.direct", "ferryman.transports.engine.transport", "ferryman.web",
)  # fmt: skip
COMMAND = {"ferryman.commands"}
ITEMS = COMMAND | {"pydantic", "yaml"}
RECORD = ITEMS | {"aiosqlite", "sqlalchemy"}
TABLES = RECORD | {"rich"}
LOOKS = TABLES | {"aiohttp"}
# The whole list for a command that has nothing to copy, with a database of today's version and no terminal.
MAY_IMPORT: dict[str, set[str]] = {
    "--help": set(),
    "--version": set(),
    "version": COMMAND,
    "schema": ITEMS,
    "status": TABLES,
    "status --json": TABLES,
    "pause": RECORD,
    "resume": RECORD,
    "requeue": RECORD,
    "cancel app:none": RECORD,
    "keep app:1.0": RECORD,
    "history app:1.0": TABLES,
    "rollback app:1.0": RECORD | {"aiohttp"},
    "release app:1.0": RECORD,
    "where app:1.0": TABLES,
    "look": RECORD,
    "forget": RECORD,
    "export-history": RECORD,
    "import-history": RECORD,
    "migrate": RECORD,
    "backup copy.db": RECORD,
    "restore copy.db": RECORD,
    "health": RECORD,
    "plan": LOOKS,
    "sync": LOOKS | {"structlog"},  # which it loads with the first line of the log
    "check": LOOKS,
    "verify": LOOKS,
    "prune": LOOKS,
    "notify": LOOKS | {"babel", "ferryman.i18n"},
}
IN_EVERY_RUN = {"--help", "status", "sync"}  # the others are much like these
LONG_RUNNING = {"run", "scheduler", "worker"}  # what they import is waited for once
PROGRAM = """\
import sys
from ferryman.cli import main
try:
    main()
except SystemExit:
    print("loaded", *sys.modules, sep="\\n", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation that has mirrored all there is."""
    folder = tmp_path_factory.mktemp("installed")
    target = RegistryServer(tmp_path_factory.mktemp("target"))
    with Google() as source:
        source.push("a/app", "1.0", tiny("1.0"))
        try:
            target.start()
            (folder / "items.yml").write_text(
                f"registries: {{'{source.host}': {{lister: google, api: '{source.url}'}}}}\n"
                f"items: [{{source: {source.host}/a/app, target: {target.host}/m/}}]\n"
            )
            assert "aiohttp" in loaded_by("sync", folder)
            yield folder
        finally:
            target.stop()


def loaded_by(call: str, folder: Path) -> set[str]:
    """The modules that a call of the program has imported at its end."""
    environment = unmeasured() | {"FERRYMAN_TRANSPORT": "direct", "FERRYMAN_LISTEN": "off"}
    command = [sys.executable, "-c", PROGRAM, *call.split()]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=120)
    _, _, modules = done.stderr.partition("loaded\n")
    assert "ferryman.cli" in modules.splitlines(), done.stderr
    return set(modules.splitlines())


@pytest.mark.parametrize(
    "call", [pytest.param(call, marks=() if call in IN_EVERY_RUN else pytest.mark.slow) for call in MAY_IMPORT]
)
def test_a_command_imports_only_what_it_needs(call: str, folder: Path) -> None:
    assert loaded_by(call, folder) & {*HEAVY} == MAY_IMPORT[call]


def test_every_command_that_comes_to_an_end_is_in_the_list() -> None:
    listed = {call.partition(" ")[0] for call in MAY_IMPORT if not call.startswith("-")}

    assert listed | LONG_RUNNING == set(cli.COMMANDS)
