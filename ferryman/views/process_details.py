"""What a process says of itself with every heartbeat, so that the page of any process shows all of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ferryman.registry.limits.host_limits import PresentLimits
from ferryman.registry.limits.quota import Quota
from ferryman.views.running_jobs import RunningJob, RunningJobs, RunningLook

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProcessDetails:
    """What one process does now."""

    jobs: Sequence[RunningJob] = ()
    looks: Sequence[RunningLook] = ()
    limits: Sequence[PresentLimits] = ()
    copies_limit: int | None = None  # copies at once that it allows itself now; None: it copies nothing, or is older


def present(running: RunningJobs, limits: Sequence[PresentLimits], copies_limit: int | None) -> ProcessDetails:
    """The details of this process."""
    return ProcessDetails(running.now(), running.looks(), limits, copies_limit)


def written(running: RunningJobs, limits: Iterable[PresentLimits], copies_limit: int | None) -> dict[str, Any]:
    """The details of this process as JSON."""
    return {**running.details(), "limits": [_limits(each) for each in limits], "copies_limit": copies_limit}


def read(details: Mapping[str, Any] | None) -> ProcessDetails:
    """Details from JSON. What another version of Ferryman wrote in another shape is left out."""
    details = details or {}
    copies_limit = details.get("copies_limit")
    return ProcessDetails(
        _listed(RunningJob, details.get("jobs")),
        _listed(RunningLook, details.get("looks")),
        tuple(filter(None, map(_limits_of, details.get("limits") or ()))),
        copies_limit if isinstance(copies_limit, int) else None,
    )


def _limits(limits: PresentLimits) -> dict[str, Any]:
    quota = limits.quota
    return {
        "host": limits.host, "requests": limits.requests, "copies": limits.copies,
        "quota": None if quota is None else {
            "limit": quota.limit, "remaining": quota.remaining,
            "window": None if quota.window is None else quota.window.total_seconds(),
            "seen_at": quota.seen_at.isoformat(), "since": quota.since.isoformat(),
        },
    }  # fmt: skip


def _limits_of(values: Mapping[str, Any]) -> PresentLimits | None:
    try:
        return PresentLimits(values["host"], values["requests"], values["copies"], _quota_of(values["quota"]))
    except (KeyError, TypeError, ValueError):
        return None


def _quota_of(values: Mapping[str, Any] | None) -> Quota | None:
    if values is None:
        return None
    window = values["window"]
    return Quota(
        values["limit"], values["remaining"], None if window is None else timedelta(seconds=window),
        seen_at=datetime.fromisoformat(values["seen_at"]), since=datetime.fromisoformat(values["since"]),
    )  # fmt: skip


def _listed(kind: type[T], values: object) -> tuple[T, ...]:
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    listed = values if isinstance(values, list) else []
    return tuple(kind(**each) for each in listed if isinstance(each, dict) and set(each) == names)
