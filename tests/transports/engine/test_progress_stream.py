"""The progress stream, without an engine: messages as engines write them."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any, Literal

import pytest

from ferryman.errors import EngineUnavailable
from ferryman.transports.engine.progress_stream import Layers, SilenceLimits, StreamSilent, Watchdog
from tests.support.transports import Progress

DIGEST = f"sha256:{'d' * 64}"
SOON = timedelta(seconds=0.05)


def progress(status: str, layer: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    return {"status": status, "id": layer, "progressDetail": {"current": current, "total": total} if total else {}}


def take(layers: Layers, *messages: Mapping[str, Any]) -> Layers:
    for message in messages:
        layers.update(message)
    return layers


def test_counts_what_a_pull_downloaded() -> None:
    sink = Progress()
    layers = take(
        Layers("pull", sink),
        {"status": "Pulling from a/b", "id": "1"},
        progress("Already exists", "base"),
        progress("Pulling fs layer", "top"),
        progress("Downloading", "top", 300, 1000),
        progress("Download complete", "top"),
        progress("Extracting", "top", 500, 1000),
        progress("Pull complete", "top"),
    )

    assert layers.moved == 1000
    assert sink.reports == [
        ("pull:base", 0, 0), ("pull:top", 0, None),
        ("pull:top", 300, 1000), ("pull:top", 1000, 1000), ("pull:top", 1000, 1000),
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["Status: Downloaded newer image for a", "Status: Image is up to date for a"])
def test_a_pull_ends_with_its_status(status: str) -> None:
    layers = take(Layers("pull", Progress()), {"status": f"Digest: {DIGEST}"})
    assert not layers.ended

    assert take(layers, {"status": status}).ended


def test_a_layer_too_small_for_progress_messages_is_reported_as_done() -> None:
    sink = Progress()
    take(
        Layers("pull", sink), progress("Pulling fs layer", "tiny"), progress("Waiting", "tiny"),
        progress("Download complete", "tiny"), progress("Pull complete", "tiny"),
    )  # fmt: skip

    assert sink.reports == [("pull:tiny", 0, None), ("pull:tiny", 0, 0), ("pull:tiny", 0, 0)]


def test_a_layer_that_waited_and_turned_out_to_be_there_waits_no_longer() -> None:
    layers = take(Layers("push", Progress()), progress("Preparing", "a"), progress("Waiting", "a"))
    assert layers.queued

    assert not take(layers, progress("Layer already exists", "a")).queued


def test_counts_what_a_push_uploaded() -> None:
    sink = Progress()
    layers = take(
        Layers("push", sink),
        {"status": "The push refers to repository [r/a]"},
        progress("Layer already exists", "one"),
        progress("Mounted from m/x", "two"),
        progress("Pushing", "three", 4096, 4),
        progress("Pushed", "three"),
    )

    assert layers.moved == 4
    assert sink.reports == [("push:one", 0, 0), ("push:two", 0, 0), ("push:three", 4, 4), ("push:three", 4, 4)]
    assert not layers.ended


@pytest.mark.parametrize(
    "message",
    [
        {"status": f"1.2: digest: {DIGEST} size: 949"},
        {"progressDetail": {}, "aux": {"Tag": "1.2", "Digest": DIGEST, "Size": 949}},
    ],
)
def test_a_push_ends_with_its_digest(message: Mapping[str, Any]) -> None:
    layers = take(Layers("push", Progress()), message)

    assert (layers.ended, layers.digest) == (True, DIGEST)


def test_notices_that_only_a_part_of_an_index_was_pushed() -> None:
    aux = {"manifestPushedInsteadOfIndex": True, "originalIndex": {}, "selectedManifest": {}}

    assert take(Layers("push", Progress()), {"aux": aux}).pushed_partial_index


async def speak(
    *messages: Mapping[str, Any], then: asyncio.Event | None = None
) -> AsyncGenerator[Mapping[str, Any], None]:
    for message in messages:
        yield message
    if then is not None:
        await then.wait()


PATIENT = SilenceLimits(moving=timedelta(minutes=1))


async def lives() -> None:
    """An engine that answers a ping."""


async def test_follows_a_stream_to_its_end() -> None:
    layers = Layers("pull", Progress())

    await Watchdog(PATIENT, ping=lives).follow(speak({"status": "Status: Downloaded newer image for a"}), layers)

    assert layers.ended


@pytest.mark.parametrize(
    ("action", "messages"),
    [
        ("pull", [progress("Downloading", "a", 1, 9)]),
        ("pull", [progress("Pulling fs layer", "a")]),
        ("pull", [progress("Download complete", "a"), progress("Downloading", "b", 1, 9)]),
        ("push", [progress("Pushing", "a", 4, 9)]),
        ("push", [progress("Preparing", "a")]),
        ("pull", []),
    ],
)
async def test_ends_a_stream_that_fell_silent_while_bytes_should_move(
    action: Literal["pull", "push"], messages: list[dict[str, Any]]
) -> None:
    watchdog = Watchdog(SilenceLimits(moving=SOON, working=timedelta(minutes=9)), ping=lives)

    with pytest.raises(StreamSilent):
        await watchdog.follow(speak(*messages, then=asyncio.Event()), Layers(action, Progress()))


SILENT_WORK: list[tuple[Literal["pull", "push"], list[dict[str, Any]]]] = [
    ("push", [progress("Pushing", "a", 9, 9)]),  # the registry commits
    ("push", [progress("Pushing", "a", 12, 9), progress("Preparing", "b")]),  # with tar headers
    ("push", [progress("Pushed", "a"), progress("Layer already exists", "b")]),  # the manifest
    ("push", [progress("Mounted from m/x", "a")]),
    ("push", [progress("Waiting", "a"), progress("Pushed", "b")]),  # somebody else's copies take the engine's places
    ("pull", [progress("Extracting", "a", 5, 9), progress("Download complete", "b")]),
    ("pull", [progress("Download complete", "a"), progress("Download complete", "b")]),  # containerd unpacks
    ("pull", [progress("Already exists", "a")]),
    ("pull", [progress("Verifying Checksum", "a")]),
]


@pytest.mark.parametrize(("action", "messages"), SILENT_WORK)
async def test_waits_for_silent_work_as_long_as_the_engine_lives(
    action: Literal["pull", "push"], messages: list[dict[str, Any]]
) -> None:
    release, pings = asyncio.Event(), 0

    async def ping() -> None:
        nonlocal pings
        pings += 1
        if pings == 3:
            release.set()

    watchdog = Watchdog(SilenceLimits(moving=SOON, working=timedelta(minutes=1), ping_after=SOON), ping=ping)
    await watchdog.follow(speak(*messages, then=release), Layers(action, Progress()))

    assert pings == 3


@pytest.mark.parametrize(("action", "messages"), SILENT_WORK)
async def test_silent_work_has_an_end_too(action: Literal["pull", "push"], messages: list[dict[str, Any]]) -> None:
    with pytest.raises(StreamSilent):
        await Watchdog(SilenceLimits(working=SOON), ping=lives).follow(
            speak(*messages, then=asyncio.Event()), Layers(action, Progress())
        )


@pytest.mark.parametrize(("timeout", "moving", "working"), [(None, 180, 3600), (30.0, 180, 3600), (7200.0, 7200, 7200)])
def test_a_registrys_own_timeout_allows_more(timeout: float | None, moving: int, working: int) -> None:
    silence_limits = SilenceLimits().extended_to(timeout)

    assert (silence_limits.moving, silence_limits.working) == (timedelta(seconds=moving), timedelta(seconds=working))


async def test_a_registry_that_may_take_longer_is_waited_for() -> None:
    release = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, release.set)

    await Watchdog(SilenceLimits(moving=SOON), ping=lives).follow(
        speak(progress("Preparing", "a"), then=release), Layers("push", Progress()), answer_timeout=60
    )


async def test_a_dead_engine_is_noticed_whatever_it_was_at() -> None:
    async def ping() -> None:
        raise EngineUnavailable("gone")

    with pytest.raises(EngineUnavailable, match="gone"):
        await Watchdog(SilenceLimits(ping_after=SOON), ping=ping).follow(
            speak(progress("Pushing", "a", 9, 9), then=asyncio.Event()), Layers("push", Progress())
        )


@pytest.mark.parametrize(
    "repeated",
    [
        progress("Downloading", "a", 5, 9),
        {"status": "Extracting", "id": "a", "progressDetail": {"current": 1, "units": "s"}},
    ],
)
async def test_the_same_again_is_no_news(repeated: dict[str, Any]) -> None:
    async def repeat() -> AsyncGenerator[Mapping[str, Any], None]:
        for seconds in itertools.count(repeated["progressDetail"]["current"]):
            detail = repeated["progressDetail"]
            yield repeated | {"progressDetail": detail | ({"current": seconds} if "units" in detail else {})}
            await asyncio.sleep(0.01)

    with pytest.raises(StreamSilent):
        await Watchdog(SilenceLimits(moving=SOON, working=SOON), ping=lives).follow(
            repeat(), Layers("pull", Progress())
        )


async def test_a_timeout_of_the_stream_itself_is_not_silence() -> None:
    async def fail() -> AsyncGenerator[Mapping[str, Any], None]:
        yield progress("Downloading", "a", 1, 9)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await Watchdog(PATIENT, ping=lives).follow(fail(), Layers("pull", Progress()))


async def test_a_pull_that_waits_for_others_lives_as_long_as_they_do() -> None:
    """Engines transfer three layers at a time: a layer in the queue reports no progress."""
    watchdog, release = Watchdog(SilenceLimits(working=timedelta(seconds=0.5)), ping=lives), asyncio.Event()
    waiting = Layers("pull", Progress())

    async def busy() -> AsyncGenerator[Mapping[str, Any], None]:
        for done in range(20):
            yield progress("Downloading", "other", done, 20)
            await asyncio.sleep(0.1)
        release.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(watchdog.follow(speak(progress("Waiting", "mine"), then=release), waiting))
        group.create_task(watchdog.follow(busy(), Layers("pull", Progress())))

    assert waiting.queued


async def test_a_pull_that_stalls_is_ended_although_others_go_on() -> None:
    watchdog, stop = Watchdog(SilenceLimits(moving=timedelta(seconds=0.3)), ping=lives), asyncio.Event()

    done = itertools.count()

    async def busy() -> AsyncGenerator[Mapping[str, Any], None]:
        while not stop.is_set():
            yield progress("Downloading", "other", next(done), 20)
            await asyncio.sleep(0.02)

    other = asyncio.ensure_future(watchdog.follow(busy(), Layers("pull", Progress())))
    with pytest.raises(StreamSilent):
        await watchdog.follow(
            speak(progress("Downloading", "mine", 1, 9), progress("Waiting", "next"), then=asyncio.Event()),
            Layers("pull", Progress()),
        )
    stop.set()
    await other
