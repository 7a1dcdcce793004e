"""Page sizes of tag lists: every registry has a maximum of its own."""

from ferryman.errors import NotFound, TransferError

_REFUSED = frozenset({400, 405, 413, 416, 422})  # answers to a page size that is too large
_SMALLER = 100  # the maximum of quay.io and of Quay


def refuses_size(error: TransferError) -> bool:
    """Whether the page size may be what was refused.

    zuul-registry, which has no pages, answers 404 to any; a missing repository has an error code.
    """
    return error.status in _REFUSED or (isinstance(error, NotFound) and not error.codes)


class PageSizes:
    """The page size that each registry accepts, as far as known."""

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {}

    def to_try(self, registry: str, usual: int | None) -> list[int | None]:
        """The sizes to try, in order; None, the last: the registry's default."""
        if usual is None:
            return [None]
        if registry in self._known:
            return list(dict.fromkeys((self._known[registry], None)))
        return [usual, *([_SMALLER] if usual > _SMALLER else []), None]

    def known(self, registry: str) -> int | None:
        """The size that the registry accepts; None: its default, or unknown."""
        return self._known.get(registry)

    def taken(self, registry: str, size: int | None, *, usual: int | None) -> None:
        """Note that the registry accepted this size; `usual` was tried first."""
        if usual is not None:
            self._known[registry] = size
