"""How each registry of items.yml is, from what was read for the verdict: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ferryman.item_names import Named
from ferryman.operations.subjects import registries_of
from ferryman.store.queries.counts import TagCounts, total
from ferryman.store.queries.standing import Standing
from ferryman.store.records import ManualPause, RegistryState

RegistryCondition = Literal["refused", "limited", "unreachable", "paused", "failing", "fine"]


@dataclass(frozen=True, slots=True)
class RegistryCard:
    """One registry."""

    registry: str
    condition: RegistryCondition  # the worst that is known
    since: datetime | None  # None: it is fine
    until: datetime | None  # of a rate limit
    error: str | None
    items: int  # with their source or target there
    counts: TagCounts  # of the tags of these items
    failing: int  # tags that fail because of it
    unseen: int  # items that cannot be looked at because of it
    pause: ManualPause | None  # by a person


def registry_cards(standing: Standing, items: Sequence[Named]) -> list[RegistryCard]:
    """A card for each registry, sorted by name."""
    return [_card(registry, standing, items) for registry in sorted(registries_of(items))]


def _card(registry: str, standing: Standing, items: Sequence[Named]) -> RegistryCard:
    here = {item.target for item in items if registry in registries_of([item])}
    causes = [each for each in standing.causes if each.registry == registry]
    unseen = [each for each in standing.lookup_failures if each.registry == registry]
    pause = standing.pauses.everything or standing.pauses.registries.get(registry)
    condition, since, until, error = _condition(registry, standing)
    return RegistryCard(
        registry, condition, since, until, error,
        items=len(here),
        counts=total([standing.counts[target] for target in here]),
        failing=sum(each.tags for each in causes),
        unseen=len(unseen),
        pause=pause,
    )  # fmt: skip


_Condition = tuple[RegistryCondition, datetime | None, datetime | None, str | None]


def _condition(registry: str, standing: Standing) -> _Condition:
    """The worst that is known of it, since when, until when, and the error."""
    state: RegistryState | None = next((each for each in standing.registries if each.registry == registry), None)
    if state is not None:
        return "limited" if state.until else "refused", state.since, state.until, state.error
    failures = [
        (each.error_kind, each.since, each.error) for each in standing.lookup_failures if each.registry == registry
    ]
    causes = [(each.kind, each.since, None) for each in standing.causes if each.registry == registry]
    unreachable = [each for each in [*failures, *causes] if each[0] == "unreachable"]
    if unreachable:
        return "unreachable", _first(unreachable), None, _error(unreachable)
    if pause := standing.pauses.everything or standing.pauses.registries.get(registry):
        return "paused", pause.since, None, pause.note
    if failures or causes:
        return "failing", _first([*failures, *causes]), None, _error(failures)
    return "fine", None, None, None


_Failure = tuple[str | None, datetime | None, str | None]


def _first(failures: Sequence[_Failure]) -> datetime | None:
    return min((since for _, since, _ in failures if since is not None), default=None)


def _error(failures: Sequence[_Failure]) -> str | None:
    return next((error for *_, error in failures if error is not None), None)
