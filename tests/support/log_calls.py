"""Every call in Ferryman's own code that writes a line of the log, read from the source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "ferryman"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@dataclass(frozen=True)
class LogCall:
    """One of them. `key` None: it is no literal."""

    place: str
    level: str
    key: str | None
    has_message: bool


@cache
def log_calls() -> tuple[LogCall, ...]:
    """`log.get().warning("tag_unreadable", message=…)`, and whatever else is done with a logger, without a level."""
    modules = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "log.py"})
    return tuple(call for path in modules for call in calls_in(path))


def calls_in(path: Path) -> Iterator[LogCall]:
    tree = ast.parse(path.read_text(), str(path))
    called = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    loggers = [node for node in called if is_logger(node)]
    calls = [node for node in called if called_on(node) in loggers]
    yield from (described(path, call) for call in calls)
    used = [called_on(call) for call in calls]
    yield from (
        LogCall(f"{path.name}:{node.lineno}", "", None, has_message=False) for node in loggers if node not in used
    )


def is_logger(call: ast.Call) -> bool:
    return ast.unparse(call.func) in {"log.get", "logging.getLogger"}


def called_on(call: ast.Call) -> ast.expr | None:
    return call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS else None


def described(path: Path, call: ast.Call) -> LogCall:
    assert isinstance(call.func, ast.Attribute)
    first = call.args[0] if len(call.args) == 1 else None
    key = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
    messages = [each for each in call.keywords if each.arg == "message"]
    return LogCall(f"{path.name}:{call.lineno}", call.func.attr, key, has_message=bool(messages))
