"""The image's entrypoint, with a program in Ferryman's place that prints its environment."""

import os
import subprocess

import pytest

from tests.support.sources import CHECKOUT

SCRIPT = (CHECKOUT / "docker-entrypoint.sh").read_text().replace("/opt/ferryman/bin/ferryman", "/usr/bin/env")
NOBODY = 65534
DEFAULT = "FERRYMAN_DATABASE_URL=sqlite+aiosqlite:////data/ferryman.db"


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ({}, [DEFAULT]),
        ({"FERRYMAN_DATABASE_URL": "", "FERRYMAN_DATABASE_URL_FILE": ""}, [DEFAULT, "FERRYMAN_DATABASE_URL_FILE="]),
        ({"FERRYMAN_DATABASE_URL": "postgresql+asyncpg://db/f"}, ["FERRYMAN_DATABASE_URL=postgresql+asyncpg://db/f"]),
        ({"FERRYMAN_DATABASE_URL_FILE": "/run/secrets/url"}, ["FERRYMAN_DATABASE_URL_FILE=/run/secrets/url"]),
    ],
)
def test_the_database_is_in_the_volume_unless_another_is_named(given: dict[str, str], passed: list[str]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-s"], input=SCRIPT, env={"PATH": "/usr/bin:/bin", **given}, capture_output=True, text=True,
        check=True, user=NOBODY if os.geteuid() == 0 else None,
    )  # fmt: skip
    assert sorted(line for line in done.stdout.splitlines() if line.startswith("FERRYMAN_")) == passed
