"""Owners of leases: one identity per process, and which of these processes are dead.

A process holds an flock on a file of its own as long as it lives. The kernel releases it however the process ends. So
a dead process is detected at once on the same machine, without process ids, which mean nothing across containers that
share a volume. The owner's name contains the host and the container: containers on the host's network share its name.
"""

import fcntl
import hashlib
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ferryman.errors import StoreError
from ferryman.store.database.database import Database


class Owner:
    """This process's identity on one database. Keep it as long as leases are held in its name."""

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        self.name = name
        self._folder = folder
        self._descriptor: int | None = descriptor

    @classmethod
    def claim(cls, database: Database) -> "Owner":
        """Create a new owner and lock its file: beside SQLite's file; for PostgreSQL, in a folder of this user.

        The file is locked before it becomes visible to others. Raises StoreError.
        """
        folder = _make_lock_folder(database)
        name = f"{_this_container()}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            return cls(folder, name, _create_locked(folder / f".{name}", folder / name))
        except OSError as error:
            raise StoreError(
                f"file locks do not work in {folder}, and living processes are recognised by them: {error.strerror}"
            ) from error

    def dead_owners(self) -> set[str]:
        """The processes that ended without `release`. Reclaim their leases, then `remove` them. Raises StoreError."""
        try:
            return {file.name for file in _lock_files(self._folder) if _is_held(file) is False}
        except OSError as error:
            raise StoreError(
                f"{self._folder}, with the locks of processes, cannot be read: {error.strerror}"
            ) from error

    def remove(self, dead: Collection[str]) -> None:
        """Remove the files of dead processes, after their leases are reclaimed. Raises StoreError.

        An owner without a file is not known to be dead.
        """
        try:
            for name in dead:
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self._folder}, with the locks of processes, cannot be written: {error.strerror}"
            ) from error

    def release(self) -> None:
        """Give up the identity. Return all leases before: a remaining one is reclaimed only when it expires.

        Idempotent. Raises StoreError; then other processes find this one dead, and remove its file.
        """
        if self._descriptor is None:
            return
        try:
            self.remove([self.name])
        finally:
            os.close(self._descriptor)
            self._descriptor = None


def living_owners(file: Path) -> set[str]:
    """The living processes that use the SQLite database at `file`, according to their locks. Raises StoreError."""
    folder = _folder_beside(file)
    try:
        return {each.name for each in _lock_files(folder) if _is_held(each) is not False}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise StoreError(f"{folder}, with the locks of processes, cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Locks:
    """The state of the locks of this machine's processes, by owner. Processes elsewhere are in neither set."""

    held: frozenset[str]  # the process exists, even if it hangs
    free: frozenset[str]  # it ended without `release`


def locks(database: Database) -> Locks:
    """The locks of a database's processes. Needs no identity of its own. Empty where they cannot be read."""
    try:
        found = {file.name: _is_held(file) for file in _lock_files(_lock_folder(database))}
    except OSError:
        found = {}
    return Locks(
        held=frozenset(name for name, held in found.items() if held),
        free=frozenset(name for name, held in found.items() if held is False),
    )


def this_host() -> str:
    """This host's name, as it appears in owners' names."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]


def host_of(owner: str) -> str:
    """The host name of a process; in a container with its own network, the container's id."""
    return owner.partition(".")[0]


def is_here(owner: str) -> bool:
    """Whether a process runs in the same container as this one; outside of containers: on this host."""
    return owner.rsplit(".", 2)[0] == _this_container()


def _this_container() -> str:
    """The host, and the PID namespace, which identifies the container."""
    try:
        return f"{this_host()}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not Linux
        return this_host()


def _lock_files(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if not file.name.startswith(".")]


def _folder_beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.owners").absolute()


def _lock_folder(database: Database) -> Path:
    if database.file is not None:
        return _folder_beside(database.file)
    return _user_folder() / hashlib.sha256(database.name.encode()).hexdigest()[:16]


def _user_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"ferryman-{os.getuid()}"


def _make_lock_folder(database: Database) -> Path:
    folder = _lock_folder(database)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if database.file is None and _user_folder().lstat().st_uid != os.getuid():
            # The folder for temporary files is shared by all users.
            raise StoreError(f"the folder {_user_folder()} belongs to another user; remove it, or set TMPDIR")
    except OSError as error:
        raise StoreError(
            f"the folder {folder}, for the locks of processes, cannot be made: {error.strerror}"
        ) from error
    return folder


def _create_locked(temporary: Path, final: Path) -> int:
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temporary.rename(final)
    except OSError:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
        raise
    return descriptor


def _is_held(file: Path) -> bool | None:
    """Whether a living process holds the lock. None: unknown."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # it has just been released or removed
        return None
    except PermissionError:  # another user's: only its lease tells
        return None
    try:
        # A shared lock: two processes that check at once must not take one another for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
