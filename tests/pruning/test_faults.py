"""Whatever becomes of any request of a removal: the record and the target agree, and nothing that stays is harmed."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web

from tests.pruning.scene import PruneScene
from tests.rollback.scene import Fate, version

DENIED = json.dumps({"errors": [{"code": "DENIED"}]})
UNSUPPORTED = json.dumps({"errors": [{"code": "UNSUPPORTED"}]})


async def two_tags(scene: PruneScene, of: str) -> None:
    """The same digest under a tag that goes, and under one that stays."""
    scene.upstream.clear()
    scene.item = replace(scene.item, protect=(re.compile(".*-(same|new)"),))  # those of earlier rounds
    scene.want(limit=100)
    await scene.upload(
        {f"{of}-old": version(1, of=of), f"{of}-same": version(1, of=of), f"{of}-new": version(2, of=of)}
    )
    await scene.cycle()
    scene.want(limit=2)
    await scene.cycle()
    await scene.pass_time()
    await scene.look()


async def assert_unharmed(scene: PruneScene, of: str) -> None:
    assert scene.names(f"{of}-same") == version(1, of=of).digest
    assert scene.names(f"{of}-new") == version(2, of=of).digest


@pytest.mark.parametrize("history", [timedelta(), timedelta(days=3650)])
@pytest.mark.parametrize("fate", ["lost", "deaf"])
async def test_a_process_that_is_killed_at_any_request(scene: PruneScene, fate: Fate, history: timedelta) -> None:
    scene.history(history)
    for number in range(1, 20):
        of = f"k{number}"
        await two_tags(scene, of)

        hit = await scene.killed(scene.prune(), number, fate)

        await assert_unharmed(scene, of)
        await scene.take_over()
        await scene.assert_true()
        await scene.cycle()
        assert f"{of}-old" not in scene.tags()
        assert not await scene.marks()
        await assert_unharmed(scene, of)
        await scene.assert_true()
        if not hit:
            break
    assert number > 4


@pytest.mark.parametrize("answer", [500, 503, 404, 401, 400])
async def test_a_registry_that_answers_any_request_with_an_error(scene: PruneScene, answer: int) -> None:
    for number in range(1, 20):
        of = f"e{number}"
        await two_tags(scene, of)
        struck = scene.strike(number, answer)

        await scene.prune()

        scene.proxy.mend()
        await assert_unharmed(scene, of)
        await scene.pass_time(timedelta(days=1))
        await scene.queue.resume(scene.target.registry)
        await scene.blobs.forget_missing_capability(scene.target.registry, "deletes")
        await scene.take_over()
        await scene.cycle()
        await scene.pass_time()
        await scene.cycle()
        assert f"{of}-old" not in scene.tags()
        await scene.assert_true()
        if not struck.hit.is_set():
            break
    assert number > 4


@pytest.mark.parametrize(("status", "body"), [(405, UNSUPPORTED), (403, DENIED), (400, UNSUPPORTED)])
async def test_a_registry_that_deletes_nothing_is_told_of_once_and_remembered(
    scene: PruneScene, capsys: pytest.CaptureFixture[str], status: int, body: str
) -> None:
    await two_tags(scene, "r")
    before = scene.images()
    scene.proxy.answer("DELETE", status, body)

    for _ in range(3):
        await scene.cycle()

    assert scene.images() == before
    assert capsys.readouterr().out.count("prune_refused") == 1
    assert (await scene.outlook()).block == "refused"
    assert await scene.marks()
    scene.proxy.mend()
    await scene.cycle()
    assert scene.images() == before  # it is not asked again
    assert (await scene.remove_now()).removed == 1  # but by a person
    await scene.assert_true()


@pytest.mark.parametrize("status", [405, 403])
async def test_a_tag_that_was_overwritten_but_may_not_be_deleted_is_put_back(scene: PruneScene, status: int) -> None:
    await two_tags(scene, "p")

    asked = []

    async def refuse_the_second(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await scene.proxy.pass_on(request) if len(asked) == 1 else web.Response(status=status)

    scene.proxy.fail("DELETE", refuse_the_second)
    await scene.prune()
    scene.proxy.mend()
    assert scene.names("p-old") == version(1, of="p").digest
    await scene.assert_true()


async def test_a_tag_that_the_registry_does_not_let_go_is_tried_again_later(
    scene: PruneScene, capsys: pytest.CaptureFixture[str]
) -> None:
    await two_tags(scene, "i")
    scene.proxy.answer("PUT .*/i-old", 409, json.dumps({"errors": [{"code": "TAG_INVALID"}]}))
    await scene.prune()
    await scene.prune()
    assert capsys.readouterr().out.count("prune_immutable") == 1
    assert scene.names("i-old") == version(1, of="i").digest
    scene.proxy.mend()
    await scene.pass_time()
    await scene.cycle()
    assert "i-old" not in scene.tags()
    await scene.assert_true()
