"""`min_age` and `ferryman release`: nothing young goes, unless a person lets it through."""

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer


def test_a_young_digest_waits_until_it_is_released(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    for tag in ("1", "2"):
        images.push(upstream.url, "acme/app", tag, tiny(tag))  # the image's own label is months old
    ferryman.environment["FERRYMAN_TRANSPORT"] = "direct"
    ferryman.items.write_text(
        f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/, min_age: 72h, "
        "tags: {pin: '2', min_age: 0}}]"
    )
    first = ferryman.run("sync")
    assert first.code == 0, first.err
    assert held(target).keys() == {"m/app:2"}
    assert "1 tag is in quarantine" in first.err
    assert ferryman.run("status").out.startswith("the mirror is complete: 1 tag of 1 item, 1 tag is in quarantine")
    [young, _] = sorted(ferryman.run("plan", "--json").json, key=lambda each: str(each["tag"]))
    [tag] = ferryman.run("status", "app:1", "--json").json
    assert (young["action"], young["reason"]) == ("copy", "quarantine")
    assert young["quarantined_until"] == tag["quarantined_until"] == tag["next_attempt_at"]
    assert ferryman.run("requeue", "app:1").code == 0
    assert ferryman.run("sync").code == 0
    assert held(target).keys() == {"m/app:2"}

    done = ferryman.run("release", "app:1")
    assert (done.code, done.out.startswith(f"{target.host}/m/app:1 is released:")) == (0, True), done.err
    again, unknown, item = ferryman.run_all(["release", "app:1"], ["release", "app:3"], ["release", "app"])
    assert (again.code, "is not held" in again.err) == (1, True)
    assert (unknown.code, item.code) == (2, 1)
    assert ferryman.run("sync").code == 0
    assert held(target).keys() == {"m/app:1", "m/app:2"}
