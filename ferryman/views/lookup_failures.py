"""Items that could not be looked at, told once a cause: a network that is down stops all of them alike."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ferryman.wording import counted

_NAMED = 5  # items of a group that are named
# What differs from item to item though the cause is the same: addresses, and times.
_ADDRESS = re.compile(
    r"\w+://[^\s'\"]+|\('[^']*'(?:, [0-9]+)+\)|\b[\w.-]+:[0-9]{1,5}\b|\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b"
)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(?::[0-9.]+)?")


@dataclass(frozen=True, slots=True)
class FailedLookup:
    """An item whose source could not be looked at."""

    item: str
    source: str  # registry/namespace/image
    error: str
    since: datetime | None = None


def grouped_by_cause(unseen: Iterable[FailedLookup]) -> list[str]:
    """A sentence a cause; what concerns most items comes first."""
    groups: dict[str, list[FailedLookup]] = {}
    for each in unseen:
        groups.setdefault(_cause(each), []).append(each)
    return [_sentence(group) for group in sorted(groups.values(), key=len, reverse=True)]


def _cause(unseen: FailedLookup) -> str:
    """The error without what is this item's own."""
    registry, _, name = unseen.source.partition("/")
    text = _ADDRESS.sub("…", _TIME.sub("…", unseen.error))
    for own in (unseen.source, name, registry):
        text = re.sub(rf"(?<![\w./-]){re.escape(own)}(?![\w-])", "…", text)
    return text


def _sentence(group: Sequence[FailedLookup]) -> str:
    since = min((each.since for each in group if each.since), default=None)
    told = "could not be looked at" + (f" since {since:%Y-%m-%d %H:%M} UTC" if since else "")
    first = group[0]
    if len(group) == 1:
        return f"{first.item} ({first.source}) {told}: {first.error}"
    registries = sorted({each.source.partition("/")[0] for each in group})
    whose = registries[0] if len(registries) == 1 else counted(len(registries), "registry")
    names = ", ".join(each.item for each in group[:_NAMED])
    more = f" and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
    same = all(each.error == first.error for each in group)
    error = first.error if same else f"{first.item}: {first.error}"
    return f"{counted(len(group), 'item')} of {whose} {told} ({names}{more}): {error}"
