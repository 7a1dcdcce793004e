"""Real servers for tests, benchmarks and the demo: Debian's docker-registry and dockerd, on loopback."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Self

from tests.support.debian_root import DebianRoot
from tests.support.measuring import unmeasured

_PORTS = range(10_000, 30_000)
# Registries that hold so little would collect garbage every few requests.
_LAZY_COLLECTION = {"GOGC": "400"}
_STARTING = 180.0  # seconds; only a hang takes longer, even on a busy machine


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago.

    Below the kernel's ephemeral ports: with concurrent tests, one of those could be taken before our server starts.
    """
    for _ in _PORTS:
        port = secrets.choice(_PORTS)  # not from `random`: hypothesis seeds it equally in every process
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port of 127.0.0.1 is free")


def is_listening(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait: in the middle of `Popen` they would lose a program that runs already.

    What is started must be in its owner's hands when this ends.
    """
    if threading.current_thread() is not threading.main_thread():  # signals interrupt only that one
        yield
        return
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


class Process:
    """A server process: started, awaited until it is ready, and stopped by its pid."""

    def __init__(
        self, command: list[str], *, log: Path, ready: Callable[[], bool], env: dict[str, str] | None = None
    ) -> None:
        self._command = command
        self._log = log
        self._ready = ready
        self._env = {**unmeasured(), **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log, undisturbed():
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._env, start_new_session=True
            )
        deadline = time.monotonic() + _STARTING
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                output = self._log.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"{self._command[0]} did not start:\n{output}")
            time.sleep(0.02)  # another program's readiness cannot be awaited, only polled

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self._command[0]} is not running")
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after a timeout. Idempotent."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class Server:
    """A Process that serves a host. Subclasses set what is declared here."""

    folder: Path  # of its data and its log
    _process: Process

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> Self:
        self._process.start()
        return self

    def stop(self) -> None:
        self._process.stop()

    def signal(self, number: signal.Signals) -> None:
        self._process.signal(number)

    def access_log(self) -> str:
        """The server's whole log, including its requests."""
        return (self.folder / "log").read_text(errors="replace")


class RegistryServer(Server):
    """A real docker-registry (distribution 2.8) that keeps its blobs under `folder`."""

    def __init__(
        self, folder: Path, *, port: int | None = None, login: tuple[str, str] | None = None, deletes: bool = True
    ) -> None:
        self.port = port or free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.folder = folder
        self.login = login
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.yml"
        config.write_text(_registry_config(folder, self.host, login, deletes=deletes))
        self._process = Process(
            ["docker-registry", "serve", str(config)],
            log=folder / "log",
            ready=self._answers,
            env={"OTEL_TRACES_EXPORTER": "none"} | _LAZY_COLLECTION,
        )

    # What strangers do at its disk

    def lose_tag(self, name: str, tag: str) -> None:
        self.remove(f"repositories/{name}/_manifests/tags/{tag}")

    def lose_manifest(self, name: str, digest: str) -> None:
        self.remove(f"repositories/{name}/_manifests/revisions/{digest.replace(':', '/')}")

    def lose_blob(self, name: str, digest: str) -> None:
        """From one repository, as a garbage collection or a DELETE leaves it."""
        self.remove(f"repositories/{name}/_layers/{digest.replace(':', '/')}")

    def lose_repository(self, name: str) -> None:
        self.remove(f"repositories/{name}")

    def data_of(self, digest: str) -> Path:
        """The file that holds a blob or manifest for all repositories."""
        algorithm, _, encoded = digest.partition(":")
        return self._stored / f"blobs/{algorithm}/{encoded[:2]}/{encoded}/data"

    def remove(self, path: str) -> None:
        """A folder of its storage, as `repositories/team/app`."""
        shutil.rmtree(self._stored / path)

    @property
    def _stored(self) -> Path:
        return self.folder / "data/docker/registry/v2"

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/v2/", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def _registry_config(folder: Path, host: str, login: tuple[str, str] | None, *, deletes: bool) -> str:
    auth = ""
    if login is not None:
        passwords = folder / "htpasswd"
        passwords.write_text(_htpasswd(*login))
        auth = f"auth:\n  htpasswd:\n    realm: test\n    path: {passwords}\n"
    return (
        "version: 0.1\n"
        "log: {level: info, accesslog: {disabled: false}}\n"
        f"storage:\n  filesystem: {{rootdirectory: {folder / 'data'}}}\n  delete: {{enabled: {str(deletes).lower()}}}\n"
        # Layers that live elsewhere are allowed, wherever that is.
        "validation: {manifests: {urls: {allow: ['^https?://']}}}\n"
        f"http:\n  addr: {host}\n" + auth
    )


def _htpasswd(user: str, password: str) -> str:
    """One line of an htpasswd file; the registry takes bcrypt only."""
    made = subprocess.run(["htpasswd", "-nbB", "-C", "4", user, password], check=True, capture_output=True, text=True)
    return made.stdout


class Engine(Server):
    """A separate dockerd with its own data."""

    def __init__(self, folder: Path, *, options: tuple[str, ...] = (), root: DebianRoot | None = None) -> None:
        """`root`: that release's dockerd, instead of the machine's."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.host = f"unix://{self.socket}"
        command = [
            "dockerd", "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false",
            f"--host={self.host}", f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}",
            f"--pidfile={folder / 'pid'}", *options,
        ]  # fmt: skip
        if root is not None:
            command = root.command(*command, sharing=[folder])
        self._process = Process(command, log=folder / "log", ready=self._answers)

    def remove(self) -> None:
        """Stop, and give the disk back."""
        self.stop()
        unmount_below(self.folder)  # a killed engine leaves mounts behind
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.socket))
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return client.recv(64).startswith(b"HTTP/1.0 200")
        return False


def mounts_below(folder: Path) -> list[str]:
    """The mount points in the folder, the outermost first."""
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{folder}/")]


def unmount_below(folder: Path) -> None:
    """Unmount everything in the folder."""
    for mounted in reversed(mounts_below(folder)):
        subprocess.run(["umount", "--lazy", mounted], check=True)
