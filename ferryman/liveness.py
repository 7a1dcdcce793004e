"""Whether the processes on a database are alive and on time: pure, for `health`, `status`, and the like."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.store.services import Service

_FRESH = timedelta(seconds=60)  # an older heartbeat is stale: the process is dead, or hangs
_CLOCK_SKEW = timedelta(seconds=60)  # by which another machine's clock may be ahead of ours
_ALLOWANCE = timedelta(minutes=5)  # by which a cycle may begin late
_LONGEST_CYCLE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Liveness:
    """What is known of one process."""

    service: Service
    alive: bool  # its heartbeat is fresh; False: the process exists all the same
    problem: str | None  # a sentence; None: all is well


def judge(
    services: Sequence[Service], *, now: datetime, dead: Collection[str] = (), existing: Collection[str] = ()
) -> list[Liveness]:
    """A verdict for each process that is alive, or that exists and does not send heartbeats.

    `dead` and `existing`: owners whose process is known to have ended, or to exist. A process in neither, such as one
    on another machine, is alive while its heartbeat is fresh.
    """
    verdicts = [_verdict(each, now) for each in services if each.owner not in dead]
    return [verdict for verdict in verdicts if verdict.alive or verdict.service.owner in existing]


def _verdict(service: Service, now: datetime) -> Liveness:
    if _is_fresh(service, now):
        return Liveness(service, True, _problem(service, now))
    return Liveness(service, False, f"its last heartbeat was at {_told(service.beat_at)}, but its process still exists")


def _is_fresh(service: Service, now: datetime) -> bool:
    """A heartbeat from the future was sent under a clock that was ahead: a living process soon sends another."""
    return -_CLOCK_SKEW <= now - service.beat_at < _FRESH


def _problem(service: Service, now: datetime) -> str | None:
    if service.cycle_began_at is not None:
        if now - service.cycle_began_at > _LONGEST_CYCLE:
            return f"its cycle has not come to an end since {_told(service.cycle_began_at)}"
    elif service.next_cycle_at is not None and now - service.next_cycle_at > _ALLOWANCE:
        return f"its next cycle was due at {_told(service.next_cycle_at)}, and has not begun"
    return None


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
