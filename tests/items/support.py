"""Writing an items.yml and reading it back."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ferryman import items
from ferryman.errors import ConfigurationError


def read(
    folder: Path, text: str, *, environ: Mapping[str, str] | None = None, transport: str = "docker"
) -> items.Configuration:
    """The Configuration of `text` as an items.yml."""
    path = folder / "items.yml"
    path.write_text(text, encoding="utf-8")
    return items.load(path, environ=environ or {}, transport=transport)


def complaints(
    folder: Path, text: str, *, environ: Mapping[str, str] | None = None, transport: str = "docker"
) -> list[str]:
    """Every mistake that is reported for `text`, as `line:column: message`."""
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text, environ=environ, transport=transport)
    prefix = f"{folder / 'items.yml'}:"
    reported = str(caught.value).splitlines()
    assert all(line.startswith(prefix) for line in reported)
    return [line.removeprefix(prefix) for line in reported]
