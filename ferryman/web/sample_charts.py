"""The samples of the queue and of the work as small charts: of a day in steps of a quarter of an hour, of a month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ferryman.i18n.formats import duration, number, size
from ferryman.i18n.texts import _
from ferryman.store.samples import INTERVAL, Samples, Step, interval_of
from ferryman.web.charts import Chart, bar_chart, line_chart


@dataclass(frozen=True, slots=True)
class Span:
    """How far charts reach back, and how long one of their steps is."""

    length: timedelta
    step: timedelta


DAY = Span(timedelta(days=1), step=timedelta(minutes=15))
MONTH = Span(timedelta(days=30), step=timedelta(hours=6))


@dataclass(frozen=True, slots=True)
class TitledChart:
    """A chart, and what it shows."""

    title: str
    unit: str
    chart: Chart


async def read_charts(samples: Samples, span: Span, now: datetime) -> list[TitledChart]:
    """Throughput, length and latency of the queue up to now. Steps without samples are gaps. Raises StoreError."""
    until = interval_of(now) - INTERVAL  # the last interval that has ended
    starts = _starts(span, until)
    found = {each.at: each for each in await samples.steps(starts[0], span.step)}
    return _charts([found.get(start) for start in starts], starts, span.step)


def _starts(span: Span, until: datetime) -> list[datetime]:
    seconds = span.step.total_seconds()
    last = int(until.timestamp() // seconds)
    first = last - int(span.length / span.step) + 1
    return [datetime.fromtimestamp(each * seconds, UTC) for each in range(first, last + 1)]


def _charts(steps: Sequence[Step | None], starts: Sequence[datetime], step: timedelta) -> list[TitledChart]:
    labels = [f"{start:%Y-%m-%d %H:%M}" for start in starts]
    rate = [None if each is None else each.bytes_moved / step.total_seconds() for each in steps]
    length = [None if each is None else each.queued for each in steps]
    latency = [None if each is None else each.latency for each in steps]
    return [
        TitledChart(_("Throughput"), _("Bytes a second"), bar_chart(labels, rate, write=_per_second)),
        TitledChart(_("Queue length"), _("Tags"), line_chart(labels, length, write=number)),
        TitledChart(_("Queue latency"), _("Age of the oldest due tag"), line_chart(labels, latency, write=_seconds)),
    ]


def _per_second(count: float) -> str:
    return f"{size(count)}/s"


def _seconds(length: float) -> str:
    return duration(timedelta(seconds=length))
