"""The project's sources as in an archive, without git."""

import shutil
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_NOT_SHIPPED = (".git", ".venv", ".cache", ".*_cache", ".hypothesis", ".env", "__pycache__", "data", "dist", "build")


def copy_sources(folder: Path) -> Path:
    """Copy the files of a source archive into `folder`, which must not exist."""
    shutil.copytree(CHECKOUT, folder, ignore=shutil.ignore_patterns(*_NOT_SHIPPED))
    return folder
