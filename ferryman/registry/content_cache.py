"""Small content that was read, and will be asked for once more: discovery looks into an image before it is copied."""

from typing import Generic, TypeVar

_T = TypeVar("_T")
_MOST = 8 * 1024 * 1024  # bytes: the manifests and configs of some thousand tags


class ContentCache(Generic[_T]):
    """By a name that can mean one thing only. What was kept first goes first when there is too much."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[_T, int]] = {}
        self._size = 0

    def put(self, name: str, content: _T, *, size: int) -> None:
        """Keep it for one `take`; `size` in bytes."""
        self.take(name)
        self._kept[name] = content, size
        self._size += size
        while self._size > _MOST:
            self.take(next(iter(self._kept)))

    def take(self, name: str) -> _T | None:
        """What was kept, which is forgotten with this; None: nothing."""
        content, size = self._kept.pop(name, (None, 0))
        self._size -= size
        return content
