"""Backup and restore, and commands on a database that is not there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer


@pytest.mark.parametrize("how", ["restore", "cp"])
def test_a_restored_backup_is_not_believed(
    install: Callable[..., Ferryman], upstream: RegistryServer, target: RegistryServer, tmp_path: Path, how: str
) -> None:
    """Upstream is back at what the backup knows; the target is not."""
    ferryman = install(FERRYMAN_TRANSPORT="direct", FERRYMAN_INTERVAL="1s")
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/}}]")
    images.push(upstream.url, "acme/app", "latest", tiny("one"))
    first = held(upstream)["acme/app:latest"]
    service = ferryman.start("run")
    service.until("the first", lambda: held(target).get("m/app:latest") == first)
    service.until("its record", lambda: ferryman.status()["app:latest"]["status"] == "synced")
    assert ferryman.run("backup", "backup.db").out == "backup.db: 1 tag\n"
    images.push(upstream.url, "acme/app", "latest", tiny("two"))
    service.until("the second", lambda: held(target)["m/app:latest"] not in {first, None})
    refused = ferryman.run("restore", "backup.db")
    assert (refused.code, "stop it first" in refused.err) == (3, True)
    assert service.stop() == 0
    images.push(upstream.url, "acme/app", "latest", tiny("one"))

    if how == "restore":
        assert "restored 1 tag" in ferryman.run("restore", "backup.db").out
        assert len([each for each in ferryman.database.parent.glob("*.before-restore-*") if each.is_file()]) == 1
    else:
        shutil.copy(ferryman.folder / "backup.db", ferryman.database)
    done = ferryman.run("sync")

    assert done.code == 0, done.err
    assert "event=target_damaged" in done.err
    assert held(target)["m/app:latest"] == first
    assert "event=target_damaged" not in ferryman.run("sync").err


def test_who_only_asks_makes_no_database(install: Callable[..., Ferryman], upstream: RegistryServer) -> None:
    ferryman = install(FERRYMAN_TRANSPORT="direct", TARGET_USER="", TARGET_PASSWORD="")
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {upstream.host}/m/}}]")
    before = {each.name for each in ferryman.folder.iterdir()}

    asked = (
        ["status"], ["status", "--json"], ["requeue", "failed"], ["export-history"], ["health"], ["backup", "b.db"],
    )  # fmt: skip
    for done in ferryman.run_all(*asked):
        assert done.code == 3
        assert f"there is no state database at {ferryman.database}" in done.err
    planned, checked = ferryman.run_all(["plan", "--json"], ["check"])
    assert [each["action"] for each in json.loads(planned.out)] == ["copy"]
    assert (planned.code, checked.code) == (0, 0)
    assert {each.name for each in ferryman.folder.iterdir()} == before

    assert ferryman.run("migrate").code == 0
    assert ferryman.run("status").code == 0
