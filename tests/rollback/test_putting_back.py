"""A tag is put back on what it named before, and stays there until a person releases it."""

import asyncio

import pytest

from ferryman.errors import NotFound, TransferError, Unsupported
from ferryman.reference import keep_tag
from ferryman.rollback.putting_back import RollbackUnsettled
from ferryman.store.actions import Actions
from tests.rollback.scene import Fate, Scene, version
from tests.support.images import Image, push
from tests.support.zuul_registry import on_both_registries

ONE, TWO, THREE = version(1), version(2), version(3)


async def mirrored(scene: Scene, tag: str = "latest", *images: Image) -> None:
    for what in images or (ONE, TWO):
        await scene.mirror(tag, what=what)


@on_both_registries
async def test_a_tag_is_put_back_and_what_it_named_is_kept(scene: Scene) -> None:
    await mirrored(scene)
    scene.proxy.requests.clear()

    assert await scene.put_back("latest", ONE) is None

    assert scene.names("latest") == ONE.digest
    assert scene.names(keep_tag(TWO.digest)) == TWO.digest
    record = await scene.record("latest")
    assert (record.status, record.hold, record.target_digest) == ("synced", "rollback", ONE.digest)
    assert record.mirrored_digest == ONE.digest
    assert not [each for each in scene.proxy.requests if "uploads" in each]
    await scene.assert_true()


@on_both_registries
async def test_it_is_held_there(scene: Scene) -> None:
    await mirrored(scene)
    await scene.put_back("latest", ONE)

    await scene.publish("latest", what=THREE)
    assert not await scene.queue.requeue(targets=[str(scene.target)])
    assert not await scene.queue.requeue(targets=[str(scene.target)], tag="latest")
    await scene.copy()

    assert scene.names("latest") == ONE.digest
    await scene.assert_true()


@on_both_registries
async def test_a_release_copies_what_upstream_has_now(scene: Scene) -> None:
    await mirrored(scene)
    await scene.put_back("latest", ONE)
    await scene.publish("latest", what=THREE)

    assert await scene.release("latest")
    await scene.copy()

    assert scene.names("latest") == THREE.digest
    assert (await scene.record("latest")).hold is None
    assert not await scene.release("latest")
    await scene.assert_true()


async def test_a_release_of_what_upstream_has_copies_nothing(scene: Scene) -> None:
    await mirrored(scene)
    await scene.put_back("latest", TWO)

    assert await scene.release("latest")

    assert await scene.queue.claim() is None


@on_both_registries
async def test_a_stranger_s_digest_is_undone(scene: Scene) -> None:
    await mirrored(scene)
    push(scene.workplace.target.url, scene.target.name, "latest", THREE)

    await scene.put_back("latest", TWO)

    assert scene.names("latest") == TWO.digest
    assert scene.names(keep_tag(THREE.digest)) == THREE.digest
    await scene.assert_true()


async def test_a_queued_tag_leaves_the_queue(scene: Scene) -> None:
    await mirrored(scene)
    await scene.publish("latest", what=THREE)

    await scene.put_back("latest", ONE)

    assert await scene.queue.claim() is None
    assert scene.names("latest") == ONE.digest


async def test_a_running_tag_is_left_alone(scene: Scene) -> None:
    await mirrored(scene)
    await scene.publish("latest", what=THREE)
    assert await scene.queue.claim()

    assert await scene.put_back("latest", ONE) == "running"

    assert scene.names("latest") == TWO.digest


@on_both_registries
async def test_one_rollback_at_a_time(scene: Scene) -> None:
    await mirrored(scene)
    gate = scene.proxy.hold("PUT .*/manifests/latest$")
    first = asyncio.ensure_future(scene.put_back("latest", ONE))
    await scene.proxy.stalls(first)

    assert await scene.put_back("latest", TWO) == "rolling back"

    gate.set()
    assert await first is None
    await scene.assert_true()


async def test_what_the_target_has_lost_is_not_put_back(scene: Scene) -> None:
    await mirrored(scene)
    lost = next(iter(ONE.blobs))
    scene.proxy.answer(f"HEAD .*/blobs/{lost}", 404)

    with pytest.raises(NotFound, match=f"missing: the blob {lost}"):
        await scene.put_back("latest", ONE)

    assert scene.names("latest") == TWO.digest
    assert (await scene.record("latest")).hold is None
    await scene.assert_true()


async def test_a_release_in_the_middle(scene: Scene) -> None:
    """Nobody knows what the target names then: it is copied from upstream in any case."""
    await mirrored(scene)
    gate = scene.proxy.hold("PUT .*/manifests/latest$")
    rolling = asyncio.ensure_future(scene.put_back("latest", ONE))
    await scene.proxy.stalls(rolling)

    assert await scene.release("latest")
    gate.set()
    with pytest.raises(Unsupported, match="was released while it was put back"):
        await rolling
    await scene.copy()

    assert scene.names("latest") == TWO.digest
    await scene.assert_true()


async def test_a_failed_rollback_leaves_an_earlier_one(scene: Scene) -> None:
    await mirrored(scene)
    await scene.put_back("latest", ONE)
    scene.proxy.answer("PUT .*/manifests/latest$", 403, '{"errors": [{"code": "DENIED"}]}')

    with pytest.raises(TransferError):
        await scene.put_back("latest", TWO)

    record = await scene.record("latest")
    assert (record.hold, record.target_digest) == ("rollback", ONE.digest)
    await scene.assert_true()


async def test_the_audit_log_says_who_and_to_what(scene: Scene) -> None:
    await mirrored(scene)
    await scene.put_back("latest", ONE)
    await scene.release("latest")

    entries = await Actions(scene.database, clock=scene.clock).list()
    subject = f"{scene.target}:latest"
    assert [(each.action, each.actor, each.subject, each.detail) for each in entries] == [
        ("release", "cli:me@here", subject, None),
        ("rollback", "cli:me@here", subject, ONE.digest),
    ]


@pytest.mark.parametrize("fate", ["lost", "deaf"])
async def test_a_process_that_is_killed_at_any_request(scene: Scene, fate: Fate) -> None:
    for number in range(1, 100):
        tag = f"t{number}"
        one, two = version(number, of=f"{fate} old"), version(number, of=f"{fate} new")
        await mirrored(scene, tag, one, two)

        hit = await scene.killed(scene.put_back(tag, one), number, fate)

        assert scene.names(tag) in {one.digest, two.digest}
        scene.pull(one.digest)
        scene.pull(two.digest)
        await scene.take_over()
        await scene.assert_true()
        if not hit:
            break
    assert 5 < number < 30


_FATES: list[tuple[Fate, bool]] = [(500, False), (500, True), (403, False), (403, True), (404, False), (404, True)]


@pytest.mark.parametrize(("fate", "also_later"), [*_FATES, (429, False)])
async def test_a_fault_at_any_request(scene: Scene, fate: Fate, also_later: bool) -> None:
    """Either it is done, or it is not; if the target does not say which, the next cycle finds out."""
    for number in range(1, 100):
        tag = f"t{number}"
        one, two = version(number, of=f"{fate} old"), version(number, of=f"{fate} new")
        await mirrored(scene, tag, one, two)
        struck = scene.strike(number, fate, also_later=also_later)

        try:
            await scene.put_back(tag, one)
        except RollbackUnsettled:
            assert await scene.rollbacks.pending()
        except TransferError:
            assert (await scene.record(tag)).hold is None
        else:
            assert scene.names(tag) == one.digest

        scene.pull(one.digest)
        scene.pull(two.digest)
        await scene.take_over()
        await scene.assert_true()
        if not struck.hit.is_set():
            break
    assert 5 < number < 30


async def test_an_interrupted_rollback_waits_for_a_registry_that_is_away(scene: Scene) -> None:
    await mirrored(scene)
    await scene.rollbacks.begin(str(scene.target), "latest", ONE.digest, actor="cli:me@here", owner=scene.queue_owner)
    scene.proxy.answer("PUT .*/manifests/latest$", 503)
    await scene.rollback.finish(held_locks=())
    assert await scene.rollbacks.pending()
    scene.proxy.mend()

    await scene.rollback.finish(held_locks={scene.queue_owner})
    assert await scene.rollbacks.pending()  # its process lives
    await scene.rollback.finish(held_locks=())

    assert scene.names("latest") == ONE.digest
    await scene.assert_true()


async def test_an_interrupted_rollback_to_what_is_gone_ends(scene: Scene) -> None:
    await mirrored(scene)
    gone = version(9)
    await scene.rollbacks.begin(str(scene.target), "latest", gone.digest, actor="cli:me@here", owner="elsewhere.1.x")

    await scene.rollback.finish(held_locks=())
    assert await scene.rollbacks.pending()  # perhaps its process lives elsewhere
    scene.clock.advance(600)
    await scene.rollback.finish(held_locks=())

    assert (await scene.record("latest")).hold is None
    assert scene.names("latest") == TWO.digest
    await scene.assert_true()
