"""Values of labels: from a bounded set, and harmless to show. No label ever holds a tag.

Each value of a label is a time series, which Prometheus keeps for weeks. So names have a limit, beyond which they count
as `other`, and what strangers send (status codes, hosts) is compared with what is known.
"""

from collections.abc import Callable, Iterable

from ferryman import errors
from ferryman.items.model import Configuration, Item

OTHER = "other"
MOST_ITEMS = 2000  # with a series of their own: those that stand first in items.yml
MOST_REGISTRIES = 200
NO_ANSWER = "none"
_LONGEST = 200  # characters
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# Those that registries are known to send; another one counts as its class, such as 4xx.
_STATUSES = frozenset(
    {200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308}
    | {400, 401, 403, 404, 405, 409, 413, 416, 429, 500, 502, 503, 504}
)
_NO_CAUSE = "none"
_OF_JOBS = frozenset({"defect", "lease-lost", "unrecorded"})  # causes that are no TransferError: see events.py


def shown(value: str) -> str:
    """The value with each unprintable character (control, bidirectional, half a surrogate) as its escape, and cut.

    The text format itself escapes quotes, backslashes and line feeds.
    """
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in value
    )
    return escaped if len(escaped) <= _LONGEST else f"{escaped[: _LONGEST - 1]}…"


def by_target(items: Iterable[Item]) -> dict[str, str]:
    """The label of each item: its name, and OTHER beyond the limit. Items of one name share a series."""
    return {str(item.target): shown(item.name) if place < MOST_ITEMS else OTHER for place, item in enumerate(items)}


def registries_of(configuration: Configuration) -> list[str]:
    """The registries that items.yml names, in its order, up to the limit."""
    named = (registry for item in configuration.items for registry in item.registries)
    return list(dict.fromkeys([*named, *configuration.registries]))[:MOST_REGISTRIES]


class LastingLabels:
    """Labels of registries or items for counters, which outlive a reload of items.yml: so the limit is for all time."""

    def __init__(self, names: Callable[[Configuration], Iterable[str]], *, most: int) -> None:
        """`names`: returns those that items.yml names. `most`: so many have labels of their own."""
        self._names = names
        self._most = most
        self._labels: dict[str, str] = {}
        self._added: Configuration | None = None

    def add(self, configuration: Configuration) -> None:
        """Give the names of this items.yml labels of their own, as far as the limit allows. Idempotent."""
        if configuration is self._added:
            return
        self._added = configuration
        for name in self._names(configuration):
            if len(self._labels) < self._most:
                self._labels.setdefault(name, shown(name))

    def of(self, name: str) -> str:
        """OTHER: one that items.yml does not name, or beyond the limit."""
        return self._labels.get(name, OTHER)


def method_of(method: str) -> str:
    """An HTTP method."""
    return method if method in _METHODS else OTHER


def status_of(status: int | None) -> str:
    """An HTTP status, or its class. None: no answer."""
    if status is None:
        return NO_ANSWER
    if status in _STATUSES:
        return str(status)
    return f"{status // 100}xx" if 100 <= status < 600 else OTHER  # noqa: PLR2004 - the range of HTTP's status codes


def cause_of(kind: str | None) -> str:
    """An error kind, as in the record."""
    if kind is None:
        return _NO_CAUSE
    return kind if kind in _KINDS else OTHER


def _kinds(kind: type[errors.TransferError]) -> set[str]:
    own = {kind.kind} if "kind" in vars(kind) else set()
    return own.union(*(_kinds(narrower) for narrower in kind.__subclasses__()))


_KINDS: frozenset[str] = frozenset(_kinds(errors.TransferError) | _OF_JOBS)
