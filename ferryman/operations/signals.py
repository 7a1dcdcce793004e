"""What a verdict is made of: a type for each thing that an operator should know, the worst first.

They carry numbers and names, no sentences: `views/verdict.py` has those, in English and for translation.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from ferryman.kinds import DamageKind, FreezeReason, PauseScope
from ferryman.liveness import FaultKind

# ill: Ferryman itself does not work. incomplete: wanted tags fail. paused: a person holds something back.
State = Literal["ill", "incomplete", "paused", "working", "complete", "empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something that an operator should know."""

    state: ClassVar[State]  # of a mirror of which this is the worst
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFails(Signal):
    """The state database cannot be read or written."""

    state = "ill"
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFault(Signal):
    """A process hangs, or its cycle does not come or end."""

    state = "ill"
    role: str
    host: str
    fault: FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleMissing(Signal):
    """Other processes run, but none that looks at the sources, or none that copies."""

    state = "ill"
    role: Literal["scheduler", "worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleFailed(Signal):
    """The last cycle ended early."""

    state = "ill"
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStuck(Signal):
    """Tags are due, workers are there, and nothing is copied."""

    state = "ill"
    tags: int  # due


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRefused(Signal):
    """A registry is paused because it refused the login."""

    state = "incomplete"
    registry: str
    missing: int  # tags that wait for it, of which the target has nothing
    outdated: int  # tags that wait for it, of which the target has an earlier copy
    items: int  # with such tags
    unseen: int  # items that cannot be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsFailed(Signal):
    """Tags have failed for good, for one cause."""

    state = "incomplete"
    kind: str | None
    registry: str | None
    missing: int
    outdated: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsUnseen(Signal):
    """Items cannot be looked at, for one cause: what upstream has now is unknown."""

    state = "incomplete"
    kind: str | None
    registry: str | None
    items: int
    name: str  # of one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsFrozen(Signal):
    """The upstream of items has collapsed, for one reason: nothing of them is copied, overwritten or removed."""

    state = "incomplete"
    reason: FreezeReason
    items: int
    name: str  # of one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsUnread(Signal):
    """Tags were mirrored before, and upstream's cannot be read now, for one cause."""

    state = "incomplete"
    kind: str | None
    registry: str | None
    tags: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsDamaged(Signal):
    """The target lost mirrored tags or parts of them, or somebody else has overwritten them; nothing repairs that."""

    state = "incomplete"
    finding: DamageKind
    tags: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesHeld(Signal):
    """Upstream has changed version tags, and nothing is copied over what was mirrored until a person decides."""

    state = "incomplete"
    tags: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletesRefused(Signal):
    """A registry refuses to delete, so tags stay that items.yml has pruned."""

    state = "incomplete"
    registry: str
    tags: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedByHand(Signal):
    """A person has paused everything, an item or a registry."""

    state = "paused"
    scope: PauseScope
    name: str  # of the item or the registry; empty: everything
    actor: str
    queued: int  # tags that this holds back


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsRetried(Signal):
    """Tags failed, for one cause, and are tried again."""

    state = "working"
    kind: str | None
    registry: str | None
    tags: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsLimited(Signal):
    """A registry is paused until its limit on requests ends."""

    state = "working"
    registry: str
    until: datetime
    tags: int  # that wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Working(Signal):
    """Tags are queued or running."""

    state = "working"
    queued: int
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLookedYet(Signal):
    """Items have not been looked at yet."""

    state = "working"
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete(Signal):
    """The target has all wanted tags, as far as the last looks know."""

    state = "complete"
    tags: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined(Signal):
    """Tags wait because upstream has their digests for less than `min_age`: as it shall be."""

    state = "complete"
    tags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack(Signal):
    """A person has put tags back, and holds them there."""

    state = "complete"
    tags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingRecorded(Signal):
    """There are no items, or none of them was ever looked at."""

    state = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodyRuns(Signal):
    """No process runs: somebody may call `sync` by hand or by cron, so this alone is no fault."""

    state = "complete"
