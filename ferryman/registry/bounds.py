"""How much a stranger's list may be: of a repository's tags, or of what refers to an image."""

from ferryman.errors import TooSlow, Unsupported, WrongContent

MOST_TAGS = 200_000  # names; is_tag() bounds the length of each
_MOST_PAGES = 5000
_MOST_IDLE_PAGES = 100  # in a row that bring nothing new


class Bounds:
    """What is left of one list's time, names and pages. Shared by all requests that the list takes."""

    def __init__(
        self, about: str, *, registry: str, seconds: float, names: int = MOST_TAGS, what: str = "tags"
    ) -> None:
        """`seconds`: of waiting for the registry; `names`: entries in all; `what`: they are."""
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
        """So long was waited for the registry."""
        self.seconds = max(0.0, self.seconds - seconds)

    def page(self) -> None:
        """One more page is to be asked for. Raises WrongContent, TooSlow."""
        self._pages += 1
        self._idle += 1
        if self._pages > _MOST_PAGES:
            raise WrongContent(f"{self.about}: more than {_MOST_PAGES} pages", registry=self._registry)
        if self._idle > _MOST_IDLE_PAGES:
            raise WrongContent(f"{self.about}: {_MOST_IDLE_PAGES} pages without anything new", registry=self._registry)
        if not self.seconds:
            raise self.too_slow()

    def count(self, names: int) -> None:
        """So many more were listed. Raises Unsupported where they are too many."""
        self._names += names
        if names:
            self._idle = 0
        if self._names > self.most:
            raise self.too_many()

    def too_slow(self) -> TooSlow:
        """The error where the time is over."""
        mend = "`timeout:` under `registries:` allows more"
        return TooSlow(f"{self.about}: not listed within {self._allowed:g} s; {mend}", registry=self._registry)

    def too_many(self) -> Unsupported:
        """The error where there are too many names."""
        mend = "; `most_tags:` under `registries:` allows more" if self._what == "tags" else ""
        message = f"{self.about}: lists more than {self.most:,} {self._what}: refused{mend}"
        return Unsupported(message, registry=self._registry)
