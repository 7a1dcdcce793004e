"""The least rate at which the other side must send, or take, what flows."""

WINDOW = 60.0  # seconds that may pass without a byte; what is faster than the least rate earns them back


class LeastRate:
    """Counts only the time that is spent waiting for the other side: our own limits are not its fault.

    Waiting spends seconds of the window; each byte earns back what it may take at the least rate, up to the window.
    So silence ends after a window, half the least rate after two, and what keeps to it goes on for as long as it takes.
    """

    def __init__(self, *, rate: float, window: float = WINDOW) -> None:
        """`rate`: bytes a second."""
        self.rate = rate
        self.window = window
        self.left = window  # seconds that may be waited now

    def waited(self, seconds: float, count: int) -> None:
        """So many bytes flowed after that time."""
        self.left = max(0.0, min(self.window, self.left - seconds + count / self.rate))

    def __str__(self) -> str:
        return f"less than {_rate(self.rate)} over {self.window:g} s"


def _rate(rate: float) -> str:
    return f"{rate / 1024:g} KiB/s" if rate >= 1024 else f"{rate:g} B/s"  # noqa: PLR2004
