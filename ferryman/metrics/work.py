"""Counters and histograms of what this process does: an observer of the events."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from ferryman.events import (
    CycleEnded,
    Event,
    ItemLooked,
    JobEnded,
    RequestDone,
    RequestRetried,
    TagPruned,
)
from ferryman.items.model import Configuration
from ferryman.metrics.labels import (
    MOST_ITEMS,
    MOST_REGISTRIES,
    LastingLabels,
    cause_of,
    method_of,
    registries_of,
    status_of,
)

_COPY = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 10800)  # seconds: a base image to a model of 100 GB
_LOOK = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)  # seconds: one page to 100,000 tags with their digests
_CYCLE = (1, 5, 15, 60, 300, 900, 3600, 10800, 43200)
_REQUEST = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 60)  # an upload's end may take minutes
_CUT_SHORT = frozenset({"deferred", "stopped"})  # outcomes of copies whose duration says nothing


class WorkMetrics:
    """Call `observe` with every event. Its values are this process's alone, from zero at its start."""

    def __init__(self, registry: CollectorRegistry, *, configuration: Callable[[], Configuration]) -> None:
        self._configuration = configuration
        self._registries = LastingLabels(registries_of, most=MOST_REGISTRIES)
        self._items = LastingLabels(_items_of, most=MOST_ITEMS)
        self._attempts = Counter(
            "ferryman_attempts",
            "Attempts at copying a tag that ended in this process, by outcome and cause.",
            ["outcome", "cause"],
            registry=registry,
        )
        self._copies = Histogram(
            "ferryman_copy_duration_seconds",
            "Time from the claim of a tag to the end of its copy.",
            ["outcome"],
            buckets=_COPY,
            registry=registry,
        )
        self._moved = Counter(
            "ferryman_moved_bytes",
            "Bytes that successful copies transferred, by source registry.",
            ["registry"],
            registry=registry,
        )
        self._reused = Counter(
            "ferryman_reused_bytes",
            "Bytes of successful copies that the target had already, by source registry.",
            ["registry"],
            registry=registry,
        )
        self._looks = Histogram(
            "ferryman_look_duration_seconds",
            "Duration of a look at an item's source, by outcome.",
            ["outcome"],
            buckets=_LOOK,
            registry=registry,
        )
        self._look_failures = Counter(
            "ferryman_look_failures",
            "Looks at an item's source that failed, by cause.",
            ["cause"],
            registry=registry,
        )
        self._cycles = Histogram(
            "ferryman_cycle_duration_seconds",
            "Duration of a cycle, by outcome.",
            ["outcome"],
            buckets=_CYCLE,
            registry=registry,
        )
        self._requests = Counter(
            "ferryman_requests",
            "HTTP requests to registries, redirects and token requests included; status none: no answer.",
            ["registry", "method", "status"],
            registry=registry,
        )
        self._durations = Histogram(
            "ferryman_request_duration_seconds",
            "Time until the headers of an answer, without the wait for its turn.",
            ["registry"],
            buckets=_REQUEST,
            registry=registry,
        )
        self._retries = Counter(
            "ferryman_request_retries",
            "HTTP requests that failed and were sent again within seconds.",
            ["registry"],
            registry=registry,
        )
        self._pruned = Counter(
            "ferryman_pruned_tags",
            "Tags that the rules no longer wanted, and that were removed from their targets.",
            ["item"],
            registry=registry,
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Show what has not happened yet as 0: Prometheus sees no increase in a series that begins at 1."""
        for outcome in ("done", "failed", "stopped"):
            self._cycles.labels(outcome)
        for outcome in ("looked", "failed", "paused"):
            self._looks.labels(outcome)
        for outcome in ("synced", "failed", "retry"):
            self._copies.labels(outcome)
        self._attempts.labels("synced", cause_of(None))

    def observe(self, event: Event) -> None:
        """Count the event."""
        match event:
            case RequestDone():
                self._request(event)
            case RequestRetried():
                self._retries.labels(self._label(event.registry)).inc()
            case JobEnded():
                self._job(event)
            case ItemLooked():
                self._look(event)
            case CycleEnded():
                self._cycles.labels(event.outcome).observe(event.seconds)
                self._show_pruned_items()
            case TagPruned():
                self._pruned.labels(self._item(event.item)).inc()

    def _request(self, event: RequestDone) -> None:
        registry = self._label(event.registry)
        self._requests.labels(registry, method_of(event.method), status_of(event.status)).inc()
        self._durations.labels(registry).observe(event.seconds)

    def _job(self, event: JobEnded) -> None:
        outcome = _outcome(event)
        self._attempts.labels(outcome, cause_of(event.error_kind)).inc()
        if outcome not in _CUT_SHORT:
            self._copies.labels(outcome).observe(event.seconds)
        if outcome == "synced":
            registry = self._label(event.job.source.partition("/")[0])
            self._moved.labels(registry).inc(event.bytes_moved or 0)
            self._reused.labels(registry).inc(event.bytes_reused or 0)

    def _look(self, event: ItemLooked) -> None:
        self._looks.labels(event.outcome).observe(event.seconds)
        if event.outcome == "failed":
            self._look_failures.labels(cause_of(event.error_kind)).inc()

    def _show_pruned_items(self) -> None:
        """Before anything of them is removed, which a cycle's end comes before."""
        for item in self._configuration().items:
            if item.prune is not None:
                self._pruned.labels(self._item(item.name))

    def _item(self, name: str) -> str:
        self._items.add(self._configuration())
        return self._items.of(name)

    def _label(self, registry: str) -> str:
        self._registries.add(self._configuration())
        return self._registries.of(registry)


def _items_of(configuration: Configuration) -> list[str]:
    return [item.name for item in configuration.items]


def _outcome(event: JobEnded) -> str:
    """The event's own, but that a retry is told apart from an attempt that does not count."""
    if event.outcome != "again":
        return event.outcome
    return "retry" if event.retry_at else "deferred"
