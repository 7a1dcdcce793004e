"""Limits of a paged list (tags, referrers) of a registry: time, entries and pages."""

from ferryman.errors import TooSlow, Unsupported, WrongContent

MOST_TAGS = 200_000  # names; is_tag() bounds the length of each
_MOST_PAGES = 5000
_MOST_IDLE_PAGES = 100  # in a row without a new entry


class Bounds:
    """The remaining time, entries and pages of one list. Shared by all requests for its pages."""

    def __init__(
        self, about: str, *, registry: str, seconds: float, names: int = MOST_TAGS, what: str = "tags"
    ) -> None:
        """`seconds`: of waiting for the registry; `names`: entries in all; `what`: the noun for them in errors."""
        self.seconds = seconds
        self.most = names
        self.about = about
        self._registry = registry
        self._allowed = seconds
        self._names = 0
        self._what = what
        self._pages = 0
        self._idle = 0

    def spend(self, seconds: float) -> None:
        """Note so many seconds of waiting for the registry."""
        self.seconds = max(0.0, self.seconds - seconds)

    def page(self) -> None:
        """Count one more page, before its request. Raises WrongContent, TooSlow."""
        self._pages += 1
        self._idle += 1
        if self._pages > _MOST_PAGES:
            raise WrongContent(f"{self.about}: more than {_MOST_PAGES} pages", registry=self._registry)
        if self._idle > _MOST_IDLE_PAGES:
            raise WrongContent(f"{self.about}: {_MOST_IDLE_PAGES} pages without anything new", registry=self._registry)
        if not self.seconds:
            raise self.too_slow()

    def count(self, names: int) -> None:
        """Count new entries. Raises Unsupported for too many."""
        self._names += names
        if names:
            self._idle = 0
        if self._names > self.most:
            raise self.too_many()

    def too_slow(self) -> TooSlow:
        """The error for a list that took too long."""
        hint = "`timeout:` under `registries:` allows more"
        return TooSlow(f"{self.about}: not listed within {self._allowed:g} s; {hint}", registry=self._registry)

    def too_many(self) -> Unsupported:
        """The error for a list with too many entries."""
        hint = "; `most_tags:` under `registries:` allows more" if self._what == "tags" else ""
        message = f"{self.about}: lists more than {self.most:,} {self._what}: refused{hint}"
        return Unsupported(message, registry=self._registry)
