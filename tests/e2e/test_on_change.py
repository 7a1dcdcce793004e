"""`on_change: hold`, `keep`, `release` and `sync --strict`, as a person uses them, with real registries."""

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer

ONE, TWO, THREE = tiny("one"), tiny("two"), tiny("three")


def test_a_version_tag_that_changes_is_held_until_a_person_decides(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    run, name = ferryman.run, f"{target.host}/m/app:1.2.3"
    ferryman.environment["FERRYMAN_TRANSPORT"] = "direct"

    def follow(on_change: str) -> None:
        ferryman.items.write_text(
            f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/, on_change: {on_change}, "
            "probe: always}]"
        )

    def publish(what: images.Image) -> None:
        images.push(upstream.url, "acme/app", "1.2.3", what)

    follow("hold")
    publish(ONE)
    assert run("sync", "--strict").code == 0
    publish(TWO)
    strict = run("sync", "--strict")
    assert strict.code == 4, strict.err
    assert f"warning: upstream changed 1 version tag, held until `release` or `keep`: {name}" in strict.err
    assert run("sync").code == 0
    assert held(target)["m/app:1.2.3"] == ONE.digest

    [planned] = run("plan", "--json").json
    assert (planned["action"], planned["reason"]) == ("keep", "held-changed")
    short = [each.digest.removeprefix("sha256:")[:12] for each in (ONE, TWO)]
    assert f"{short[0]} became {short[1]}" in planned["detail"]
    told = run("status").out
    assert told.startswith("upstream has changed 1 version tag of 1 item, which is held: release or keep it")
    assert f"{short[0]} became {short[1]}: `ferryman release` or `ferryman keep`" in told
    assert run("status", "--json").json[0]["hold"] == "changed"
    assert f"{name} is held since" in run("history", "app:1.2.3").out
    assert run("requeue", "app:1.2.3").out.startswith("0 tags queued\napp:1.2.3 is held: `ferryman release app:1.2.3`")

    kept = run("keep", "app:1.2.3")
    assert (kept.code, kept.out.startswith(f"{name} stays as it is")) == (0, True)
    assert run("sync", "--strict").code == 0
    [tag] = run("status", "--json").json
    assert (tag["hold"], tag["reason"]) == ("kept", "kept")
    assert "kept by a person" in run("status", "app").out
    assert held(target)["m/app:1.2.3"] == ONE.digest

    publish(THREE)
    assert run("sync", "--strict").code == 4
    assert run("release", "app:1.2.3").code == 0
    assert run("sync", "--strict").code == 0
    assert held(target)["m/app:1.2.3"] == THREE.digest
    refused = run("keep", "app:1.2.3")
    assert (refused.code, "is not held" in refused.err) == (1, True)

    follow("warn")
    publish(ONE)
    warned = run("sync", "--strict")
    assert (warned.code, held(target)["m/app:1.2.3"]) == (4, ONE.digest)
    assert f"warning: upstream changed 1 version tag since the last look: {name}" in warned.err
    assert run("sync", "--strict").code == 0
