"""Notification between tasks of one process, built on asyncio.Event."""

import asyncio


class Wakeup:
    """Wakes all waiting tasks. To miss no notification: take `next()`, check the state, then wait for the event."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """The event that the next `notify` sets."""
        return self._next

    def notify(self) -> None:
        """Wake every task that waits."""
        self._next.set()
        self._next = asyncio.Event()
