"""The Transport protocol: one way to copy a tag, its progress and its result."""

from dataclasses import dataclass
from typing import Protocol

from ferryman.platforms import Platforms
from ferryman.reference import Reference


class ProgressSink(Protocol):
    """Receives the progress of a running copy; never blocks, never raises."""

    def __call__(self, part: str, done: int, total: int | None) -> None:
        """`part` is at `done` of `total` bytes. `total` None: size not known yet; 0: nothing has to be transferred.

        A part is an operation on a layer or blob. Through an engine: `pull:4c2f…`, then `push:4c2f…`. From registry
        to registry: `copy:4c2f…`, or `reuse:4c2f…` for one that was there. `2/3 pull:4c2f…` belongs to the second of
        three images that are copied in turn. Parts are reported as early as they are known, before they begin.
        """
        ...


class Overwriting(Protocol):
    """Told before the target's tag may name another manifest, so that the one that it names now can be kept."""

    async def __call__(self, digest: str | None) -> None:
        """`digest`: that the tag is going to name; None: the engine has not made it yet. Raises TransferError."""
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """The result of a finished copy."""

    digest: str  # of the tag at the target now
    identical: bool  # the same bytes as the source manifest
    bytes_moved: int
    bytes_reused: int  # layers that the target, or the engine's cache, already had
    confirmed: bool = False  # the target answered with this digest when the tag was put: no HEAD is needed to verify
    degraded: str | None = None  # what was left out and why (for example: the target refuses it), as a sentence
    referrers: str | None = None  # fingerprint of what refers to the source, as its API lists it; None: not known


class Transport(Protocol):
    """Copies one tag."""

    async def copy(
        self,
        source: Reference,
        target: Reference,
        platforms: Platforms | None,
        progress: ProgressSink,
        *,
        overwriting: Overwriting | None = None,
    ) -> Copied:
        """Copy the manifest that `source` names by digest to `target`'s tag.

        `platforms` None means the transport's own default. The tag at the target never names an incomplete image.
        `overwriting` None: the target has no such tag, as far as known. Cancelling stops the work at once. Raises
        TransferError.
        """
        ...

    async def aclose(self) -> None:
        """Close connections and stop background work."""
        ...
