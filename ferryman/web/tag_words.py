"""Why a tag is where it is, in words, and what a filter of tags can choose from."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ferryman.i18n.texts import _
from ferryman.kinds import Hold
from ferryman.store.queries.item_tags import Facet
from ferryman.store.records import TagRecord
from ferryman.views.reasons import reason_in_words
from ferryman.web.navigation import status_name

_UP_TO_DATE, _QUEUED = "up-to-date", "queued"  # reasons of the planner, which the record does not keep
_HOLDS: Mapping[Hold, str] = {
    "rollback": "rolled-back", "changed": "held-changed", "kept": "kept", "prune": "leaving",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Why:
    """The reason of a tag's status."""

    text: str
    error: str | None = None  # whole


def why(record: TagRecord) -> Why:
    """The reason of the tag's status, in the current language. Backticks enclose keys of items.yml."""
    match record.status:
        case "failed":
            return Why(_reason(record.error_kind or record.reason or "?"), record.error)
        case "running":
            return Why(_("is being copied"))
        case "synced" if record.error is not None:
            return Why(_("mirrored before, and upstream's tag cannot be read now"), record.error)
        case "synced" if (held_by := record.held_by) is not None:
            return Why(_reason(_HOLDS[held_by]))
        case "synced":
            return Why(_reason(_UP_TO_DATE))
        case _:  # it waits, or is not wanted
            return Why(_reason(record.reason or _QUEUED), record.error)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter, and how many tags have it."""

    value: str
    text: str
    tags: int


@dataclass(frozen=True, slots=True)
class Choices:
    """What an item's tags can be filtered by."""

    statuses: Sequence[Choice]
    reasons: Sequence[Choice]
    kinds: Sequence[Choice]
    outcomes: Sequence[Choice]


def choices(facets: Sequence[Facet]) -> Choices:
    """The values that the tags have, those of most tags first."""
    return Choices(
        _choices([(state, each.tags) for each in facets for state in sorted(each.states)], status_name),
        _choices([(each.reason, each.tags) for each in facets], _reason),
        _choices([(each.kind, each.tags) for each in facets], _reason),
        _choices([(each.outcome, each.tags) for each in facets], status_name),
    )


def _choices(values: Sequence[tuple[str | None, int]], name: Callable[[str], str]) -> list[Choice]:
    counted: Counter[str] = Counter()
    for value, tags in values:
        if value is not None:
            counted[value] += tags
    return [Choice(value, name(value), tags) for value, tags in counted.most_common()]


def _reason(code: str) -> str:
    return _(reason_in_words(code))
