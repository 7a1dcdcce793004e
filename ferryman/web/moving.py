"""What moves now in all processes: in this one as it happens, in the others as of their last heartbeat."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ferryman.views.process_details import ProcessDetails
from ferryman.views.running_jobs import RunningJob, RunningLook

_SHOWN = 40  # bars; what is left is counted


@dataclass(frozen=True, slots=True)
class Moving:
    """The copies and the looks that run."""

    jobs: Sequence[RunningJob]
    looks: Sequence[RunningLook]
    more_jobs: int  # that are not shown
    more_looks: int
    limit: int | None  # copies at once that all processes together allow themselves now; None: none copies

    @property
    def rate(self) -> float:
        """Bytes a second, of the copies that are shown."""
        return sum(job.rate for job in self.jobs)


def moving(processes: Iterable[ProcessDetails]) -> Moving:
    """What all of them do, what began first at the top."""
    every = list(processes)
    jobs = sorted((job for each in every for job in each.jobs), key=lambda job: -job.seconds)
    looks = sorted((look for each in every for look in each.looks), key=lambda look: -look.seconds)
    limits = [each.copies_limit for each in every if each.copies_limit is not None]
    limit = sum(limits) if limits else None
    return Moving(jobs[:_SHOWN], looks[:_SHOWN], len(jobs[_SHOWN:]), len(looks[_SHOWN:]), limit)
