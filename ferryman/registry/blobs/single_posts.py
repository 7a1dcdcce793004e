"""Which registries take a small blob in the request that begins an upload: `POST …/uploads/?digest=`.

The specification allows both answers (distribution specification, "Pushing a blob monolithically"): 201, or 202 and a
session in which the blob is sent again. Each registry is tried once; nothing is assumed.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class SinglePosts:
    """What was found out about each registry since this process started."""

    def __init__(self) -> None:
        self._taken: dict[str, bool] = {}
        self._trials: set[str] = set()  # registries that are being tried

    def known(self, registry: str) -> bool | None:
        """Whether the registry takes it; None: not tried yet."""
        return self._taken.get(registry)

    @contextmanager
    def attempt(self, registry: str) -> Iterator[bool]:
        """Whether to send a blob in this way now: the registry takes it, or this is the one trial."""
        known = self._taken.get(registry)
        if known is not None or registry in self._trials:
            yield bool(known)
            return
        self._trials.add(registry)
        try:
            yield True
        finally:
            self._trials.discard(registry)

    def learned(self, registry: str, *, taken: bool) -> None:
        """Note the result of an attempt."""
        self._taken[registry] = taken
