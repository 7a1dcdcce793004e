"""Imports point one way: read from the source, so that an import inside a function counts as well."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

from ferryman import cli

PACKAGE = Path(__file__).parents[1] / "ferryman"
PAGE = PACKAGE.parent / "docs/architecture.md"

# Each row may import only what stands below it; rooms of one row are blind to one another.
ROWS = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("service",),
    ("web",),
    ("oneshot", "views"),
    ("inspection", "operations", "requested_looks", "requested_verifications"),
    ("application",),
    ("worker_pool", "history", "item_names", "notify", "sync_lookups"),
    ("event_log", "metrics", "pruning", "rollback", "scheduler", "worker"),
    (
        "collapse",
        "liveness",
        "planner",
        "pause_watch",
        "probing",
        "quiet_looks",
        "recorded_tags",
        "refusals",
        "registry_pauses",
        "timetable",
        "verification",
    ),
    ("configuration", "discovery", "record", "registry_waits", "signatures", "transports"),
    ("registry", "remedies", "store", "items", "settings", "supervision"),
    ("i18n", "manifests", "moments", "registry_options", "secret_files", "signature_findings", "signature_rules"),
    (
        "addresses",
        "bandwidth",
        "durations",
        "events",
        "page_links",
        "platforms",
        "reference",
        "retry",
        "versions",
        "web_address",
    ),
    ("clock", "daytime", "errors", "kinds", "log", "tasks", "wakeup", "wording"),
)
ROW_OF = {room: number for number, row in enumerate(ROWS) for room in row}
PLANNED: set[str] = set()  # have a row already, and no module yet

COMMANDS = tuple(name.replace("-", "_") for name in cli.COMMANDS)
# The large rooms have rows of their own. A module that no row names stands in the row of its folder's "*".
ROWS_INSIDE = {
    "commands": (COMMANDS, ("options",), ("*",)),
    "registry": (
        ("client",),
        ("blobs", "*"),
        ("sender",),
        ("auth", "limits"),
        ("http",),
        ("hosts",),
        ("bounds",),
    ),
    "transports": (("choice",), ("direct", "engine"), ("*",)),
    "store": (("*",), ("queue",), ("database",), ("records",)),
    "discovery": (("survey",), ("enrichment", "listers", "referrers"), ("*",)),
    "web": (
        ("server",),
        ("site",),
        ("routes",),
        ("api", "pages"),
        ("confirmation", "errors", "live"),
        ("rendering", "streams"),
        ("security",),
        ("*",),
    ),
}

# What the worker and the scheduler bring together stays apart below them.
APART = {(room, below) for room in ("discovery", "signatures", "transports") for below in ("store", "items")}

# Each library has one room. aiodocker's connection errors are aiohttp's: the transport may catch them.
ROOMS_OF = {
    "aiohttp": {"notify", "registry", "transports", "web"},
    "apprise": {"notify"},
    "aiodocker": {"transports"},
    "cbor2": {"signatures"},
    "cryptography": {"signatures"},
    "sigstore": {"signatures"},
    "sigstore_models": {"signatures"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "yaml": {"items"},
    "click": {"cli", "commands"},
    "prometheus_client": {"metrics"},
    "jinja2": {"web"},
    "babel": {"i18n"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports_of(module: Path) -> frozenset[str]:
    """The dotted names that a module imports; `from ferryman import log` is `ferryman.log`."""
    return frozenset(imports_in(module))


def imports_in(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(), str(module))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write `from ferryman...`, so that this test can read it"
            if node.module == "ferryman":
                yield from (f"ferryman.{name.name}" for name in node.names)
            else:
                yield str(node.module)


def rooms_imported_by(module: Path) -> set[str]:
    names = [name.split(".") for name in imports_of(module)]
    return {parts[1] for parts in names if parts[0] == "ferryman" and len(parts) > 1} - {room_of(module), "__version__"}


def table_of_page(header: str) -> list[list[str]]:
    """The cells of the rows below this header in docs/architecture.md."""
    _, _, below = PAGE.read_text().partition(f"{header}\n|---|")
    lines = takewhile(lambda line: line.startswith("|"), below.splitlines()[1:])
    return [line.strip("|").split("|") for line in lines]


def names_in(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_room_has_its_row() -> None:
    rooms = {room_of(module) for module in MODULES} - {"__init__"}
    assert rooms | PLANNED == set(ROW_OF)


def test_the_page_has_the_same_rows() -> None:
    written = [(int(row), names_in(rooms)) for row, rooms, _ in table_of_page("| row | rooms | what is there |")]
    assert written == [(number, set(row)) for number, row in enumerate(ROWS, start=1)]


def test_the_page_has_the_same_rows_inside_the_large_rooms() -> None:
    table = table_of_page("| room | row | parts | what is there |")
    written = {(*names_in(room), int(row)): names_in(parts) for room, row, parts, _ in table}
    assert written == {
        (room, number): {"COMMANDS"} if row is COMMANDS else set(row)  # a new command is no new line in the page
        for room, rows in ROWS_INSIDE.items()
        for number, row in enumerate(rows, start=1)
    }


@pytest.mark.parametrize("below", ["views", "oneshot", "inspection", "operations", "application"])
def test_the_service_may_start_the_web_which_may_call_what_commands_call(below: str) -> None:
    assert ROW_OF["commands"] < ROW_OF["service"] < ROW_OF["web"] < ROW_OF[below]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_point_down(module: Path) -> None:
    room = room_of(module)
    if room == "__init__":
        assert not rooms_imported_by(module)
        return
    upward = {other for other in rooms_imported_by(module) if ROW_OF[other] <= ROW_OF[room]}
    assert not upward, f"{room} stands beside or below {sorted(upward)}"
    meeting = {other for other in rooms_imported_by(module) if (room, other) in APART}
    assert not meeting, f"{room} and {sorted(meeting)} are to stay apart"


def inner_row(room: str, part: str) -> int:
    """The row of a module, or of a folder, inside a large room."""
    rows = ROWS_INSIDE[room]
    named = next((number for number, row in enumerate(rows) if part in row), None)
    return next(number for number, row in enumerate(rows) if "*" in row) if named is None else named


def inner_parts(room: str) -> list[Path]:
    return [module for module in MODULES if room_of(module) == room and module.name != "__init__.py"]


@pytest.mark.parametrize(
    "module",
    [module for room in ROWS_INSIDE for module in inner_parts(room)],
    ids=lambda module: str(module.relative_to(PACKAGE)),
)
def test_imports_point_down_inside_a_large_room(module: Path) -> None:
    room, part = room_of(module), module.relative_to(PACKAGE).parts[1].removesuffix(".py")
    row = inner_row(room, part)
    names = [name.split(".") for name in imports_of(module)]
    others = {parts[2] for parts in names if parts[:2] == ["ferryman", room] and len(parts) > 2} - {part}
    beside = {other for other in others if inner_row(room, other) == row and is_named(room, part, other)}
    upward = {other for other in others if inner_row(room, other) < row} | beside
    assert not upward, f"{room}.{part} stands beside or below {sorted(upward)}"


def is_named(room: str, *parts: str) -> bool:
    """Whether rows name all of these: modules of one "*" may import one another."""
    return all(any(part in row for row in ROWS_INSIDE[room]) for part in parts)


@pytest.mark.parametrize("room", ROWS_INSIDE)
def test_every_part_that_an_inner_row_names_is_there(room: str) -> None:
    parts = {module.relative_to(PACKAGE).parts[1].removesuffix(".py") for module in inner_parts(room)}

    assert {part for row in ROWS_INSIDE[room] for part in row} - {"*"} <= parts


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(module: Path) -> None:
    libraries = {name.split(".")[0] for name in imports_of(module)}
    strayed = {library for library in libraries & set(ROOMS_OF) if room_of(module) not in ROOMS_OF[library]}
    assert not strayed, f"{sorted(strayed)} belong to {[sorted(ROOMS_OF[library]) for library in sorted(strayed)]}"


# What depends on the process that imports.
OF_THE_PROCESS = {
    *("os.environ", "os.getenv", "os.getcwd", "sys.argv", "Path.cwd", "Path.home"),
    *("datetime.now", "time.time", "time.localtime", "locale.getlocale"),
}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_importing_reads_nothing_of_the_process(module: Path) -> None:
    """The tests fork the program from one that has imported everything (tests/support/prefork.py)."""
    source = ast.parse(module.read_text())
    asked = {ast.unparse(node) for node in run_at_import(source) if isinstance(node, ast.Attribute)}
    assert not asked & OF_THE_PROCESS


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Everything but the bodies of functions, and what is only a type."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Lambda):
            continue
        yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*child.decorator_list, child.args):
                yield from run_at_import(part)
        else:
            yield from run_at_import(child)
