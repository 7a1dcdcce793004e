"""Reads items.yml: file -> tree -> keys -> values. All mistakes are reported together."""

from collections.abc import Mapping
from pathlib import Path

from ferryman.bandwidth import FULL_SPEED
from ferryman.errors import ConfigurationError, Problem
from ferryman.items.convert import to_items
from ferryman.items.document import FileKeys
from ferryman.items.explain import validated
from ferryman.items.forms import split_sections
from ferryman.items.model import UNREACHABLE_AFTER, Configuration
from ferryman.items.problems import Place, Problems
from ferryman.items.recipients import to_heartbeat, to_recipients
from ferryman.items.registries import to_registries
from ferryman.items.tree import parse


def load(path: Path, *, environ: Mapping[str, str], transport: str = "docker") -> Configuration:
    """Read and validate an items.yml for a transport. Raises ConfigurationError with every Problem at once."""
    problems = Problems(str(path))
    root = parse(_text(path, problems), environ, problems)
    document = split_sections(root, problems)
    registries = to_registries(document.registries, problems, folder=path.parent)
    items = to_items(document, problems, registries, transport=transport, folder=path.parent)
    file_keys = validated(FileKeys, document.file_keys, problems)
    notify = to_recipients(file_keys, document.file_keys, problems, folder=path.parent)
    heartbeat = to_heartbeat(file_keys, document.file_keys, problems, folder=path.parent)
    if problems:
        raise problems.error()
    return Configuration(
        items,
        registries,
        file_keys.bandwidth or FULL_SPEED,
        notify,
        heartbeat,
        file_keys.unreachable_after or UNREACHABLE_AFTER,
    )


def _text(path: Path, problems: Problems) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file: name another with --items or FERRYMAN_ITEMS") from None
    except IsADirectoryError:
        raise _unreadable(path, "found a folder, expected a file: name it with --items or FERRYMAN_ITEMS") from None
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place.after(content[: error.start].decode("utf-8-sig", errors="replace"))
        raise problems.fatal(place, f"found the byte 0x{content[error.start]:02x}, expected text in UTF-8") from None


def _unreadable(path: Path, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(message, str(path))])
