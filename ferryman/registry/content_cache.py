"""Cache of small content (manifests, configs) that is read twice: by discovery, and by the copy that follows."""

from typing import Generic, TypeVar

_T = TypeVar("_T")
_MOST = 8 * 1024 * 1024  # bytes: the manifests and configs of some thousand tags


class ContentCache(Generic[_T]):
    """A first-in, first-out cache; each name must stand for immutable content."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[_T, int]] = {}
        self._size = 0

    def put(self, name: str, content: _T, *, size: int) -> None:
        """Cache it for one `pop`; `size` in bytes."""
        self.pop(name)
        self._entries[name] = content, size
        self._size += size
        while self._size > _MOST:
            self.pop(next(iter(self._entries)))

    def pop(self, name: str) -> _T | None:
        """Remove and return the content; None: it is not cached."""
        content, size = self._entries.pop(name, (None, 0))
        self._size -= size
        return content
