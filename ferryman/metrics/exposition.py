"""The answer of `/metrics`: counters of this process, and the state of the database when it is asked for."""

import asyncio
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client import exposition as text
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics

from ferryman import __version__, log
from ferryman.clock import Clock
from ferryman.errors import StoreError
from ferryman.items.model import Configuration
from ferryman.metrics import state
from ferryman.metrics.work import WorkMetrics
from ferryman.registry.limits.host_limits import PresentLimits
from ferryman.settings import Schedule
from ferryman.store.database.database import Database
from ferryman.store.measures import Measures, measure
from ferryman.tasks import cancel_and_wait

_PATIENCE = 5.0  # seconds that a scrape waits for the database; Prometheus gives up after 10
_OPENMETRICS = "application/openmetrics-text"


class Metrics:
    """All metrics of one process. Subscribe `observe` to the events; close it at the end."""

    def __init__(
        self,
        *,
        database: Database,
        limits: Callable[[], Sequence[PresentLimits]],
        copies: Callable[[], int | None],
        configuration: Callable[[], Configuration],
        schedule: Schedule,
        clock: Clock,
    ) -> None:
        """`limits`: of the registry client. `copies`: the most at once at present; None: this process copies nothing.
        `configuration`: the present one, for it is reloaded.
        """
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asks for
        self._database = database
        self._limits = limits
        self._copies = copies
        self._configuration = configuration
        self._schedule = schedule
        self._clock = clock
        self._registry = CollectorRegistry()  # not the global one: each test, and each run, begins at zero
        self._work = WorkMetrics(self._registry, configuration=configuration)
        ProcessCollector(registry=self._registry)
        self._reading: asyncio.Task[Measures | None] | None = None
        self._encoding = asyncio.Lock()
        self._failed = False  # whether the last read of the database failed

    @property
    def observe(self) -> Callable[..., None]:
        """The observer of the events."""
        return self._work.observe

    async def render(self, accept: str = "") -> tuple[bytes, str]:
        """The exposition and its content type, which the Accept header chooses.

        Never raises StoreError: without the database `ferryman_database_up` is 0, and its gauges are left out.
        """
        scrape = _Scrape(
            await self._measures(),
            configuration=self._configuration(),
            limits=self._limits(),
            copies=self._copies(),
            schedule=self._schedule,
            now=self._clock.now(),
            counted=self._registry,
        )
        encode, content_type = _format(accept)
        # In a thread: 2,000 items are more than 10,000 lines, and the copies go on meanwhile. One at a time: where
        # everybody may read, many who ask at once must not take all threads.
        async with self._encoding:
            return await asyncio.to_thread(encode, scrape), content_type

    async def aclose(self) -> None:
        """End a read that is under way."""
        if self._reading is not None:
            await cancel_and_wait([self._reading])

    async def _measures(self) -> Measures | None:
        """Read the database; None: it failed, or has not answered for a while.

        One read at a time, which all scrapes share: a database that hangs is not asked again and again.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="read the metrics")
        done, _ = await asyncio.wait([self._reading], timeout=_PATIENCE)
        if done:
            return self._reading.result()
        self._report("it has not answered for a while")
        return None

    async def _read(self) -> Measures | None:
        try:
            measures = await measure(self._database, clock=self._clock)
        except StoreError as error:
            self._report(str(error))
            return None
        self._failed = False
        return measures

    def _report(self, error: str) -> None:
        """Log the first failure in a row."""
        if not self._failed:
            log.get().error(
                "metrics_incomplete", message="the metrics lack what the database holds: it cannot be read", error=error
            )
        self._failed = True


@dataclass(frozen=True, kw_only=True)
class _Scrape:
    """What one answer tells, as prometheus_client collects it."""

    measures: Measures | None = field(kw_only=False)  # None: the database cannot be read
    configuration: Configuration
    limits: Sequence[PresentLimits]
    copies: int | None
    schedule: Schedule
    now: datetime
    counted: CollectorRegistry

    def collect(self) -> Iterator[Metric]:
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("ferryman_build", "Version of Ferryman and of Python.", value=build)
        up = "Whether the state database could be read for this answer (1)."
        yield GaugeMetricFamily("ferryman_database_up", up, value=self.measures is not None)
        if self.measures is not None:
            yield from state.of_database(self.measures, self.configuration)
        yield state.of_schedule(self.schedule, now=self.now)
        if self.copies is not None:
            copies = "Copies at once that this process allows itself at present."
            yield GaugeMetricFamily("ferryman_copies_limit", copies, value=self.copies)
        yield from state.of_limits(self.limits, self.configuration, now=self.now)
        yield from self.counted.collect()


def _format(accept: str) -> tuple[Callable[[_Scrape], bytes], str]:
    """The text format, or OpenMetrics for whoever accepts it.

    prometheus_client has a function for this, which raises TypeError for some headers, and quotes others.
    """
    ranges = (part.replace(" ", "").lower().split(";") for part in accept.split(","))
    if any(kind == _OPENMETRICS and "q=0" not in parameters for kind, *parameters in ranges):
        return openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST
    return text.generate_latest, text.CONTENT_TYPE_PLAIN_0_0_4
