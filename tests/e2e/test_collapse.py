"""A collapsed upstream: what `sync`, `plan`, `status`, `requeue` and `release` say and do."""

import shutil
from pathlib import Path

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer

TAGS = [f"1.{minor}.0" for minor in range(6)]


def tag_folder(registry: RegistryServer, tag: str) -> Path:
    return registry.folder / f"data/docker/registry/v2/repositories/acme/app/_manifests/tags/{tag}"


def test_a_mirror_keeps_what_upstream_loses_until_somebody_accepts_that(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    for tag in TAGS:
        images.push(upstream.url, "acme/app", tag, tiny(tag))
    ferryman.environment |= {"FERRYMAN_TRANSPORT": "direct", "FERRYMAN_COMPLETE_WALK": "1s"}
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/}}]")
    first = ferryman.run("sync")
    assert first.code == 0, first.err
    for tag in TAGS[1:]:
        shutil.rmtree(tag_folder(upstream, tag))
    images.push(upstream.url, "acme/app", "2.0.0", tiny("2"))

    plan = ferryman.run("plan")
    assert (plan.code, "app is frozen: upstream has 2 of the 6 wanted tags left" in plan.err) == (1, True), plan.err
    assert "1.1.0, 1.2.0, 1.3.0, 1.4.0, 1.5.0" in plan.err
    frozen = ferryman.run("sync")
    assert frozen.code == 1
    assert "`ferryman release app` accepts what it has now" in frozen.err
    assert held(target).keys() == {f"m/app:{tag}" for tag in TAGS}
    status = ferryman.run("status")
    assert status.out.startswith("app frozen: upstream has lost what is mirrored since ")
    [line] = [each for each in status.out.splitlines() if f"only {target.host}/m/app has, as they were: " in each]
    assert all(tag in line for tag in TAGS[1:])
    shutil.rmtree(target.folder / "data/docker/registry/v2/repositories/m/app/_manifests/tags/1.1.0")
    repaired = ferryman.run("verify", "--repair")
    assert f"{target.host}/m/app is frozen: what is queued of it waits" in repaired.err, repaired.err
    requeued = ferryman.run("requeue", "app:1.1.0")
    assert f"{target.host}/m/app is frozen, and nothing of it is copied" in requeued.out
    assert ferryman.run("sync").code == 1

    done, again = ferryman.run("release", "app"), ferryman.run("release", "app")
    assert (done.code, "app is released: the next look takes" in done.out) == (0, True), done.err
    assert (again.code, "is not frozen" in again.err) == (1, True)
    after = ferryman.run("sync")
    assert after.code == 0, after.err
    # What was queued again is copied by its digest, unless the look has found first that its tag is gone.
    assert held(target).keys() - {"m/app:1.1.0"} == {f"m/app:{tag}" for tag in [*TAGS, "2.0.0"]} - {"m/app:1.1.0"}
    gone = {tag for tag, record in ferryman.status().items() if record["gone_at"]}
    assert gone == {f"app:{tag}" for tag in TAGS[1:]}
