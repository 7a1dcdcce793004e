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
    note: str | None = None  # of that pause


def wait_of(tag: WaitingTag, now: datetime, *, paused: Paused, registries: Collection[RegistryState]) -> Wait:
    """What this tag waits for; of several reasons, the one that lasts longest. `registries`: the paused ones."""
    source_registry, target_registry = tag.source.partition("/")[0], tag.target.partition("/")[0]
    if pause := paused.of_item(tag.target, source_registry):
        registry = pause.name if pause.scope == "registry" else None
        return Wait("paused", registry=registry, actor=pause.actor, note=pause.note)
    if tag.run_at is None:
        refusing = [each.registry for each in registries if each.until is None]
        registry = next((each for each in refusing if each in {source_registry, target_registry}), tag.error_registry)
        return Wait("login", registry=registry)
    if tag.run_at <= now:
        return Wait("due", tag.run_at)
    # `hold_back` gives the tags behind a limit this reason. Others wait for longer than the limit does.
    return Wait("limited" if tag.reason in {PAUSED, "rate-limited"} else "retry", tag.run_at, tag.error_registry)
