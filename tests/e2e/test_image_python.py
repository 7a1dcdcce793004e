"""The service on the Python of the image, 3.13: its tests, run once more in Debian 13."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.debian_root import CACHE, CERTIFICATES, DebianRoot, is_possible
from tests.support.measuring import unmeasured
from tests.support.sources import CHECKOUT

VERSION = "3.13"
UV = str(Path(sys.executable).with_name("uv"))  # it is in the checkout
SERVICE = (
    *("tests/test_tasks.py", "tests/test_wakeup.py", "tests/test_worker_pool.py", "tests/test_scheduler.py"),
    *("tests/test_registry_pauses.py", "tests/test_worker.py", "tests/store", "tests/e2e/test_service.py"),
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not is_possible(), reason="only root can enter another Debian, which mmdebstrap makes"),
]


@pytest.fixture
def python(trixie: DebianRoot) -> Path:
    """That release's Python with what the lock names, kept as long as the lock stays the same."""
    lock = CHECKOUT / "requirements/dev.txt"
    kept = CACHE / f"python-{VERSION}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = kept / "bin/python"
    if not (kept / "installed").exists():
        uv = ("/usr/bin/env", "TMPDIR=/tmp", UV)  # it insists on its folder
        install = (*uv, "pip", "install", "--quiet", "--no-cache", "--python", str(python))  # pip takes half a minute
        inside(trixie, *uv, "venv", "--quiet", "--clear", "--python=/usr/bin/python3", str(kept))
        inside(trixie, *install, "--no-deps", "--require-hashes", f"--requirement={lock}")
        inside(trixie, *install, "--no-build-isolation", "--no-deps", "--editable", str(CHECKOUT))
        (kept / "installed").touch()
    return python


def test_the_service_works_on_the_python_of_the_image(trixie: DebianRoot, python: Path) -> None:
    assert inside(trixie, str(python), "--version").startswith(f"Python {VERSION}.")
    on_sqlite = ("-m", "not postgresql")  # the contracts of both databases were tested already
    inside(trixie, str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *on_sqlite, *SERVICE)


def inside(root: DebianRoot, *command: str) -> str:
    """What the command prints in that release, in this checkout; one that fails fails the test."""
    environment = {**unmeasured(), "SSL_CERT_FILE": str(CERTIFICATES), "UV_HTTP_RETRIES": "10"}
    done = subprocess.run(
        root.command(*command, folder=CHECKOUT, sharing=[CHECKOUT]),
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-20000:]}\n{done.stderr[-4000:]}"
    return done.stdout
