"""How large the pages of a list may be: every registry has a limit of its own."""

SIZE_REFUSED = frozenset({400, 405, 413, 416, 422})  # what registries answer to a page size that is too large for them
_SMALLER = 100  # quay.io's most, and that of those who run it themselves


class PageSizes:
    """How many tags a page may have, by registry, as far as that is known."""

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {}

    def to_try(self, registry: str, usual: int | None) -> list[int | None]:
        """The sizes to ask for, in turn; None at last: the registry's own."""
        if usual is None:
            return [None]
        if registry in self._known:
            return list(dict.fromkeys((self._known[registry], None)))
        return [usual, *([_SMALLER] if usual > _SMALLER else []), None]

    def known(self, registry: str) -> int | None:
        """The size that the registry takes; None: its own, or it was not asked yet."""
        return self._known.get(registry)

    def taken(self, registry: str, size: int | None, *, usual: int | None) -> None:
        """The registry has answered to a page of this size, where `usual` was asked for first."""
        if usual is not None:
            self._known[registry] = size
