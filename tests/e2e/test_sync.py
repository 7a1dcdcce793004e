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
    pushes = target.access_log().count("http.request.method=PUT")
    second = ferryman.run("sync")
    assert second.code == 0, second.err
    after = ferryman.status()
    asked = {key: after["app:1.0"][key] for key in ("last_seen_at", "probed_at")}
    assert after["app:1.0"] == records["app:1.0"] | asked
    assert after["app:1.1"]["source_digest"] == changed
    assert after["app:1.1"]["target_digest"] == held(target)["mirror/app:1.1"] != records["app:1.1"]["target_digest"]
    assert pushes > 0

    pushes = target.access_log().count("http.request.method=PUT")
    third = ferryman.run("sync", "--json")
    assert third.code == 0, third.err
    assert {record["tag"]: record["status"] for record in third.json} == {"1.0": "synced", "1.1": "synced"}
    assert target.access_log().count("http.request.method=PUT") == pushes


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
    assert set(shown) == {"newest:1.10", "newest:1.9"}
    everything = ferryman.status("newest", "--all")
    assert everything["newest:edge"]["status"] == "skipped"
    assert everything["newest:edge"]["reason"] == "beyond-limit"


def test_platforms(
    ferryman: Ferryman, engine: Engine, upstream: RegistryServer, start_registry: Callable[..., RegistryServer]
) -> None:
    target = start_registry()
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


def test_the_big_registries_by_their_apis(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer, start_registry: Callable[..., RegistryServer]
) -> None:
    quays = start_registry()
    with DockerHub() as hub, Quay() as quay, Google() as google:
        for tag in ("1.0", "1.1"):
            hub.put("library/web", tag, digest=images.push(upstream.url, "library/web", tag, tiny(f"web {tag}")))
            quay.put("acme/net", tag, digest=images.push(quays.url, "acme/net", tag, tiny(f"net {tag}")))
            google.push("pause", tag, tiny(f"pause {tag}"))
        hub.put("library/web", "1.1-windowsservercore", images=[{"os": "windows", "architecture": "amd64"}])
        ferryman.items.write_text(
            f"""
registries:
  docker.io: {{endpoint: "{upstream.url}", api: "{hub.url}"}}
  quay.io: {{endpoint: "{quays.url}", api: "{quay.url}"}}
  registry.k8s.io: {{endpoint: "{google.url}"}}
defaults: {{target: {target.host}/m/}}
items: [{{source: docker.io/web}}, {{source: quay.io/acme/net}}, {{source: registry.k8s.io/pause}}]
"""
        )
        done = ferryman.run("sync")
        assert done.code == 0, done.err
        assert set(held(target)) == {f"m/{name}:{tag}" for name in ("web", "net", "pause") for tag in ("1.0", "1.1")}
        asked = hub.asked() + quay.asked() + google.asked(beginning="GET /v2/pause/tags/list")
        done = ferryman.run("sync")
        assert done.code == 0, done.err
        again = hub.asked() + quay.asked() + google.asked(beginning="GET /v2/pause/tags/list")
        assert again - asked == 3
    names = {f"{record['source']}:{record['tag']}" for record in ferryman.status().values()}
    assert "docker.io/library/web:1.0" in names


def test_the_old_items_yml_with_a_name_twice(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    for namespace in ("one", "two"):
        images.push(upstream.url, f"{namespace}/app", "1", tiny(namespace))
        images.push(upstream.url, f"{namespace}/app", "2", tiny(f"{namespace} 2", created="2026-02-01T00:00:00Z"))
    ferryman.items.write_text(
        f"""
app:
  source: {upstream.host}/one
  target: {target.host}/first/
  limit: 1
app:
  source: {upstream.host}/two/
  target: {target.host}/second/
  tag:
    limit: 1
"""
    )
    done = ferryman.run("sync")
    assert done.code == 0, done.err
    assert set(held(target)) == {"first/app:2", "second/app:2"}


def test_an_item_alone_a_tag_that_goes_and_an_item_that_goes(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    with DockerHub() as hub:
        for name in ("a", "b"):
            hub.put(f"acme/{name}", "1", digest=images.push(upstream.url, f"acme/{name}", "1", tiny(name)))
        hub.put("acme/a", "2", digest=images.push(upstream.url, "acme/a", "2", tiny("a 2")))
        head = f'registries: {{docker.io: {{endpoint: "{upstream.url}", api: "{hub.url}"}}}}\n'
        head += f"defaults: {{target: {target.host}/m/}}\n"
        ferryman.items.write_text(head + "items: [{source: docker.io/acme/a}, {source: docker.io/acme/b}]")
        assert ferryman.run("sync", "c").code == 2
        done = ferryman.run("sync", "a")
        assert done.code == 0, done.err
        assert set(held(target)) == {"m/a:1", "m/a:2"}

        hub.delete("acme/a", "2")
        ferryman.items.write_text(head + "items: [{source: docker.io/acme/a}]")
        done = ferryman.run("sync", FERRYMAN_COMPLETE_WALK="1ms")
        assert done.code == 0, done.err
    records = ferryman.status()
    assert records["a:2"]["status"] == "synced"
    assert records["a:2"]["gone_at"] is not None
    assert records["a:1"]["gone_at"] is None
    assert set(held(target)) == {"m/a:1", "m/a:2"}
