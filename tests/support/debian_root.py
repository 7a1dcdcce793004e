"""Runs programs of another Debian release in a chroot (as root only)."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.sources import CHECKOUT

CACHE = CHECKOUT / ".cache"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_TRIXIE = (
    *("apache2-utils", "ca-certificates", "docker-cli", "docker-compose", "docker-registry", "docker.io"),
    *("procps", "python3", "python3-venv"),
)
# A mount namespace of its own: what is mounted here goes with the last process, however that ends. The root is
# bound to itself, for a dockerd wants "/" to be a mount.
_ENTER = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
for place in /dev /proc /sys; do mount --rbind "$place" "$root$place"; done
for place in /run /tmp; do mount -t tmpfs -o mode=1777 tmpfs "$root$place"; done
while [ "$1" != -- ]; do
    mkdir -p "$root$1"; mount --rbind "$1" "$root$1"; shift
done
shift
exec chroot "$root" "$@"
"""
_UNSHARED = ("unshare", "--mount", "--propagation=private", "--")


@dataclass(frozen=True, slots=True)
class DebianRoot:
    """The root file system of a Debian release."""

    folder: Path

    def command(self, *command: str, folder: Path = Path("/"), sharing: Sequence[Path] = ()) -> list[str]:
        """The command that runs `command` in there, in `folder`; `sharing`: folders that are the same in both.

        It stays one process: a signal reaches the program itself. Network, devices and processes are the machine's;
        its /tmp is in memory, and its own.
        """
        shared = [str(each.absolute()) for each in sharing]
        inside = ["/usr/bin/env", f"--chdir={folder}", *command]
        return [*_UNSHARED, "sh", "-c", _ENTER, "sh", str(self.folder), *shared, "--", *inside]


def debian_13() -> DebianRoot:
    """Debian 13 with everything that tests need: one root, since each takes minutes to create and a gigabyte."""
    return debian_root("trixie", *_TRIXIE)


def debian_root(release: str, *packages: str) -> DebianRoot:
    """A root of `release` (such as trixie) with these packages, made once and kept in the checkout's `.cache`.

    Raises RuntimeError with mmdebstrap's output, for example that there is no network.
    """
    kept = CACHE / f"root-{release}-{hashlib.sha256(' '.join(sorted(packages)).encode()).hexdigest()[:12]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "roots.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of tests that run at the same time, one creates it
        if not kept.exists():
            _make(kept, release, packages)
    return DebianRoot(kept)


def _make(kept: Path, release: str, packages: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "root"
        bootstrap(made, release, packages)
        for name in (Path("/etc/resolv.conf"), CERTIFICATES):  # as this machine reaches the world
            shutil.copy(name, f"{made}{name}")
        made.rename(kept)


def bootstrap(folder: Path, release: str, packages: Sequence[str]) -> None:
    """Make a root at `folder`. Raises RuntimeError."""
    included = [f"--include={','.join(packages)}"] if packages else []
    options = ("--variant=minbase", "--aptopt=Acquire::Retries 5", "--dpkgopt=force-unsafe-io")
    # Unshared: its mounts end with it, so that removing an unfinished root cannot remove the machine's /proc.
    run(*_UNSHARED, "mmdebstrap", *options, *included, release, str(folder))  # in half debootstrap's time


def run(*command: str) -> str:
    """The command's output. If it fails, raises with both of its streams."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def is_possible() -> bool:
    """Whether this user may make and enter roots."""
    return os.geteuid() == 0 and shutil.which("mmdebstrap") is not None
