"""Images made from Debian's packages, for an engine that can only reach our registry."""

import hashlib
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.debian_root import CACHE, bootstrap, run
from tests.support.sources import CHECKOUT

PYTHON = "/usr/bin/python3"  # Debian's, of the same release as the base image's
_PACKAGES = "ca-certificates,python3,python3-venv,wget"
_LEFT_OUT = ("./var/cache/apt/*", "./var/lib/apt/lists/*", "./usr/share/doc/*", "./usr/share/locale/*")


def build_python_image(host: str, name: str) -> None:
    """Build a stand-in for `python:3.*-slim` on the engine at `host`. Its pip installs the lock's wheels, offline."""
    with _folder() as context:
        (context / "base.tar").hardlink_to(_base())
        shutil.copytree(locked_wheels(), context / "wheels")
        (context / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        _build(host, name, context, "FROM scratch\nADD base.tar /\nCOPY wheels /wheels\nCOPY pip.conf /etc/pip.conf\n")


def build_registry_image(host: str, name: str, *, base: str) -> None:
    """Build a stand-in for `registry:2` on the engine at `host`: the same program, from Debian."""
    with _folder() as context:
        shutil.copy("/usr/bin/docker-registry", context / "registry")
        (context / "config.yml").write_text(
            "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: ':5000'}\n"
        )
        dockerfile = (
            f"FROM {base}\nCOPY registry /bin/registry\nCOPY config.yml /etc/docker/registry/config.yml\n"
            'VOLUME /var/lib/registry\nENTRYPOINT ["registry", "serve"]\nCMD ["/etc/docker/registry/config.yml"]\n'
        )
        _build(host, name, context, dockerfile)


def locked_wheels() -> Path:
    """A folder with every wheel that the lock names for a run and a build, for Debian's own Python."""
    locks = [CHECKOUT / "requirements" / name for name in ("run.txt", "build.txt")]
    kept = CACHE / f"wheels-{_key(*(lock.read_text() for lock in locks))}"
    if not kept.exists():
        with _folder() as folder:
            run(PYTHON, "-m", "venv", str(folder / "venv"))
            for lock in locks:
                run(
                    *(str(folder / "venv/bin/pip"), "download", "--quiet", "--retries=10", "--only-binary=:all:"),
                    *("--require-hashes", f"--requirement={lock}", f"--dest={folder / 'wheels'}"),
                )
            (folder / "wheels").rename(kept)
    return kept


def _base() -> Path:
    """The root file system of this machine's Debian release, as a tar archive."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    kept = CACHE / f"debian-{release}-{_key(_PACKAGES, *_LEFT_OUT)}.tar"
    if not kept.exists():
        with _folder() as folder:
            root, archive = folder / "root", folder / "base.tar"
            bootstrap(root, release, _PACKAGES.split(","))
            left_out = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
            run("tar", "--create", f"--file={archive}", f"--directory={root}", "--one-file-system", *left_out, ".")
            archive.rename(kept)
    return kept


def _build(host: str, name: str, context: Path, dockerfile: str) -> None:
    (context / "Dockerfile").write_text(dockerfile)
    run("/usr/bin/docker", "--host", host, "build", "--tag", name, str(context))


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder in the cache, from which a finished file can be renamed into place."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        yield Path(folder)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
