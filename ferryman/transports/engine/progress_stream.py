"""The engine's progress stream: what it tells of the layers, whether it really ended, and when it fell silent."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from ferryman.tasks import cancel_and_wait
from ferryman.transports.base import ProgressSink

_PUSHED_LINE = re.compile(r"\bdigest: (sha256:[0-9a-f]{64}) size: \d+")  # "1.2: digest: sha256:… size: 949"
_MOVING = frozenset({"Downloading", "Pushing"})
_LANDED = frozenset({"Download complete", "Pull complete", "Pushed"})
_LISTED = frozenset({"Pulling fs layer", "Preparing"})
_THERE = ("Already exists", "Layer already exists", "Mounted from ")
# States of a layer in which the engine, or the registry, is at work without a word.
_WORKING = frozenset({"Extracting", "Verifying Checksum"})
_OUTSTANDING = _LISTED | _MOVING
_ELAPSED = frozenset({"s", "m"})  # units of a counter of time: it goes on whatever happens


@dataclass(frozen=True, slots=True)
class SilenceLimits:
    """For how long a stream may tell nothing new, by what is going on."""

    moving: timedelta = timedelta(minutes=3)  # bytes should move; the engine's own retries take up to 75 s
    working: timedelta = timedelta(hours=1)  # a registry commits a blob, or the engine unpacks or waits in its queue
    look: timedelta = timedelta(seconds=20)  # the engine is asked whether it lives, while it tells nothing

    def allowing(self, timeout: float | None) -> "SilenceLimits":
        """Longer, where a registry's answers may take as long: `timeout`, in seconds."""
        answer = timedelta(seconds=timeout or 0)
        return SilenceLimits(max(self.moving, answer), max(self.working, answer), self.look)


USUAL_LIMITS = SilenceLimits()


class Silent(Exception):
    """Nothing new came for too long."""


@dataclass(slots=True)
class Layers:
    """What one pull or push has told so far. The engine counts compressed bytes in a pull, uncompressed in a push."""

    doing: Literal["pull", "push"]
    sink: ProgressSink
    digest: str | None = None  # of the manifest that was pushed
    ended: bool = False  # the terminal message came: a stream that just stops is a failure
    pushed_a_part: bool = False  # the engine had not all of an index, and pushed one manifest in its place
    _done: dict[str, int] = field(default_factory=dict)
    _totals: dict[str, int] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _told: dict[str, tuple[object, ...]] = field(default_factory=dict)  # what came last of each layer

    @property
    def moved(self) -> int:
        """Bytes of the layers that had to travel."""
        return sum(self._done.values())

    @property
    def queued(self) -> bool:
        """Whether all that it does is wait for other copies: the engine moves a few layers at a time."""
        states = self._states.values()
        return "Waiting" in states and not _MOVING.intersection(states)

    @property
    def working(self) -> bool:
        """Whether silence is work: a commit after a blob's last byte, or unpacking, or what comes after the layers."""
        if any(state in _WORKING or self._is_sent(layer) for layer, state in self._states.items()):
            return True
        return bool(self._states) and not _OUTSTANDING.intersection(self._states.values())

    def _is_sent(self, layer: str) -> bool:
        return self._states[layer] == "Pushing" and self._done[layer] >= self._totals[layer]

    def take(self, message: Mapping[str, Any]) -> bool:
        """Read one message of the stream; whether it is news: some engines say the same ten times a second."""
        status, layer = str(message.get("status") or ""), str(message.get("id") or "")
        detail = message.get("progressDetail") or {}
        told = (status, None if detail.get("units") in _ELAPSED else detail.get("current"))
        is_new = self._told.get(layer) != told
        self._told[layer] = told
        if self.doing == "pull":
            self.ended = self.ended or status.startswith("Status: ")
        else:
            self._take_digest(status, message.get("aux") or {})
        if layer and not status.startswith("Pulling from"):  # whose `id` is the tag
            self._take_layer(layer, status, detail)
        return is_new

    def _take_digest(self, status: str, aux: Mapping[str, Any]) -> None:
        self.pushed_a_part = self.pushed_a_part or "manifestPushedInsteadOfIndex" in aux
        line = _PUSHED_LINE.search(status)
        found = line.group(1) if line else aux.get("Digest")
        if found:
            self.digest, self.ended = str(found), True

    def _take_layer(self, layer: str, status: str, detail: Mapping[str, Any]) -> None:
        self._states[layer] = status
        if status in _MOVING:
            self._totals[layer] = max(int(detail.get("total") or 0), 0)
            done = int(detail.get("current") or 0)
            # A push counts tar headers too, and so ends above its total.
            self._done[layer] = min(done, self._totals[layer] or done)
        elif status in _LANDED and layer in self._done and self._totals[layer]:
            # The engine drops progress messages in a hurry: the last one may be far below the total.
            self._done[layer] = self._totals[layer]
        self._show_layer(layer, status)

    def _show_layer(self, layer: str, status: str) -> None:
        part = f"{self.doing}:{layer}"
        if layer in self._done and (status in _MOVING or status in _LANDED or status == "Waiting"):
            self.sink(part, self._done[layer], self._totals[layer] or None)
        elif status in _LISTED:
            self.sink(part, 0, None)
        elif status in _LANDED or status.startswith(_THERE):  # so small that the engine told nothing of its way
            self.sink(part, 0, 0)


@dataclass(slots=True)
class _Watched:
    layers: Layers
    patience: SilenceLimits
    heard: float  # when something new came, by the loop's clock


class Watchdog:
    """Ends the streams that fall silent. A stream that waits in the engine's queue lives as long as the others do."""

    def __init__(self, patience: SilenceLimits, *, ping: Callable[[], Awaitable[None]]) -> None:
        """`ping` raises where the engine is lost: that ends a silent stream at once, whatever its limit."""
        self._patience = patience
        self._ping = ping
        self._streams: list[_Watched] = []

    async def follow(
        self, messages: AsyncGenerator[Mapping[str, Any], None], layers: Layers, *, answer: float | None = None
    ) -> None:
        """Read `messages` to their end into `layers`. Raises Silent, and whatever `messages` and `ping` raise.

        `answer`: seconds that an answer of the registry may take, where that is said of it.
        """
        stream = _Watched(layers, self._patience.allowing(answer), _now())
        self._streams.append(stream)
        reading, guarding = asyncio.create_task(_read(messages, stream)), asyncio.create_task(self._guard(stream))
        try:
            ended, _ = await asyncio.wait((reading, guarding), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.remove(stream)
            await cancel_and_wait((reading, guarding))
        (reading if reading in ended else guarding).result()

    async def _guard(self, stream: _Watched) -> None:
        """Raises Silent, or what `ping` raises; returns never."""
        look = stream.patience.look.total_seconds()
        while True:
            silent, limit = _now() - self._heard(stream), _limit(stream)
            if silent >= limit:
                raise Silent
            if silent >= look:
                await self._ping()
            await asyncio.sleep(min(look, max(limit - silent, 0)))

    def _heard(self, stream: _Watched) -> float:
        return max(other.heard for other in (self._streams if stream.layers.queued else (stream,)))


def _limit(stream: _Watched) -> float:
    waits = stream.layers.working or stream.layers.queued
    return (stream.patience.working if waits else stream.patience.moving).total_seconds()


async def _read(messages: AsyncGenerator[Mapping[str, Any], None], stream: _Watched) -> None:
    async with aclosing(messages):
        async for message in messages:
            if stream.layers.take(message):
                stream.heard = _now()


def _now() -> float:
    return asyncio.get_running_loop().time()
