"""Why a queued tag does not run yet: pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ferryman.store.queue.pauses import PAUSED
from ferryman.store.records import Paused, WaitingTag

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


def wait_of(tag: WaitingTag, now: datetime, *, paused: Paused) -> Wait:
    """What this tag waits for; of several reasons, the one that lasts longest. `paused`: by persons."""
    if pause := paused.of_item(tag.target, tag.source):
        registry = pause.name if pause.scope == "registry" else None
        return Wait("paused", registry=registry, actor=pause.actor, note=pause.note)
    if tag.run_at is None:
        return Wait("login", registry=tag.error_registry)
    if tag.run_at <= now:
        return Wait("due", tag.run_at)
    # PAUSED: by the limit of its own registry. Others wait for longer than that does.
    return Wait("limited" if tag.reason in {PAUSED, "rate-limited"} else "retry", tag.run_at, tag.error_registry)
