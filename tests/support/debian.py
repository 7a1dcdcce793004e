"""Images made from Debian's own packages, for an engine that can reach no registry but ours."""

import hashlib
import platform
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_CACHE = CHECKOUT / ".cache"
_PYTHON = "/usr/bin/python3"  # Debian's, of the same release as the base image's
_PACKAGES = "ca-certificates,python3,python3-venv,wget"
_LOCKS = ("run", "build")


def build_python_image(host: str, name: str) -> None:
    """Build a stand-in for `python:3.*-slim` on the engine at `host`: pip in it installs from the lock's wheels, offline."""
    context = _fresh(_CACHE / "python-image")
    (context / "base.tar").hardlink_to(_base())
    shutil.copytree(_wheels(), context / "wheels")
    (context / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    _build(host, name, context, "FROM scratch\nADD base.tar /\nCOPY wheels /wheels\nCOPY pip.conf /etc/pip.conf\n")


def build_registry_image(host: str, name: str, *, base: str) -> None:
    """Build a stand-in for `registry:2`: the same program, from Debian, with the same defaults."""
    context = _fresh(_CACHE / "registry-image")
    shutil.copy("/usr/bin/docker-registry", context / "registry")
    (context / "config.yml").write_text(
        "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: ':5000'}\n"
    )
    _build(
        host, name, context,
        f"FROM {base}\nCOPY registry /bin/registry\nCOPY config.yml /etc/docker/registry/config.yml\n"
        "VOLUME /var/lib/registry\n"
        'ENTRYPOINT ["registry", "serve"]\nCMD ["/etc/docker/registry/config.yml"]\n',
    )  # fmt: skip


def _base() -> Path:
    """The root file system of this machine's Debian release, as a tar archive."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    archive = _CACHE / f"debian-{release}-{_key(_PACKAGES)}.tar"
    if not archive.exists():
        root = _fresh(_CACHE / "debian")
        _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", release, str(root))
        part = archive.with_suffix(".part")
        _run(
            "tar", "--create", f"--file={part}", f"--directory={root}", "--one-file-system", "--exclude=./var/cache/apt/*",
            "--exclude=./var/lib/apt/lists/*", "--exclude=./usr/share/doc/*", "--exclude=./usr/share/locale/*", ".",
        )  # fmt: skip
        shutil.rmtree(root)
        part.rename(archive)
    return archive


def _wheels() -> Path:
    """Every wheel that the lock names, for the Python of the base image."""
    locks = [CHECKOUT / "requirements" / f"{name}.txt" for name in _LOCKS]
    folder = _CACHE / f"wheels-{_key(*(lock.read_text() for lock in locks))}"
    if not folder.exists():
        part = _fresh(_CACHE / "wheels.part")
        environment = _CACHE / "wheels.venv"
        _run(_PYTHON, "-m", "venv", "--clear", str(environment))
        for lock in locks:
            _run(
                str(environment / "bin/pip"), "download", "--quiet", "--require-hashes", "--only-binary=:all:",
                "--retries=10", f"--dest={part}", f"--requirement={lock}",
            )  # fmt: skip
        shutil.rmtree(environment)
        part.rename(folder)
    return folder


def _build(host: str, name: str, context: Path, dockerfile: str) -> None:
    (context / "Dockerfile").write_text(dockerfile)
    _run("/usr/bin/docker", "--host", host, "build", "--tag", name, str(context))
    shutil.rmtree(context)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
