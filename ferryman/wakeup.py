"""How one part of a process wakes others that wait."""

import asyncio


class Wakeup:
    """Rings for all who wait for its next stroke. To miss none, take `next` first, look, and then wait for it."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Is set by the next stroke."""
        return self._next

    def notify(self) -> None:
        """Wake everybody who waits."""
        self._next.set()
        self._next = asyncio.Event()
