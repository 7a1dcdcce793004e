"""`ferryman check` and a broken items.yml: what works, what doesn't, and nothing is changed."""

from collections.abc import Callable

from tests.e2e.support import USER, held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer, free_port


def test_all_is_well(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/}}]")
    done = ferryman.run("check")
    assert done.code == 0, done.out
    assert f"logged in to {target.host} as {USER}" in done.out
    assert f"source {upstream.host}" in done.out
    assert "Docker Engine" in done.out
    assert f"1 item, to {target.host}/m/" in done.out
    found = ferryman.run("check", "--json").json
    assert [finding.keys() for finding in found] == [{"what", "works", "message", "told"}] * 4
    assert all(finding["works"] for finding in found)
    assert held(target) == {}


def test_each_thing_that_does_not_work_is_told(ferryman: Ferryman, target: RegistryServer) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    ferryman.items.write_text(f"items: [{{source: {nowhere}/acme/app, target: {target.host}/m/}}]")
    missing = ferryman.folder / "no.sock"
    done = ferryman.run("check", "--json", TARGET_PASSWORD="wrong", DOCKER_HOST=f"unix://{missing}")
    assert done.code == 1, done.err
    assert all(finding["told"] == finding["message"] for finding in done.json)
    told = {finding["what"]: finding["message"] for finding in done.json if not finding["works"]}
    assert told.keys() == {"engine", f"target {target.host}", f"source {nowhere}"}
    assert str(missing) in told["engine"]
    assert "set DOCKER_HOST" in told["engine"]
    assert USER in told[f"target {target.host}"]
    assert nowhere in told[f"source {nowhere}"]


def test_a_broken_items_yml_changes_nothing(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    good = f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/}}]"
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    ferryman.items.write_text(good)
    assert ferryman.run("sync").code == 0
    images.push(upstream.url, "acme/app", "2", tiny("2"))
    record, mirrored = ferryman.database.read_bytes(), held(target)

    ferryman.items.write_text(
        f"""\
items:
  - source: {upstream.host}/acme/app
    target: {target.host}/m/
    limitt: 3
    tags: {{include: ['(']}}
    platforms: all
  - source: {upstream.host}/acme/other
    target: {target.host}/m/app
  - source: "${{NO_SUCH_VARIABLE}}/x"
    target: {target.host}/m/
"""
    )
    for done in ferryman.run_all(["sync"], ["plan"], ["check"], ["run"], ["import-history"]):
        assert done.code == 2, done.err
        assert done.out == ""
        errors = done.err.splitlines()
        assert all(error.startswith("error: items.yml:") for error in errors), done.err
        assert any("items.yml:4:5" in error and "limit" in error for error in errors), done.err
        assert any("items.yml:5:" in error and "'('" in error for error in errors), done.err
        assert any("items.yml:6:" in error and "all" in error for error in errors), done.err
        assert any("NO_SUCH_VARIABLE" in error for error in errors), done.err
    assert ferryman.database.read_bytes() == record
    assert held(target) == mirrored


def test_no_engine(install: Callable[..., Ferryman], upstream: RegistryServer, target: RegistryServer) -> None:
    ferryman = install(host="tcp://127.0.0.1:1")
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/}}]")
    for done in ferryman.run_all(["sync"], ["run"], ["worker"]):
        assert done.code == 3, done.err
        (error,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
        assert "tcp://127.0.0.1:1" in error
        assert "start the engine" in error
