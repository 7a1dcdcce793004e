"""Who holds the leases: one identity a process, and which of them are dead.

A process holds an flock on a file of its own as long as it lives, and the kernel gives it up with the process, however
that ends. So a dead process is known at once on the same machine, without process ids, which mean nothing
across containers that share a volume. The name says where the process runs, in which container too: containers on
the host's network share its name.
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
    """This process among those that use one database from this machine. Keep it while leases are held in its name."""

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        self.name = name
        self._folder = folder
        self._descriptor: int | None = descriptor

    @classmethod
    def claim(cls, database: Database) -> "Owner":
        """Take a new name. Its file lies beside the database's; for a server, in a folder of this user's.

        It is locked before anybody can see it. Raises StoreError.
        """
        folder = _folder_for(database)
        name = f"{_here()}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            return cls(folder, name, _lock_then_show(folder / f".{name}", folder / name))
        except OSError as error:
            raise StoreError(
                f"{folder} takes no locks, by which living processes are told from dead ones: {error.strerror}"
            ) from error

    def dead_owners(self) -> set[str]:
        """The processes that ended without a `release`. Reclaim what they held, then `bury` them. Raises StoreError."""
        try:
            return {file.name for file in _visible(self._folder) if _is_held(file) is False}
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be read, to tell dead processes: {error.strerror}") from error

    def remove(self, dead: Collection[str]) -> None:
        """Forget dead processes, once they hold nothing any more: a name without a file is not known to be dead.

        Raises StoreError.
        """
        try:
            for name in dead:
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be written, to forget dead processes: {error.strerror}") from error

    def release(self) -> None:
        """End in order. Hand back every lease before: one that is left is given up only when it expires. Idempotent.

        Raises StoreError; then the others bury it.
        """
        if self._descriptor is None:
            return
        try:
            self.remove([self.name])
        finally:
            os.close(self._descriptor)
            self._descriptor = None


def living_owners(file: Path) -> set[str]:
    """The processes that live on the SQLite database at `file`, as far as locks tell. Raises StoreError."""
    folder = _beside(file)
    try:
        return {each.name for each in _visible(folder) if _is_held(each) is not False}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise StoreError(f"{folder} cannot be read, to tell who uses the database: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Locks:
    """What the locks say about the processes of this machine, by owner. About others they say nothing."""

    held: frozenset[str]  # the process exists, even if it hangs
    free: frozenset[str]  # it ended without a `release`


def locks(database: Database) -> Locks:
    """The locks of a database's processes, read without being one of them; empty where they cannot be read."""
    try:
        found = {file.name: _is_held(file) for file in _visible(_folder_of(database))}
    except OSError:
        found = {}
    return Locks(
        held=frozenset(name for name, held in found.items() if held),
        free=frozenset(name for name, held in found.items() if held is False),
    )


def this_host() -> str:
    """The name of the host that we run on, as owners' names have it."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]


def host_of(owner: str) -> str:
    """The name of the host that a process runs on; in a container with a network of its own, the container's id."""
    return owner.partition(".")[0]


def is_here(owner: str) -> bool:
    """Whether a process runs in the container that we run in; outside of one: on this host."""
    return owner.rsplit(".", 2)[0] == _here()


def _here() -> str:
    """The host and the container, which has a PID namespace of its own."""
    try:
        return f"{this_host()}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not Linux
        return this_host()


def _visible(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if not file.name.startswith(".")]


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.owners").absolute()


def _folder_of(database: Database) -> Path:
    if database.file is not None:
        return _beside(database.file)
    return _folder_of_mine() / hashlib.sha256(database.name.encode()).hexdigest()[:16]


def _folder_of_mine() -> Path:
    return Path(tempfile.gettempdir()) / f"ferryman-{os.getuid()}"


def _folder_for(database: Database) -> Path:
    folder = _folder_of(database)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if database.file is None and _folder_of_mine().lstat().st_uid != os.getuid():
            # The folder of folders is everybody's.
            raise StoreError(f"the folder {_folder_of_mine()} belongs to another user; remove it, or set TMPDIR")
    except OSError as error:
        raise StoreError(
            f"the folder {folder}, by which processes know that others live, cannot be made: {error.strerror}"
        ) from error
    return folder


def _lock_then_show(hidden: Path, shown: Path) -> int:
    descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(shown)
    except OSError:
        os.close(descriptor)
        hidden.unlink(missing_ok=True)
        raise
    return descriptor


def _is_held(file: Path) -> bool | None:
    """Whether a living process has the lock. None: this cannot be told."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # it has just been released, or buried
        return None
    except PermissionError:  # another user's; its lease will tell
        return None
    try:
        # Shared, so that two who look at once do not take one another for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
