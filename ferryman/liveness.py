"""Check from heartbeats whether the processes on a database are alive and on time: pure, for `health` and `status`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ferryman.store.services import Service

_FRESH = timedelta(seconds=60)  # an older heartbeat is stale: the process is dead, or hangs
_CLOCK_SKEW = timedelta(seconds=60)  # another machine's clock may be ahead of ours by this
_ALLOWANCE = timedelta(minutes=5)  # a cycle may begin late by this
_LONGEST_CYCLE = timedelta(days=1)


FaultKind = Literal["silent", "endless-cycle", "late-cycle"]
_SENTENCES: dict[FaultKind, str] = {
    "silent": "its last heartbeat was at {}, but its process still exists",
    "endless-cycle": "its cycle has not come to an end since {}",
    "late-cycle": "its next cycle was due at {}, and has not begun",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a process."""

    kind: FaultKind
    since: datetime


@dataclass(frozen=True, slots=True)
class Liveness:
    """The state of one process."""

    service: Service
    alive: bool  # its heartbeat is fresh; False: the process exists all the same
    fault: Fault | None

    @property
    def problem(self) -> str | None:
        """The fault as a sentence; None: there is none."""
        if self.fault is None:
            return None
        return _SENTENCES[self.fault.kind].format(f"{self.fault.since:%Y-%m-%d %H:%M} UTC")


def check_liveness(
    services: Sequence[Service], *, now: datetime, dead: Collection[str] = (), existing: Collection[str] = ()
) -> list[Liveness]:
    """The liveness of each process that is alive, or that exists without sending heartbeats.

    `dead` and `existing`: owners whose process is known to have ended, or to exist. A process in neither, such as one
    on another machine, is alive while its heartbeat is fresh.
    """
    found = [_liveness(service, now) for service in services if service.owner not in dead]
    return [liveness for liveness in found if liveness.alive or liveness.service.owner in existing]


def _liveness(service: Service, now: datetime) -> Liveness:
    if _is_fresh(service, now):
        return Liveness(service, True, _fault(service, now))
    return Liveness(service, False, Fault("silent", service.beat_at))


def _is_fresh(service: Service, now: datetime) -> bool:
    """A heartbeat in the future is not fresh: it was sent under a wrong clock, and a living process soon sends more."""
    return -_CLOCK_SKEW <= now - service.beat_at < _FRESH


def _fault(service: Service, now: datetime) -> Fault | None:
    if service.cycle_began_at is not None:
        if now - service.cycle_began_at > _LONGEST_CYCLE:
            return Fault("endless-cycle", service.cycle_began_at)
    elif service.next_cycle_at is not None and now - service.next_cycle_at > _ALLOWANCE:
        return Fault("late-cycle", service.next_cycle_at)
    return None
