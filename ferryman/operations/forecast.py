"""When the queue will be empty, from how fast it moved: pure, on samples of the last hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.store.samples import INTERVAL, Sample

WINDOW = timedelta(hours=6)  # of the samples that a forecast is made of
_FEWEST = 3  # jobs: fewer say nothing


@dataclass(frozen=True, slots=True)
class Forecast:
    """How fast the queue moves."""

    rate: float  # jobs that end well or for good, a second, while there was work

    def when(self, now: datetime, ahead: int) -> datetime:
        """When the tag will have run before which so many due tags stand."""
        return now + timedelta(seconds=(ahead + 1) / self.rate)


def forecast(samples: Sequence[Sample], now: datetime) -> Forecast | None:
    """A forecast from recent samples; None: too little was done to say.

    Only intervals count in which there was something to do: a queue that rests is not slow.
    """
    busy = [each for each in samples if now - each.at <= WINDOW and _is_busy(each)]
    jobs = sum(each.copies + each.failures for each in busy)
    return None if jobs < _FEWEST else Forecast(jobs / (len(busy) * INTERVAL.total_seconds()))


def _is_busy(sample: Sample) -> bool:
    return sample.due > 0 or sample.running > 0 or sample.copies > 0 or sample.failures > 0
