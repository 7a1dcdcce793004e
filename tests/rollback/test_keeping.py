"""What a tag named stays at the target when it is overwritten, and goes after its time."""

import json
from datetime import timedelta

import pytest

from ferryman.errors import Unreachable
from ferryman.platforms import Platforms
from ferryman.reference import Reference, keep_tag
from ferryman.store.records import Damage
from ferryman.store.target_blobs import TargetBlobs
from ferryman.store.target_checks import TargetChecks
from ferryman.transports.base import Copied
from ferryman.verification.repair import Repair
from tests.rollback.scene import PERIOD, Fate, Scene, version
from tests.support.images import Image, index, push
from tests.support.zuul_registry import on_both_registries, overwritten

ONE, TWO, THREE = version(1), version(2), version(3)


def kept(*images: Image) -> set[str]:
    return {keep_tag(each.digest) for each in images}


@on_both_registries
async def test_a_digest_that_is_overwritten_gets_a_tag(scene: Scene) -> None:
    await scene.mirror("latest", what=ONE)
    assert scene.tags() == {"latest"}

    await scene.mirror("latest", what=TWO)
    await scene.mirror("latest", what=THREE)

    assert scene.names("latest") == THREE.digest
    assert scene.keep_tags() == kept(ONE, TWO)
    await scene.assert_true()


@on_both_registries
async def test_that_takes_one_manifest_and_no_blob(scene: Scene) -> None:
    both = index([ONE, version(1, of="arm")])
    await scene.mirror("latest", what=both)
    await scene.publish("latest", what=TWO)
    scene.proxy.requests.clear()

    await scene.copy()

    keeping = keep_tag(both.digest)
    assert sum("GET" in each and each.endswith("/manifests/latest") for each in scene.proxy.requests) == 1
    assert [each.partition(" ")[0] for each in scene.proxy.requests if each.endswith(keeping)] == ["PUT"]
    assert scene.names(keeping) == both.digest


@on_both_registries
async def test_a_digest_that_another_tag_holds_needs_none(scene: Scene) -> None:
    await scene.mirror("latest", "1", what=ONE)
    await scene.mirror("latest", what=TWO)
    assert not scene.keep_tags()

    await scene.mirror("1", what=TWO)  # the last one that held it

    assert scene.keep_tags() == kept(ONE)


async def test_a_tag_of_signatures_is_not_kept(scene: Scene) -> None:
    tag = f"{ONE.digest.replace(':', '-')}.sig"
    await scene.mirror(tag, what=TWO)

    await scene.mirror(tag, what=THREE)

    assert scene.names(tag) == THREE.digest
    assert not scene.keep_tags()


async def test_two_tags_that_are_overwritten_at_once(scene: Scene) -> None:
    """Neither counts as the one that holds the digest for the other."""
    await scene.mirror("latest", "1", what=ONE)
    await scene.publish("latest", "1", what=TWO)

    jobs = [await scene.queue.claim(), await scene.queue.claim()]
    for job in jobs:
        assert job is not None
        await scene.worker.copy(job, lambda: None)

    assert scene.keep_tags() == kept(ONE)


@on_both_registries
async def test_what_a_stranger_has_put_there_is_kept_as_well(scene: Scene) -> None:
    await scene.mirror("latest", what=ONE)
    push(scene.workplace.target.url, scene.target.name, "latest", THREE)

    await scene.mirror("latest", what=TWO)

    assert scene.keep_tags() == kept(THREE)


@on_both_registries
async def test_a_repair_keeps_what_it_overwrites(scene: Scene) -> None:
    await scene.mirror("latest", what=ONE)
    await scene.put_back("latest", ONE)  # so upstream is not what it is repaired from
    push(scene.workplace.target.url, scene.target.name, "latest", THREE)
    checks = TargetChecks(scene.database, clock=scene.clock, queued=scene.queue.filled)
    scene.clock.advance(1)
    [held] = await checks.page(str(scene.target), "tags", since=scene.clock.now(), after=0, most=10)

    async def copy(source: Reference, target: Reference) -> Copied:
        return await scene.transport.copy(source, target, Platforms(keyword="all"), lambda *_: None)

    blobs = TargetBlobs(scene.database, clock=scene.clock)
    repair = Repair(blobs=blobs, registry=scene.client, copy=copy, keeping=scene.keeper.overwriting)
    done = await repair.repair(scene.target, held, Damage("changed", found=THREE.digest))

    assert done.repair == "restored"
    assert scene.names("latest") == ONE.digest
    assert scene.keep_tags() == kept(THREE)


async def test_nothing_is_kept_where_nothing_changes(scene: Scene) -> None:
    await scene.mirror("latest", what=ONE)
    await scene.queue.requeue(targets=[str(scene.target)])

    await scene.copy()

    assert not scene.keep_tags()


async def test_a_period_of_zero_keeps_nothing(scene: Scene) -> None:
    scene.periods = {str(scene.target): timedelta()}
    scene.restart()
    await scene.mirror("latest", what=ONE)

    await scene.mirror("latest", what=TWO)

    assert not scene.keep_tags()


async def test_a_registry_that_refuses_the_tag_is_not_overwritten(scene: Scene) -> None:
    await scene.mirror("latest", what=ONE)
    scene.proxy.answer("PUT .*/manifests/ferryman-keep-", 405)

    await scene.mirror("latest", what=TWO)

    record = await scene.record("latest")
    assert record.status == "failed"
    assert "`history: 0` does without" in str(record.error)
    assert scene.names("latest") == ONE.digest


async def test_what_cannot_be_pulled_is_not_worth_keeping(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    await scene.mirror("latest", what=ONE)
    unknown = '{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}'
    scene.proxy.answer("PUT .*/manifests/ferryman-keep-", 404, unknown)

    await scene.mirror("latest", what=TWO)

    assert scene.names("latest") == TWO.digest
    assert not await scene.kept_digests()
    assert "digest_not_kept" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["revision", "data", "bytes"])
async def test_what_is_damaged_at_the_target_is_overwritten(scene: Scene, damage: str) -> None:
    await scene.mirror("latest", what=ONE)
    registry = scene.workplace.target
    with overwritten(registry, ONE.digest, lambda content: content.replace(b"schemaVersion", b"schemaversion")):
        match damage:
            case "revision":
                registry.lose_manifest(scene.target.name, ONE.digest)
            case "data":
                registry.data_of(ONE.digest).unlink()
        await scene.mirror("latest", what=TWO)

    assert scene.names("latest") == TWO.digest
    assert (await scene.record("latest")).status == "synced"


async def test_a_digest_is_kept_for_its_time(scene: Scene) -> None:
    await scene.mirror("latest", "1", what=ONE)
    await scene.mirror("latest", "1", what=TWO)
    push(scene.workplace.target.url, scene.target.name, "theirs", ONE)  # a stranger's tag of the same digest

    scene.clock.advance((PERIOD - timedelta(hours=1)).total_seconds())
    await scene.expiry.run()
    assert scene.keep_tags() == kept(ONE)

    scene.clock.advance(3600)
    await scene.expiry.run()

    assert scene.tags() == {"latest", "1", "theirs"}
    assert scene.names("theirs") == ONE.digest
    await scene.assert_true()


async def test_a_shorter_period_applies_to_what_is_kept_already(scene: Scene) -> None:
    await scene.mirror("latest", what=ONE)
    await scene.mirror("latest", what=TWO)
    scene.periods = {str(scene.target): timedelta()}
    scene.restart()

    await scene.expiry.run()

    assert not scene.keep_tags()
    assert not await scene.kept_digests()


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [("DELETE", 405, "UNSUPPORTED"), ("DELETE", 403, "DENIED"), ("PUT .*/ferryman-keep-", 409, "TAG_INVALID")],
)
async def test_a_registry_that_does_not_let_go_is_told_of_once(
    scene: Scene, capsys: pytest.CaptureFixture[str], request_: str, status: int, code: str
) -> None:
    await scene.mirror("latest", what=ONE)
    await scene.mirror("latest", what=TWO)
    scene.clock.advance(PERIOD.total_seconds())
    scene.proxy.answer(request_, status, json.dumps({"errors": [{"code": code}]}))

    await scene.expiry.run()

    assert scene.names(keep_tag(ONE.digest)) == ONE.digest
    assert not await scene.kept_digests()
    assert "kept_tag_remains" in capsys.readouterr().out


@pytest.mark.parametrize("target_registry", ["zuul"], indirect=True)
async def test_a_registry_that_knows_no_delete_keeps_the_tag_on_its_digest(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers 404, as others do to what is gone."""
    await scene.mirror("latest", what=ONE)
    await scene.mirror("latest", what=TWO)
    scene.clock.advance(PERIOD.total_seconds())

    await scene.expiry.run()

    assert scene.names(keep_tag(ONE.digest)) == ONE.digest
    assert "kept_tag_remains" in capsys.readouterr().out
    await scene.expiry.run()  # and does so once
    assert "kept_tag_remains" not in capsys.readouterr().out


async def test_a_registry_that_is_away_is_asked_again(scene: Scene) -> None:
    await scene.mirror("latest", what=ONE)
    await scene.mirror("latest", what=TWO)
    scene.clock.advance(PERIOD.total_seconds())
    scene.proxy.answer(".*", 503)
    await scene.expiry.run()
    scene.proxy.mend()
    assert await scene.kept_digests()

    scene.clock.advance(6 * 3600)
    await scene.expiry.run()

    assert not scene.keep_tags()


async def test_nothing_is_deleted_at_a_target_that_items_yml_names_no_more(scene: Scene) -> None:
    await scene.mirror("latest", what=ONE)
    await scene.mirror("latest", what=TWO)
    scene.periods = {}
    scene.restart()
    scene.clock.advance(PERIOD.total_seconds())
    scene.proxy.requests.clear()

    await scene.expiry.run()

    assert not scene.proxy.requests
    assert not await scene.kept_digests()


async def test_a_tag_that_is_being_removed_is_not_relied_on(scene: Scene) -> None:
    """Between the record and the request another process may remove it."""
    await scene.mirror("latest", what=ONE)
    await scene.mirror("latest", what=TWO)
    [held] = (await scene.kept_digests()).values()
    assert await scene.kept.begin_removal(held)
    await scene.client.put_manifest(
        scene.target.tagged("latest"), await scene.client.get_manifest(scene.target.pinned(ONE.digest))
    )

    with pytest.raises(Unreachable, match="is being removed"):
        await scene.keeper.overwriting(scene.target.tagged("latest"))(THREE.digest)


@pytest.mark.parametrize("fate", ["lost", "deaf"])
@on_both_registries
async def test_a_process_that_is_killed_while_it_overwrites(scene: Scene, fate: Fate) -> None:
    """At any request: the tag can be pulled, and what it named as well."""
    for number in range(1, 100):
        tag = f"t{number}"
        one, two = version(number, of=f"{fate} old"), version(number, of=f"{fate} new")
        await scene.mirror(tag, what=one)
        await scene.publish(tag, what=two)

        hit = await scene.killed(scene.copy(), number, fate)

        assert scene.names(tag) in {one.digest, two.digest}
        assert scene.names(tag) == one.digest or scene.names(keep_tag(one.digest)) == one.digest
        await scene.take_over()
        assert scene.names(tag) == two.digest
        assert scene.names(keep_tag(one.digest)) == one.digest
        await scene.assert_true()
        if not hit:
            break
    assert 5 < number < 30


@pytest.mark.parametrize("fate", ["lost", "deaf"])
async def test_a_process_that_is_killed_while_it_removes_a_tag(scene: Scene, fate: Fate) -> None:
    await scene.mirror("1", "2", what=ONE)
    for number in range(1, 20):
        await scene.mirror("1", what=version(number))
        await scene.mirror("1", "2", what=version(number + 1))
        scene.clock.advance(PERIOD.total_seconds())

        hit = await scene.killed(scene.expiry.run(), number, fate)

        assert scene.names("1") == scene.names("2") == version(number + 1).digest
        scene.clock.advance(2 * 3600)
        await scene.expiry.run()
        assert not scene.keep_tags()
        await scene.assert_true()
        if not hit:
            break
    assert number > 3
