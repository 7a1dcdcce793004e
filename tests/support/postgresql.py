"""A separate PostgreSQL server on loopback, from Debian's package."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.processes import Process, free_port

_USER = "postgres"  # the server refuses to run as root; Debian's package makes this user


class PostgresServer:
    """One cluster in a temporary folder. Everybody on this machine may log in: it lives for one test run."""

    def __init__(self) -> None:
        # Not pytest's folder: only root may enter that one, and the server is not root.
        self.folder = Path(tempfile.mkdtemp(prefix="ferryman-postgresql-"))
        self.port = free_port()
        self._as_user: list[str] = []
        if os.getuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = self.folder / "data"
        self._run("initdb", "--auth=trust", f"--username={_USER}", "--no-sync", "--locale=C.UTF-8", f"--pgdata={data}")
        options = [
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            "fsync=off",
        ]
        self._process = Process(
            [
                *self._as_user,
                _binary("postgres"),
                "-D",
                str(data),
                *(word for option in options for word in ("-c", option)),
            ],
            log=self.folder / "log",
            ready=self._answers,
        )

    def start(self) -> "PostgresServer":
        self._process.start()
        return self

    def restart(self) -> None:
        """Restart, without waiting for clients to disconnect."""
        self._process.signal(signal.SIGINT)
        self._process.stop()
        self._process.start()

    def terminate_backends(self, database: str) -> None:
        """End every connection to the database, as an administrator does."""
        self._ask(
            "psql", "--command", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )

    def remove(self) -> None:
        """Stop, and remove the files."""
        self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """A new database, empty or a copy of another; its URL."""
        # --strategy: in half the time; it would wait for the disk if there were any fsync
        self._ask("createdb", f"--template={template}", "--strategy=file_copy", name)
        return f"postgresql+asyncpg://{_USER}@127.0.0.1:{self.port}/{name}"

    def drop_database(self, name: str) -> None:
        """Give its 8 MB back. Who is connected is not any more."""
        self._ask("dropdb", "--force", name)

    def _ask(self, program: str, *arguments: str) -> None:
        self._run(program, f"--host={self.folder}", f"--port={self.port}", f"--username={_USER}", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as_user, _binary(program), *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            timeout=300,
        )

    def _answers(self) -> bool:
        try:
            self._run("pg_isready", f"--host={self.folder}", f"--port={self.port}")
        except subprocess.CalledProcessError:
            return False
        with socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True


def _binary(name: str) -> str:
    """The folder of the newest server's programs: Debian does not have them in PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        raise FileNotFoundError(f"{name} is not installed: apt-get install postgresql")
    return str(found[-1])
