"""The least rate: the lowest speed of a download or upload before it is given up as stalled."""

WINDOW = 60.0  # seconds that may pass without a byte; bytes above the least rate earn them back


class LeastRate:
    """Counts only the time spent waiting for the server: our own bandwidth limits do not count.

    Waiting spends seconds of the window; each byte earns back its time at the least rate, up to the window.
    So silence is given up after one window, half the least rate after two, and the least rate never.
    """

    def __init__(self, *, rate: float, window: float = WINDOW) -> None:
        """`rate`: bytes a second."""
        self.rate = rate
        self.window = window
        self.left = window  # seconds that may be waited now

    def waited(self, seconds: float, count: int) -> None:
        """Note that `count` bytes came after so many seconds."""
        self.left = max(0.0, min(self.window, self.left - seconds + count / self.rate))

    def __str__(self) -> str:
        return f"less than {_rate(self.rate)} over {self.window:g} s"


def _rate(rate: float) -> str:
    return f"{rate / 1024:g} KiB/s" if rate >= 1024 else f"{rate:g} B/s"  # noqa: PLR2004
