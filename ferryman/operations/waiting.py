"""Why a queued tag does not run yet: pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ferryman.store.queries.waiting import WaitingTag
from ferryman.store.queue.statements import PAUSED
from ferryman.store.records import Paused, RegistryState

# due: it may run, and waits for a worker. retry: its last attempt failed. paused: a person's pause.
WaitKind = Literal["due", "retry", "limited", "login", "paused"]


@dataclass(frozen=True, slots=True)
class Wait:
    """What a queued tag waits for."""

    kind: WaitKind
    until: datetime | None = None  # None: not known
    registry: str | None = None
    actor: str | None = None  # who has paused it


def wait_of(tag: WaitingTag, now: datetime, *, paused: Paused, registries: Collection[RegistryState]) -> Wait:
    """What this tag waits for; of several reasons, the one that lasts longest. `registries`: the paused ones."""
    source_registry, target_registry = tag.source.partition("/")[0], tag.target.partition("/")[0]
    if pause := paused.of_item(tag.target, source_registry):
        registry = pause.name if pause.scope == "registry" else None
        return Wait("paused", registry=registry, actor=pause.actor)
    if tag.run_at is not None and tag.run_at <= now:
        return Wait("due", tag.run_at)
    holding = next((each for each in registries if each.registry in {source_registry, target_registry}), None)
    registry = holding.registry if holding else tag.error_registry
    if tag.run_at is None:
        return Wait("login", registry=registry)
    if holding is not None and holding.until is not None and tag.run_at >= holding.until:
        return Wait("limited", tag.run_at, holding.registry)
    return Wait("limited" if tag.reason in {PAUSED, "rate-limited"} else "retry", tag.run_at, tag.error_registry)
