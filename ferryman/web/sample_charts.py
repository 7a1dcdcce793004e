"""The samples of the queue and of the work as small charts: of a day in steps of a quarter of an hour, of a month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ferryman.i18n.formats import duration, number, size
from ferryman.i18n.texts import _
from ferryman.store.samples import Sample
from ferryman.web.charts import Chart, bar_chart, line_chart

DAY, MONTH = timedelta(days=1), timedelta(days=30)
_STEPS = {DAY: timedelta(minutes=15), MONTH: timedelta(hours=6)}


@dataclass(frozen=True, slots=True)
class TitledChart:
    """A chart, and what it shows."""

    title: str
    unit: str
    chart: Chart


def charts(samples: Sequence[Sample], span: timedelta, *, now: datetime) -> list[TitledChart]:
    """Throughput, length and latency of the queue over that time. Steps without samples are gaps."""
    step = _STEPS[span]
    starts, steps = _steps(samples, span, step, now)
    labels = [f"{start:%Y-%m-%d %H:%M}" for start in starts]
    rate = [_rate(each, step) for each in steps]
    length = [max((sample.queued for sample in each), default=None) for each in steps]
    latency = [max((sample.latency for sample in each), default=None) for each in steps]
    return [
        TitledChart(_("Throughput"), _("Bytes a second"), bar_chart(labels, rate, write=_per_second)),
        TitledChart(_("Queue length"), _("Tags"), line_chart(labels, length, write=number)),
        TitledChart(_("Queue latency"), _("Age of the oldest due tag"), line_chart(labels, latency, write=_seconds)),
    ]


def _steps(
    samples: Sequence[Sample], span: timedelta, step: timedelta, now: datetime
) -> tuple[list[datetime], list[list[Sample]]]:
    seconds = step.total_seconds()
    last = int(now.timestamp() // seconds)
    first = last - int(span / step) + 1
    steps: list[list[Sample]] = [[] for _step in range(first, last + 1)]
    for sample in samples:
        place = int(sample.at.timestamp() // seconds) - first
        if 0 <= place < len(steps):
            steps[place].append(sample)
    return [datetime.fromtimestamp(each * seconds, UTC) for each in range(first, last + 1)], steps


def _rate(samples: Sequence[Sample], step: timedelta) -> float | None:
    return sum(sample.bytes_moved for sample in samples) / step.total_seconds() if samples else None


def _per_second(count: float) -> str:
    return f"{size(count)}/s"


def _seconds(length: float) -> str:
    return duration(timedelta(seconds=length))
