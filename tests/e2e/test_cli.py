"""What needs no registry: help, completion, the schema, settings that are wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ferryman import Ferryman

COMMANDS = [
    "run", "scheduler", "worker", "sync", "plan", "status", "requeue", "export-history", "import-history", "check",
    "health", "schema", "version", "migrate", "backup", "restore", "forget",
]  # fmt: skip
ITEMS = """
defaults: {target: registry.example.com/m/}
items: [{source: quay.io/coreos/flannel}, {source: quay.io/coreos/etcd}, {source: docker.io/library/traefik}]
"""


@pytest.fixture(autouse=True)
def items(ferryman: Ferryman) -> None:
    ferryman.items.write_text(ITEMS)


def test_help_of_everything(ferryman: Ferryman) -> None:
    overview, *each = ferryman.run_all(["--help"], *([command, "--help"] for command in COMMANDS))
    assert overview.code == 0
    for command, helped in zip(COMMANDS, each, strict=True):
        assert f"  {command} " in overview.out
        assert helped.code == 0
        assert helped.out.startswith(f"Usage: ferryman {command} ")
    assert "..." not in overview.out.partition("Commands:")[2]


def test_the_version(ferryman: Ferryman) -> None:
    assert ferryman.run("version").out == ferryman.run("--version").out.replace(", version", "")


def test_output_that_cannot_be_written() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "ferryman", "schema"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "error: No space left on device\n")


def test_completion_of_commands_and_items(ferryman: Ferryman) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = ferryman.run(_FERRYMAN_COMPLETE=f"{shell}_source").out
        assert f"_FERRYMAN_COMPLETE={shell}_complete" in script
    assert complete(ferryman, "ferryman s", 1) == ["scheduler", "schema", "status", "sync"]
    assert complete(ferryman, "ferryman sync ", 2) == ["etcd", "flannel", "traefik"]
    assert complete(ferryman, "ferryman requeue f", 2) == ["failed", "flannel"]
    ferryman.items.write_text("items: [")
    assert complete(ferryman, "ferryman sync ", 2) == []


def complete(ferryman: Ferryman, words: str, position: int) -> list[str]:
    done = ferryman.run(_FERRYMAN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(position))
    return sorted(line.partition(",")[2] for line in done.out.splitlines() if line)


def test_the_schema(ferryman: Ferryman) -> None:
    schema = json.loads(ferryman.run("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_wrong_settings_are_named_all_at_once(ferryman: Ferryman) -> None:
    done = ferryman.run("status", FERRYMAN_WORKERS="0", FERRYMAN_INTERVAL="never", FERRYMAN_RETRY_DELY="1s")
    assert done.code == 2
    errors = done.err.splitlines()
    assert len(errors) == 3
    for name in ("FERRYMAN_WORKERS", "FERRYMAN_INTERVAL", "FERRYMAN_RETRY_DELAY"):
        assert any(name in error for error in errors), done.err


def test_wrong_usage(ferryman: Ferryman) -> None:
    assert ferryman.run("migrate").code == 0
    typo, nothing, unknown, zone, missing = ferryman.run_all(
        ["synch"],
        ["requeue"],
        ["requeue", "flanel"],
        ["export-history", "--tz", "Asia/Shangri-La"],
        ["plan", "--items", "elsewhere.yml"],
    )
    assert [done.code for done in (typo, nothing, unknown, zone, missing)] == [2] * 5
    assert "did you mean 'flannel'?" in unknown.err
    assert "Asia/Shangri-La" in zone.err
    assert "elsewhere.yml" in missing.err


def test_a_database_that_cannot_be_used(ferryman: Ferryman) -> None:
    ferryman.database.parent.mkdir()
    ferryman.database.write_bytes(b"no database at all " * 100)
    done = ferryman.run("status")
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert "data/ferryman.db" in done.err


def test_a_database_url_with_a_password_keeps_it(ferryman: Ferryman) -> None:
    password = ferryman.environment["TARGET_PASSWORD"]
    url = f"postgresql+asyncpg://porter:{password}@127.0.0.1:1/ferryman"
    done = ferryman.run("status", FERRYMAN_DATABASE_URL=url)
    assert done.code == 3
    assert password not in done.err + done.out


def test_a_database_url_that_names_none(ferryman: Ferryman) -> None:
    done = ferryman.run("status", FERRYMAN_DATABASE_URL="mysql://porter:hunter2@127.0.0.1/ferryman")
    assert done.code == 2
    assert "FERRYMAN_DATABASE_URL: mysql is not supported" in done.err
    assert "hunter2" not in done.err + done.out


def test_status_of_an_empty_record(ferryman: Ferryman) -> None:
    assert ferryman.run("migrate").code == 0
    assert ferryman.run("status", "--json").json == []
    done = ferryman.run("status")
    assert done.code == 0
    assert done.out.count("no service is running") == 1
    assert ferryman.run("status", "--failed").out == "nothing has failed\n"
    assert ferryman.run("health").code == 1
    assert not list(ferryman.database.parent.glob("*.owners")), "only who claims tags has a name to be known by"
