"""Messages about failed lookups, grouped by cause: if a network is down, the lookups of all items fail alike."""

import re
from collections.abc import Iterable, Sequence

from ferryman.store.ledger import LookupFailure
from ferryman.wording import counted

_NAMED = 5  # items of a group whose names are listed
# Parts of an error that differ between items though the cause is the same: addresses and times.
_ADDRESS = re.compile(
    r"\w+://[^\s'\"]+|\('[^']*'(?:, [0-9]+)+\)|\b[\w.-]+:[0-9]{1,5}\b|\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b"
)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(?::[0-9.]+)?")


def grouped_by_cause(failures: Iterable[LookupFailure]) -> list[str]:
    """A message per cause; the one that concerns most items comes first."""
    groups: dict[str, list[LookupFailure]] = {}
    for failure in failures:
        groups.setdefault(_cause(failure), []).append(failure)
    return [_message(group) for group in sorted(groups.values(), key=len, reverse=True)]


def _cause(failure: LookupFailure) -> str:
    """The error without the parts that are specific to the item."""
    registry, _, name = failure.source.partition("/")
    text = _ADDRESS.sub("…", _TIME.sub("…", failure.error))
    for specific in (failure.source, name, registry):
        text = re.sub(rf"(?<![\w./-]){re.escape(specific)}(?![\w-])", "…", text)
    return text


def _message(group: Sequence[LookupFailure]) -> str:
    since = min((each.since for each in group if each.since), default=None)
    failed = "could not be looked at" + (f" since {since:%Y-%m-%d %H:%M} UTC" if since else "")
    first = group[0]
    if len(group) == 1:
        return f"{first.item} ({first.source}) {failed}: {first.error}"
    registries = sorted({each.source.partition("/")[0] for each in group})
    registry = registries[0] if len(registries) == 1 else counted(len(registries), "registry")
    names = ", ".join(each.item for each in group[:_NAMED])
    more = f" and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
    same = all(each.error == first.error for each in group)
    error = first.error if same else f"{first.item}: {first.error}"
    return f"{counted(len(group), 'item')} of {registry} {failed} ({names}{more}): {error}"
