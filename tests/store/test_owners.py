"""Who lives and who is dead, told without process ids."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferryman.errors import StoreError
from ferryman.store.engine import Database
from ferryman.store.owners import Owner

OTHER = """
import signal, sys
from ferryman.store.engine import Database
from ferryman.store.owners import Owner
owner = Owner.claim(Database(sys.argv[1]))
print(owner.name, flush=True)
signal.pause()
"""


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"


@pytest.fixture
def other(file_url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", OTHER, file_url], stdout=subprocess.PIPE, text=True)
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
    me.bury({name})
    me.bury({name})
    assert me.dead_owners() == set()
    me.release()


def test_who_ends_in_order_leaves_nothing(file_url: str, tmp_path: Path) -> None:
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
            me.bury(["dead"])
        with pytest.raises(StoreError, match="Read-only file system"):
            other.release()
    assert me.dead_owners() == {other.name}
    me.bury([other.name])
    me.release()
