"""Living and dead lease owners, detected without process ids."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferryman.errors import StoreError
from ferryman.store.database.database import Database
from ferryman.store.queue.lease_owners import Locks, Owner, host_of, is_here, locks, this_host
from tests.support.measuring import unmeasured

OTHER = """
import signal, sys
from ferryman.store.database.database import Database
from ferryman.store.queue.lease_owners import Locks, Owner, host_of, is_here, locks, this_host
owner = Owner.claim(Database(sys.argv[1]))
print(owner.name, flush=True)
signal.pause()
"""


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"


@pytest.fixture
def other(file_url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, file_url], env=unmeasured(), stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_a_killed_process_is_dead_at_once(file_url: str, other: subprocess.Popen[str]) -> None:
    me = Owner.claim(Database(file_url))
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    assert me.dead_owners() == set()
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert me.dead_owners() == {name}
    assert me.dead_owners() == {name}, "until it is buried"
    me.remove({name})
    me.remove({name})
    assert me.dead_owners() == set()
    me.release()


def test_locks_can_be_read_without_an_identity(file_url: str, other: subprocess.Popen[str]) -> None:
    database = Database(file_url)
    assert locks(database) == Locks(held=frozenset(), free=frozenset())
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    assert locks(database) == Locks(held=frozenset({name}), free=frozenset())
    os.kill(other.pid, signal.SIGSTOP)
    assert locks(database) == Locks(held=frozenset({name}), free=frozenset()), "whatever it does"
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert locks(database) == Locks(held=frozenset(), free=frozenset({name}))


def test_another_users_lock_is_unknown(file_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:  # to root, every file is readable
        raise PermissionError(errno.EACCES, "Permission denied")

    me, other = Owner.claim(Database(file_url)), Owner.claim(Database(file_url))
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        assert locks(Database(file_url)) == Locks(held=frozenset(), free=frozenset())
        assert me.dead_owners() == set()
    other.release()
    me.release()


def test_a_name_says_where_its_process_runs(file_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    me = Owner.claim(Database(file_url))
    me.release()
    assert is_here(me.name)
    assert host_of(me.name) == this_host()
    of_another_container = f"{this_host()}.1.{os.getpid()}.0a1b2c3d"  # on the host's network
    assert not is_here(of_another_container)
    assert host_of(of_another_container) == this_host()
    assert not is_here("elsewhere.7.0a1b2c3d")  # as 1.0.0 had it
    monkeypatch.setattr("socket.gethostname", lambda: "db-1.example.com")
    assert not is_here(me.name)
    assert this_host() == "db-1-example-com"


def test_a_released_owner_leaves_no_file(file_url: str, tmp_path: Path) -> None:
    me = Owner.claim(Database(file_url))
    one, two = Owner.claim(Database(file_url)), Owner.claim(Database(file_url))
    assert len({me.name, one.name, two.name}) == 3
    one.release()
    one.release()
    assert me.dead_owners() == set()
    two.release()
    me.release()
    assert list((tmp_path / "ferryman.db.owners").iterdir()) == []


def test_a_server_has_no_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one = Owner.claim(Database("postgresql://me:secret@db.example.com/one"))
    two = Owner.claim(Database("postgresql://me:secret@db.example.com/two"))
    folders = list((tmp_path / f"ferryman-{os.getuid()}").iterdir())
    assert len(folders) == 2
    assert one.dead_owners() == two.dead_owners() == set()
    one.release()
    two.release()


def test_a_folder_that_cannot_be_made(file_url: str, tmp_path: Path) -> None:
    (tmp_path / "ferryman.db.owners").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be made"):
        Owner.claim(Database(file_url))


def test_a_folder_that_cannot_be_written(file_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *, missing_ok: bool = False) -> None:  # to root, no folder is read-only
        raise OSError(errno.EROFS, "Read-only file system")

    me, other = Owner.claim(Database(file_url)), Owner.claim(Database(file_url))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(StoreError, match="Read-only file system"):
            me.remove(["dead"])
        with pytest.raises(StoreError, match="Read-only file system"):
            other.release()
    assert me.dead_owners() == {other.name}
    me.remove([other.name])
    me.release()
