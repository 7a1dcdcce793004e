"""Chunk sizes of a chunked upload, and when to give it up. Pure.

Proxies cut requests at 1 MiB or 4 MiB, Azure at 20 MB, ghcr.io answers 416 to a chunk of more than 4 MiB.
"""

from dataclasses import dataclass

LARGEST = 8 * 1024 * 1024  # bytes of a chunk, unless a smaller one is known to be needed
SMALLEST = 512 * 1024  # no smaller chunk is tried: a registry that refuses this refuses uploads
_IDLE_STEPS = 5  # steps in a row without progress: enough to find the size at which a proxy silently cuts chunks
_SHORT_STEPS = 16  # steps in all that stored less than was sent


@dataclass(slots=True)
class ChunkPlan:
    """The chunks of one upload; `size`: of the next chunk, in bytes."""

    size: int
    least: int = 0  # the registry's minimum (OCI-Chunk-Min-Length), except for the last chunk
    _refused: int | None = None  # the smallest size that was refused
    _idle: int = 0
    _short: int = 0
    _unsettled: bool = False

    @classmethod
    def of(cls, *, largest: int | None, least: int, refused: int | None) -> "ChunkPlan":
        """`largest`: known maximum of the registry; `refused`: bytes of a request of this upload that was too large."""
        plan = cls(max(min(largest or LARGEST, LARGEST), least), least)
        while refused is not None and plan.size >= refused and plan._shrink():
            pass
        return plan

    @property
    def proven(self) -> int | None:
        """The size to remember once such a chunk was accepted; None: nothing larger was refused."""
        return self.size if self._refused is not None else None

    def refused(self, sent: int) -> bool:
        """The registry refused a chunk of `sent` bytes as too large. False: no smaller one can be tried."""
        while self.size >= sent:
            if not self._shrink():
                return False
        self._refused = sent
        return True

    def cut(self, *, taken: int) -> None:
        """The connection broke during a chunk. If nothing arrived it may be too large: some proxies just hang up."""
        self._unsettled = True
        if not taken:
            self._shrink()

    def settle(self) -> bool:
        """Whether a chunk was just cut, so that the registry may still be storing it; true once for each cut."""
        unsettled, self._unsettled = self._unsettled, False
        return unsettled

    def stepped(self, *, sent: int, taken: int) -> bool:
        """Note a chunk: bytes sent, and bytes stored. False: there is no progress, the upload has failed."""
        if taken >= sent:
            self._idle, self._unsettled = 0, False
            return True
        self._short += 1
        self._idle = 0 if taken > 0 else self._idle + 1
        if SMALLEST <= taken < self.size and not self._unsettled:
            self.size = max(taken, self.least)  # it stores so much of a chunk, and drops the rest
        return self._idle < _IDLE_STEPS and self._short < _SHORT_STEPS

    def _shrink(self) -> bool:
        smaller = max(self.size // 2, SMALLEST, self.least)
        if smaller >= self.size:
            return False
        self.size = smaller
        return True
