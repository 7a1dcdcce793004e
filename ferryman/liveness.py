"""Whether the processes on a database live and do what they are for: pure, for `health`, `status`, and the like."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.store.services import Service

_FRESH = timedelta(seconds=60)  # a process whose last sign of life is older is not alive, or hangs
_CLOCKS_DIFFER = timedelta(seconds=60)  # by which another machine's clock may be ahead of ours
_ALLOWANCE = timedelta(minutes=5)  # by which a cycle may begin late
_LONGEST_CYCLE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Liveness:
    """What is to be said of one process that is alive, or there at least."""

    service: Service
    alive: bool  # False: it is there, and gives no sign of life
    problem: str | None  # a sentence; None: all is well


def judge(
    services: Sequence[Service], *, now: datetime, dead: Collection[str] = (), there: Collection[str] = ()
) -> list[Liveness]:
    """A verdict for each of the processes that are alive, or there.

    `dead` and `there`: owners whose process is known to have ended, or not to have. One of which neither is known is
    taken at its word: it is alive as long as its last sign of life is fresh.
    """
    planned = [_planned_tag(each, now) for each in services if each.owner not in dead]
    return [verdict for verdict in planned if verdict.alive or verdict.service.owner in there]


def _planned_tag(service: Service, now: datetime) -> Liveness:
    if _is_fresh(service, now):
        return Liveness(service, True, _problem(service, now))
    return Liveness(
        service, False, f"its last sign of life is of {_told(service.beat_at)}, though its process is there"
    )


def _is_fresh(service: Service, now: datetime) -> bool:
    """A sign of life from the future was given under a clock that was ahead: whoever lives gives another one soon."""
    return -_CLOCKS_DIFFER <= now - service.beat_at < _FRESH


def _problem(service: Service, now: datetime) -> str | None:
    if service.cycle_began_at is not None:
        if now - service.cycle_began_at > _LONGEST_CYCLE:
            return f"its cycle has not come to an end since {_told(service.cycle_began_at)}"
    elif service.next_cycle_at is not None and now - service.next_cycle_at > _ALLOWANCE:
        return f"its next cycle was due at {_told(service.next_cycle_at)}, and has not begun"
    return None


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
