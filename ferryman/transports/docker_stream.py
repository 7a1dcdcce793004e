"""The engine's progress stream: what it tells of the layers, whether it really ended, and when it fell silent."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from ferryman.transports.base import ProgressSink

_PUSHED_LINE = re.compile(r"\bdigest: (sha256:[0-9a-f]{64}) size: \d+")  # "1.2: digest: sha256:… size: 949"
_MOVING = frozenset({"Downloading", "Pushing"})
_LANDED = frozenset({"Download complete", "Pull complete", "Pushed"})
_LISTED = frozenset({"Pulling fs layer", "Preparing"})
_THERE = ("Already exists", "Layer already exists", "Mounted from ")


class Silent(Exception):
    """No message came for too long."""


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

    @property
    def moved(self) -> int:
        """Bytes of the layers that had to travel."""
        return sum(self._done.values())

    @property
    def queued(self) -> bool:
        """Whether all that it does is wait for other copies: the engine moves a few layers at a time."""
        states = self._states.values()
        return "Waiting" in states and not _MOVING.intersection(states)

    def take(self, message: Mapping[str, Any]) -> None:
        """Read one message of the stream."""
        status = str(message.get("status") or "")
        if self.doing == "pull":
            self.ended = self.ended or status.startswith("Status: ")
        else:
            self._take_digest(status, message.get("aux") or {})
        layer = message.get("id")
        if layer and (status in _MOVING or status in _LANDED or status == "Waiting"):
            self._take_layer(str(layer), status, message.get("progressDetail") or {})
        elif layer and status in _LISTED:
            self.sink(f"{self.doing}:{layer}", 0, None)
        elif layer and status.startswith(_THERE):
            self._states[str(layer)] = status  # it may have waited
            self.sink(f"{self.doing}:{layer}", 0, 0)

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
        elif layer in self._done and self._totals[layer]:
            # The engine drops progress messages in a hurry: the last one may be far below the total.
            self._done[layer] = self._totals[layer]
        if layer in self._done:
            self.sink(f"{self.doing}:{layer}", self._done[layer], self._totals[layer] or None)
        elif status in _LANDED:  # so small that the engine told nothing of its way
            self.sink(f"{self.doing}:{layer}", 0, 0)


class Watchdog:
    """Ends the streams that fall silent. A stream that waits in the engine's queue lives as long as the others do."""

    def __init__(self, silence: timedelta) -> None:
        self._silence = silence.total_seconds()
        self._watched: dict[asyncio.Timeout, Layers] = {}

    async def follow(self, messages: AsyncGenerator[Mapping[str, Any], None], layers: Layers) -> None:
        """Read `messages` to their end into `layers`. Raises Silent, and whatever `messages` raises."""
        try:
            async with asyncio.timeout(self._silence) as alarm, aclosing(messages):
                self._watched[alarm] = layers
                async for message in messages:
                    layers.take(message)
                    self._heard(alarm)
        except TimeoutError as error:
            if alarm.expired():
                raise Silent from error
            raise
        finally:
            self._watched.pop(alarm, None)

    def _heard(self, alarm: asyncio.Timeout) -> None:
        until = asyncio.get_running_loop().time() + self._silence
        for other, layers in self._watched.items():
            if not other.expired() and (other is alarm or layers.queued):
                other.reschedule(until)
