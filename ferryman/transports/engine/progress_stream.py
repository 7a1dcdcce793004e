"""The engine's progress stream: progress per layer, whether it really ended, and timeouts without progress."""

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
_PRESENT = ("Already exists", "Layer already exists", "Mounted from ")
# States of a layer in which the engine, or the registry, works without reporting progress.
_WORKING = frozenset({"Extracting", "Verifying Checksum"})
_OUTSTANDING = _LISTED | _MOVING
_TIME_UNITS = frozenset({"s", "m"})  # units of a counter of elapsed time, which shows no progress


@dataclass(frozen=True, slots=True)
class SilenceLimits:
    """Timeouts for a stream without progress, by what is going on."""

    moving: timedelta = timedelta(minutes=3)  # bytes should move; the engine's own retries take up to 75 s
    working: timedelta = timedelta(hours=1)  # a registry commits a blob, or the engine unpacks or waits in its queue
    ping_after: timedelta = timedelta(seconds=20)  # between pings of the engine while there is no progress

    def extended_to(self, timeout: float | None) -> "SilenceLimits":
        """At least `timeout` seconds each: that long a registry may take to answer."""
        least = timedelta(seconds=timeout or 0)
        return SilenceLimits(max(self.moving, least), max(self.working, least), self.ping_after)


USUAL_LIMITS = SilenceLimits()


class StreamSilent(Exception):
    """The stream reported no progress for too long."""


@dataclass(slots=True)
class Layers:
    """The state of one pull or push. The engine counts compressed bytes in a pull, uncompressed in a push."""

    action: Literal["pull", "push"]
    sink: ProgressSink
    digest: str | None = None  # of the manifest that was pushed
    ended: bool = False  # the terminal message came: a stream that ends without it has failed
    pushed_partial_index: bool = False  # the engine had only a part of an index, and pushed one manifest instead
    _done: dict[str, int] = field(default_factory=dict)
    _totals: dict[str, int] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _last_message: dict[str, tuple[object, ...]] = field(default_factory=dict)  # by layer

    @property
    def moved(self) -> int:
        """Bytes transferred."""
        return sum(self._done.values())

    @property
    def queued(self) -> bool:
        """Whether it only waits for other copies: the engine transfers a few layers at a time."""
        states = self._states.values()
        return "Waiting" in states and not _MOVING.intersection(states)

    @property
    def working(self) -> bool:
        """Whether no progress is normal: a commit after a blob's last byte, unpacking, or steps after the layers."""
        if any(state in _WORKING or self._is_sent(layer) for layer, state in self._states.items()):
            return True
        return bool(self._states) and not _OUTSTANDING.intersection(self._states.values())

    def _is_sent(self, layer: str) -> bool:
        return self._states[layer] == "Pushing" and self._done[layer] >= self._totals[layer]

    def update(self, message: Mapping[str, Any]) -> bool:
        """Read one message of the stream. True if it is new: some engines repeat themselves ten times a second."""
        status, layer = str(message.get("status") or ""), str(message.get("id") or "")
        detail = message.get("progressDetail") or {}
        content = (status, None if detail.get("units") in _TIME_UNITS else detail.get("current"))
        is_new = self._last_message.get(layer) != content
        self._last_message[layer] = content
        if self.action == "pull":
            self.ended = self.ended or status.startswith("Status: ")
        else:
            self._read_digest(status, message.get("aux") or {})
        if layer and not status.startswith("Pulling from"):  # there, `id` is the tag
            self._update_layer(layer, status, detail)
        return is_new

    def _read_digest(self, status: str, aux: Mapping[str, Any]) -> None:
        self.pushed_partial_index = self.pushed_partial_index or "manifestPushedInsteadOfIndex" in aux
        line = _PUSHED_LINE.search(status)
        found = line.group(1) if line else aux.get("Digest")
        if found:
            self.digest, self.ended = str(found), True

    def _update_layer(self, layer: str, status: str, detail: Mapping[str, Any]) -> None:
        self._states[layer] = status
        if status in _MOVING:
            self._totals[layer] = max(int(detail.get("total") or 0), 0)
            done = int(detail.get("current") or 0)
            # A push counts tar headers too, so it ends above its total.
            self._done[layer] = min(done, self._totals[layer] or done)
        elif status in _LANDED and layer in self._done and self._totals[layer]:
            # The engine drops progress messages under load: the last one may be far below the total.
            self._done[layer] = self._totals[layer]
        self._report_layer(layer, status)

    def _report_layer(self, layer: str, status: str) -> None:
        part = f"{self.action}:{layer}"
        if layer in self._done and (status in _MOVING or status in _LANDED or status == "Waiting"):
            self.sink(part, self._done[layer], self._totals[layer] or None)
        elif status in _LISTED:
            self.sink(part, 0, None)
        elif status in _LANDED or status.startswith(_PRESENT):  # too small for a progress message, or there already
            self.sink(part, 0, 0)


@dataclass(slots=True)
class _Watched:
    layers: Layers
    limits: SilenceLimits
    last_news_at: float  # by the loop's clock


class Watchdog:
    """Ends streams without progress. A stream in the engine's queue is kept while any other stream makes progress."""

    def __init__(self, limits: SilenceLimits, *, ping: Callable[[], Awaitable[None]]) -> None:
        """`ping` raises if the engine is lost: that ends a silent stream at once, whatever its limit."""
        self._limits = limits
        self._ping = ping
        self._streams: list[_Watched] = []

    async def follow(
        self, messages: AsyncGenerator[Mapping[str, Any], None], layers: Layers, *, answer_timeout: float | None = None
    ) -> None:
        """Read `messages` to their end into `layers`. Raises StreamSilent, and whatever `messages` and `ping` raise.

        `answer_timeout`: seconds that the registry may take to answer, if configured.
        """
        stream = _Watched(layers, self._limits.extended_to(answer_timeout), _now())
        self._streams.append(stream)
        reading, guarding = asyncio.create_task(_read(messages, stream)), asyncio.create_task(self._guard(stream))
        try:
            ended, _ = await asyncio.wait((reading, guarding), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.remove(stream)
            await cancel_and_wait((reading, guarding))
        (reading if reading in ended else guarding).result()

    async def _guard(self, stream: _Watched) -> None:
        """Raises StreamSilent, or what `ping` raises; never returns."""
        ping_after = stream.limits.ping_after.total_seconds()
        while True:
            silent, limit = _now() - self._last_news_at(stream), _limit(stream)
            if silent >= limit:
                raise StreamSilent
            if silent >= ping_after:
                await self._ping()
            await asyncio.sleep(min(ping_after, max(limit - silent, 0)))

    def _last_news_at(self, stream: _Watched) -> float:
        return max(other.last_news_at for other in (self._streams if stream.layers.queued else (stream,)))


def _limit(stream: _Watched) -> float:
    waits = stream.layers.working or stream.layers.queued
    return (stream.limits.working if waits else stream.limits.moving).total_seconds()


async def _read(messages: AsyncGenerator[Mapping[str, Any], None], stream: _Watched) -> None:
    async with aclosing(messages):
        async for message in messages:
            if stream.layers.update(message):
                stream.last_news_at = _now()


def _now() -> float:
    return asyncio.get_running_loop().time()
