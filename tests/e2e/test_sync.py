"""`ferryman sync`: what is wanted arrives, only what changed moves, and the record says so."""

from collections.abc import Callable

from tests.e2e.support import docker, held, manifest, names_in, platforms_of, several, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import Engine, RegistryServer
from tests.support.upstreams import DockerHub, Google, Quay

STATUS_KEYS = {
    "item", "source", "target", "tag", "status", "attempts", "source_digest", "target_digest", "pushed_at",
    "synced_at", "error",
}  # fmt: skip


def test_a_cycle_copies_what_is_new_and_the_next_one_what_changed(
    ferryman: Ferryman, engine: Engine, upstream: RegistryServer, target: RegistryServer
) -> None:
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/mirror/}}]")
    for tag in ("1.0", "1.1"):
        images.push(upstream.url, "acme/app", tag, tiny(tag))

    first = ferryman.run("sync")
    assert first.code == 0, first.err
    records = ferryman.status()
    assert {name: record["target_digest"] for name, record in records.items()} == {
        name.removeprefix("mirror/"): digest for name, digest in held(target).items()
    }
    record = records["app:1.0"]
    assert record.keys() >= STATUS_KEYS
    assert record["source"] == f"{upstream.host}/acme/app"
    assert record["target"] == f"{target.host}/mirror/app"
    assert (record["status"], record["attempts"], record["error"]) == ("synced", 1, None)
    assert record["source_digest"] == tiny("1.0").digest
    assert record["pushed_at"] == "2026-01-01T00:00:00Z"
    assert record["synced_at"].endswith("Z")
    assert names_in(engine, target) == []

    changed = images.push(upstream.url, "acme/app", "1.1", tiny("1.1 rebuilt"))
    pushes = target.access_log().count('http.request.method=PUT')
    second = ferryman.run("sync")
    assert second.code == 0, second.err
    after = ferryman.status()
    assert after["app:1.0"] == records["app:1.0"] | {"last_seen_at": after["app:1.0"]["last_seen_at"]}
    assert after["app:1.1"]["source_digest"] == changed
    assert after["app:1.1"]["target_digest"] == held(target)["mirror/app:1.1"] != records["app:1.1"]["target_digest"]
    assert pushes > 0

    pushes = target.access_log().count('http.request.method=PUT')
    third = ferryman.run("sync", "--json")
    assert third.code == 0, third.err
    assert {record["tag"]: record["status"] for record in third.json} == {"1.0": "synced", "1.1": "synced"}
    assert target.access_log().count('http.request.method=PUT') == pushes


def test_rules_choose_the_tags(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    for position, tag in enumerate(["1.10", "1.9", "1.8", "1.11-rc1", "b", "c", "edge"]):
        images.push(upstream.url, "acme/app", tag, tiny(tag, created=f"2026-01-{20 - position:02}T00:00:00Z"))
    ferryman.items.write_text(
        f"""
defaults: {{source: {upstream.host}/acme/app}}
items:
  - {{target: {target.host}/m/newest, limit: 2}}
  - {{target: {target.host}/m/version, limit: 2, order: version, tags: {{exclude: ['.*-rc.*']}}}}
  - {{target: {target.host}/m/name, limit: 1, order: name}}
  - {{target: {target.host}/m/pinned, limit: 1, tags: {{include: ['1\\..*'], exclude: ['1\\.8'], pin: ['1.8', edge]}}}}
  - {{target: {target.host}/m/all}}
"""
    )
    done = ferryman.run("sync")
    assert done.code == 0, done.err
    mirrored = held(target)
    by_item = {
        name: {key.rpartition(":")[2] for key in mirrored if key.startswith(f"m/{name}:")}
        for name in ("newest", "version", "name", "pinned", "all")
    }
    assert by_item == {
        "newest": {"1.10", "1.9"},
        "version": {"1.10", "1.9"},
        "name": {"edge"},
        "pinned": {"1.10", "1.8", "edge"},
        "all": {"1.10", "1.9", "1.8", "1.11-rc1", "b", "c", "edge"},
    }
    shown = ferryman.status("newest")
    assert {name for name in shown} == {"newest:1.10", "newest:1.9"}
    everything = ferryman.status("newest", "--all")
    assert everything["newest:edge"]["status"] == "skipped"
    assert everything["newest:edge"]["reason"] == "beyond-limit"


def test_platforms(ferryman: Ferryman, engine: Engine, upstream: RegistryServer, target: RegistryServer) -> None:
    index = several("app", "linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64", attested=True)
    images.push(upstream.url, "acme/app", "1", index)
    images.push(upstream.url, "acme/arm", "1", tiny("arm", platform="linux/arm64"))
    ferryman.items.write_text(
        f"""
defaults: {{source: {upstream.host}/acme/app}}
items:
  - {{target: {target.host}/m/one, platforms: [linux/arm64]}}
  - {{target: {target.host}/m/two, platforms: [linux/amd64, linux/arm64]}}
  - {{target: {target.host}/m/linux, platforms: linux}}
  - {{target: {target.host}/m/native}}
  - {{target: {target.host}/m/none, source: {upstream.host}/acme/arm, platforms: [linux/s390x]}}
"""
    )
    done = ferryman.run("sync")
    assert done.code == 0, done.err
    assert platforms_of(manifest(target, "m/two", "1")) == {"linux/amd64", "linux/arm64"}
    assert platforms_of(manifest(target, "m/linux", "1")) == {"linux/amd64", "linux/arm64", "linux/arm"}
    assert "manifests" not in manifest(target, "m/one", "1")
    assert "manifests" not in manifest(target, "m/native", "1")
    none = ferryman.status("none", "--all")["none:1"]
    assert (none["status"], none["reason"]) == ("skipped", "platform")
    assert "linux/s390x" in none["error"]
    assert "m/none:1" not in held(target)
    assert "linux/s390x" in ferryman.run("status", "none", "--all").out


    for platform, architecture in (("linux/amd64", "amd64"), ("linux/arm64", "arm64")):
        docker(engine, "pull", "--quiet", "--platform", platform, f"{target.host}/m/two:1")
        told = docker(engine, "inspect", "--format", "{{.Architecture}}", f"{target.host}/m/two:1")
        assert told.strip() == architecture
        docker(engine, "rmi", f"{target.host}/m/two:1")
