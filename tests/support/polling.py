"""Polling what cannot be awaited."""

import time
from collections.abc import Callable

_SHORTEST, _LONGEST = 0.05, 1.0  # seconds between two questions


def polled(condition: Callable[[], bool]) -> bool:
    """Whether it is so. If not, this sleeps twice as long as asking took: other tests want the processor too."""
    began = time.monotonic()
    if condition():
        return True
    time.sleep(min(max(2 * (time.monotonic() - began), _SHORTEST), _LONGEST))
    return False
