"""`ferryman plan`: what would be done with every tag, and why. It copies nothing and needs no engine."""

from collections.abc import Callable

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer, free_port


def test_every_tag_has_a_reason(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    for day, tag in enumerate(["0.9", "1.0", "1.1", "1.2-rc1", "1.2"], start=1):
        images.push(upstream.url, "acme/app", tag, tiny(tag, created=f"2026-01-{day:02}T00:00:00Z"))
    ferryman.items.write_text(
        f"""
items:
  - source: {upstream.host}/acme/app
    target: {target.host}/m/
    limit: 3
    tags: {{exclude: ['.*-rc.*']}}
"""
    )
    assert planned(ferryman) == {
        "1.2": ("copy", "new"), "1.1": ("copy", "new"), "1.0": ("copy", "new"), "0.9": ("skip", "beyond-limit"),
        "1.2-rc1": ("skip", "excluded"),
    }  # fmt: skip
    assert held(target) == {}
    assert not ferryman.database.parent.exists()

    done = ferryman.run("sync")
    assert done.code == 0, done.err
    images.push(upstream.url, "acme/app", "1.1", tiny("1.1 again", created="2026-01-09T00:00:00Z"))
    assert planned(ferryman) == {
        "1.2": ("keep", "up-to-date"), "1.1": ("copy", "changed"), "1.0": ("keep", "up-to-date"),
        "0.9": ("skip", "beyond-limit"), "1.2-rc1": ("skip", "excluded"),
    }  # fmt: skip
    table = ferryman.run("plan").out
    assert "excluded by '.*-rc.*'" in table
    assert "not among the first 3 by newest" in table
    assert f"app: {upstream.host}/acme/app → {target.host}/m/app\n" in table


def test_a_pin_that_upstream_does_not_have(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    images.push(upstream.url, "acme/app", "1.0", tiny("1.0"))
    ferryman.items.write_text(
        f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/, tags: {{pin: ['1.0', lastest, v.*]}}}}]"
    )
    done = ferryman.run("plan", "--json")
    assert done.code == 0
    assert [each["tag"] for each in done.json] == ["1.0"]
    assert done.err == f"warning: app: {upstream.host}/acme/app has no tag lastest, which is pinned\n"


def test_one_item_that_cannot_be_looked_at(
    install: Callable[..., Ferryman], upstream: RegistryServer, target: RegistryServer
) -> None:
    ferryman = install(host="unix:///nonexistent.sock")
    nowhere = f"127.0.0.1:{free_port()}"
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    ferryman.items.write_text(
        f"""
defaults: {{target: {target.host}/m/}}
items: [{{source: {upstream.host}/acme/app}}, {{source: {nowhere}/acme/gone}}]
"""
    )
    done = ferryman.run("plan", "--json")
    assert done.code == 1
    assert [(each["item"], each["tag"], each["action"]) for each in done.json] == [("app", "1", "copy")]
    assert f"error: gone ({nowhere}/acme/gone) could not be looked at: {nowhere}" in done.err
    assert ferryman.run("plan", "app").code == 0
    unknown = ferryman.run("plan", "ap")
    assert unknown.code == 2
    assert "did you mean 'app'?" in unknown.err


def planned(ferryman: Ferryman) -> dict[str, tuple[str, str]]:
    done = ferryman.run("plan", "--json")
    assert done.code == 0, done.err
    return {each["tag"]: (each["action"], each["reason"]) for each in done.json}


def test_an_include_that_matches_nothing_warns(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    images.push(upstream.url, "acme/app", "1.0", tiny("included"))
    rules = "tags: {include: ['1\\..*', 'v1.*']}"
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/, {rules}}}]")
    assert "include" not in ferryman.run("check").out  # nothing is known of the source yet
    plan = ferryman.run("plan")
    assert (plan.code, plan.err) == (0, f"warning: app: no tag of {upstream.host}/acme/app matches 'v1.*' of include\n")
    done = ferryman.run("sync")
    assert done.code == 0
    assert "no upstream tag matches a pattern of include" in done.err
    assert "none of 1 known tag matches 'v1.*'" in ferryman.run("check").out
