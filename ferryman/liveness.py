"""Whether the processes on a database live and do what they are for: pure, for `health`, `status`, and the like."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.store.services import Service

_FRESH = timedelta(seconds=60)  # a process whose last sign of life is older is not alive
_CLOCKS_DIFFER = timedelta(seconds=60)  # by which another machine's clock may be ahead of ours
_ALLOWANCE = timedelta(minutes=5)  # by which a cycle may begin late
_LONGEST_CYCLE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one living process."""

    service: Service
    problem: str | None  # a sentence; None: all is well


def judge(services: Sequence[Service], *, now: datetime, dead: Collection[str] = ()) -> list[Verdict]:
    """A verdict for each of the processes that are alive. `dead`: owners that are known to have ended."""
    return [Verdict(each, _problem(each, now)) for each in services if each.owner not in dead and _is_alive(each, now)]


def _is_alive(service: Service, now: datetime) -> bool:
    """A sign of life from the future was given under a clock that was ahead: whoever lives gives another one soon."""
    return -_CLOCKS_DIFFER <= now - service.beat_at < _FRESH


def _problem(service: Service, now: datetime) -> str | None:
    if service.cycle_began_at is not None:
        if now - service.cycle_began_at > _LONGEST_CYCLE:
            return f"its cycle has not come to an end since {service.cycle_began_at:%Y-%m-%d %H:%M} UTC"
    elif service.next_cycle_at is not None and now - service.next_cycle_at > _ALLOWANCE:
        return f"its next cycle was due at {service.next_cycle_at:%Y-%m-%d %H:%M} UTC, and has not begun"
    return None
