"""Read a secret from a file: Docker and Kubernetes mount secrets as files."""

import os
import stat
from pathlib import Path

_LARGEST = 64 * 1024  # bytes: no secret is longer, and a wrong path may lead to a file of any size
_EXPECTED = "expected a file that contains the secret"


def read_secret(written: str, *, folder: Path = Path()) -> str:
    """The content of the file `written` (relative to `folder`), in UTF-8, without one newline at its end.

    Raises ValueError with a sentence that names the file, and never quotes its content.
    """
    path = folder / written
    try:
        content = _read(path)
    except PermissionError:
        hint = f"make it readable for the user {os.geteuid()}, for example with chown or chmod"
        raise ValueError(f"{str(path)!r} cannot be read by this process: {hint}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ValueError(f"{_missing(written, folder, error)}, {_EXPECTED}") from None
    if len(content) > _LARGEST:
        raise ValueError(f"{str(path)!r} is larger than 64 KiB, {_EXPECTED}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{str(path)!r} is not text in UTF-8, {_EXPECTED}") from None
    secret = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not secret:
        raise ValueError(f"{str(path)!r} is empty, {_EXPECTED}")
    return secret


class _NoFile(ValueError):
    """There is something else than a regular file."""


def _read(path: Path) -> bytes:
    # O_NONBLOCK: opening a named pipe that nobody writes to would never return.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _NoFile(f"{str(path)!r} is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)


def _missing(written: str, folder: Path, error: Exception) -> str:
    if isinstance(error, _NoFile):
        return str(error)
    if written.startswith("/"):
        return f"{written!r} cannot be read: {getattr(error, 'strerror', None) or 'no valid path'}"
    # Not quoted: somebody may have written the secret itself where its file belongs.
    return f"there is no such file in {str(folder.absolute())!r}"
