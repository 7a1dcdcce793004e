"""The first Ferryman's text files: taken over, added to, and given back."""

from pathlib import Path

from tests.e2e.support import held, several, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer
from tests.support.upstreams import DockerHub


def test_what_the_old_files_list_is_not_copied_again(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    whole, amd64, unknown, changed, new = (
        several(f"listed {name}", "linux/amd64", "linux/arm64")
        for name in ("whole", "amd64", "unknown", "changed", "new")
    )
    with DockerHub() as hub:
        for tag, made in {"whole": whole, "amd64": amd64, "unknown": unknown, "changed": changed, "new": new}.items():
            hub.put("acme/web", tag, digest=images.push(upstream.url, "acme/web", tag, made), images=[
                {"os": "linux", "architecture": child.platform["architecture"], "digest": child.digest}
                for child in made.images if isinstance(child, images.Image)
            ])  # fmt: skip
        ferryman.items.write_text(
            f"""
registries: {{docker.io: {{endpoint: "{upstream.url}", api: "{hub.url}"}}}}
items: [{{source: docker.io/acme/web, target: {target.host}/m/}}]
"""
        )
        old = old_file(ferryman, "docker.io__web.txt", [
            ("2026-05-01 12:00:00", amd64.images[0].digest, "amd64"),
            ("2026-05-01 12:00:00", whole.digest, "whole"),
            ("2026-05-01 12:00:00", tiny("what it was").digest, "changed"),
            ("2021-05-01 12:00:00", tiny("long gone").digest, "gone"),
            ("1970-01-01 08:00:00", "Unknown", "unknown"),
        ])  # fmt: skip
        before = old.read_bytes()
        imported = ferryman.run("import-history", "--tz", "Asia/Shanghai")
        assert imported.code == 0, imported.err
        assert ferryman.run("export-history", "--tz", "Asia/Shanghai").code == 0
        assert old.read_bytes() == before
        assert {record["status"] for record in ferryman.status().values()} == {"synced"}

        done = ferryman.run("sync")
        assert done.code == 0, done.err
    assert set(held(target)) == {"m/web:changed", "m/web:new"}
    records = ferryman.status()
    assert {record["status"] for record in records.values()} == {"synced"}
    assert records["web:gone"]["gone_at"] is not None
    assert ferryman.run("export-history", "--tz", "Asia/Shanghai").code == 0
    lines = [line.split("\t\t") for line in old.read_text().splitlines()]
    assert [tag for _, _, tag in lines].count("changed") == 2
    assert [tag for _, _, tag in lines].count("new") == 1
    once = old.read_bytes()
    assert ferryman.run("export-history", "--tz", "Asia/Shanghai").code == 0
    assert old.read_bytes() == once


def test_damaged_lines_are_told_and_the_rest_goes_in(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/web, target: {target.host}/m/}}]")
    name = f"{upstream.host}__web.txt"
    good = ("2026-01-01 00:00:00", tiny("1").digest, "1.0")
    old_file(ferryman, name, [good, ("yesterday", tiny("2").digest, "2.0"), ("2026-01-01 00:00:00", "md5:1", "3.0")])
    old_file(ferryman, "quay.io__stranger.txt", [good])
    done = ferryman.run("import-history")
    assert done.code == 1
    assert f"{name}:2: " in done.err
    assert f"{name}:3: " in done.err
    assert "quay.io__stranger.txt: not imported" in done.err
    assert set(ferryman.status()) == {"web:1.0"}


def test_two_items_that_would_share_a_file(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    for namespace in ("one", "two"):
        images.push(upstream.url, f"{namespace}/app", "1", tiny(namespace))
    images.push(upstream.url, "one/lib", "1", tiny("lib"))
    ferryman.items.write_text(
        f"""
items:
  - {{source: {upstream.host}/one/app, target: {target.host}/one/}}
  - {{source: {upstream.host}/two/app, target: {target.host}/two/}}
  - {{source: {upstream.host}/one/lib, target: {target.host}/one/}}
"""
    )
    done = ferryman.run("sync")
    assert done.code == 0, done.err
    assert ferryman.run("export-history", "--dir", "lists").code == 0
    files = {path.name: path.read_text() for path in (ferryman.folder / "lists").iterdir()}
    assert files == {
        f"{upstream.host}__one__app.txt": f"2026-01-01 00:00:00\t\t{tiny('one').digest}\t\t1\n",
        f"{upstream.host}__two__app.txt": f"2026-01-01 00:00:00\t\t{tiny('two').digest}\t\t1\n",
        f"{upstream.host}__lib.txt": f"2026-01-01 00:00:00\t\t{tiny('lib').digest}\t\t1\n",
    }


def test_no_folder(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/web, target: {target.host}/m/}}]")
    done = ferryman.run("import-history", "--dir", "nowhere")
    assert done.code == 2
    assert "nowhere" in done.err


def old_file(ferryman: Ferryman, name: str, lines: list[tuple[str, str, str]]) -> Path:
    path = ferryman.folder / "history" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join("\t\t".join(line) + "\n" for line in lines))
    return path
