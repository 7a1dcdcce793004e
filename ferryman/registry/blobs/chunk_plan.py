"""How large the next chunk of an upload is, and when there is no use in another one. Pure.

Proxies cut requests at 1 MiB or 4 MiB, Azure at 20 MB, ghcr.io answers 416 to a chunk of more than 4 MiB.
"""

from dataclasses import dataclass

LARGEST = 8 * 1024 * 1024  # bytes of a chunk, where nothing smaller is known to be needed
SMALLEST = 512 * 1024  # no smaller chunk is tried: what refuses this refuses uploads
_IDLE_STEPS = 5  # steps in a row without a byte of progress: enough to find the size where chunks are cut silently
_SHORT_STEPS = 16  # steps that brought less than was sent, in all


@dataclass(slots=True)
class ChunkPlan:
    """The chunks of one upload. `size` is that of the next one, in bytes."""

    size: int
    least: int = 0  # what the registry wants in a chunk at least, but for the last one
    _refused: int | None = None  # the smallest size that was refused
    _idle: int = 0
    _short: int = 0
    _unsettled: bool = False

    @classmethod
    def of(cls, *, largest: int | None, least: int, refused: int | None) -> "ChunkPlan":
        """`largest`: known of the registry; `refused`: bytes of a request of this upload that was too large."""
        plan = cls(max(min(largest or LARGEST, LARGEST), least), least)
        while refused is not None and plan.size >= refused and plan._shrink():
            pass
        return plan

    @property
    def proven(self) -> int | None:
        """The size to remember once a chunk of it was taken; None: nothing larger was refused."""
        return self.size if self._refused is not None else None

    def refused(self, sent: int) -> bool:
        """A chunk of so many bytes is too large, it says. False: a smaller one cannot be tried."""
        while self.size >= sent:
            if not self._shrink():
                return False
        self._refused = sent
        return True

    def cut(self, *, taken: int) -> None:
        """A chunk broke off. Where none of it arrived it may be too large: some proxies refuse without a word."""
        self._unsettled = True
        if not taken:
            self._shrink()

    def settle(self) -> bool:
        """Whether a chunk was cut just now, so that the registry may still be at it: asked once."""
        unsettled, self._unsettled = self._unsettled, False
        return unsettled

    def stepped(self, *, sent: int, taken: int) -> bool:
        """What came of a chunk, in bytes. False: there is no progress, and no use in going on."""
        if taken >= sent:
            self._idle, self._unsettled = 0, False
            return True
        self._short += 1
        self._idle = 0 if taken > 0 else self._idle + 1
        if SMALLEST <= taken < self.size and not self._unsettled:
            self.size = max(taken, self.least)  # it takes so much at once, and leaves the rest
        return self._idle < _IDLE_STEPS and self._short < _SHORT_STEPS

    def _shrink(self) -> bool:
        smaller = max(self.size // 2, SMALLEST, self.least)
        if smaller >= self.size:
            return False
        self.size = smaller
        return True
