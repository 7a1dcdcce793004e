"""What every way of copying a tag can do."""

from dataclasses import dataclass
from typing import Protocol

from ferryman.platforms import Platforms
from ferryman.reference import Reference


class ProgressSink(Protocol):
    """Takes what a running copy tells of itself; never blocks, never raises."""

    def __call__(self, part: str, done: int, total: int | None) -> None:
        """`part` stands at `done` of `total` bytes. `total` None: its size is not known yet; 0: it need not move.

        A part is a layer or blob, and what is done to it: `pull:4c2f…`, then `push:4c2f…`, through an engine;
        `copy:4c2f…`, or `reuse:4c2f…` for what was there, from registry to registry. `2/3 pull:4c2f…` is one of the
        second of three images that are copied in turn. Parts are told as early as they are known, before they begin.
        """
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """What a finished copy left at the target."""

    digest: str  # what the target now answers for the tag
    identical: bool  # the same bytes as the source manifest
    bytes_moved: int
    bytes_reused: int  # layers that the target, or the engine's cache, already had
    confirmed: bool = False  # the target itself named this digest when the tag was put: it need not be asked again
    degraded: str | None = None  # what was left out, because the target refuses it for one, as a sentence
    referrers: str | None = None  # fingerprint of what refers to the source, as its API lists it; None: not known


class Transport(Protocol):
    """Copies one tag."""

    async def copy(
        self, source: Reference, target: Reference, platforms: Platforms | None, progress: ProgressSink
    ) -> Copied:
        """Copy the manifest that `source` names by digest to `target`'s tag, and return what stands there.

        `platforms` None means the transport's own default. The tag at the target never names a
        half-made image. Cancelling stops the work at once. Raises TransferError.
        """
        ...

    async def aclose(self) -> None:
        """Give everything back."""
        ...
