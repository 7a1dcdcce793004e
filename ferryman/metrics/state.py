"""Gauges of the present state: what the database says, the same in every process, and this process's own limits."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import get_args

from prometheus_client.core import GaugeMetricFamily

from ferryman.items.model import Configuration
from ferryman.kinds import DamageKind, Hold
from ferryman.liveness import check_liveness
from ferryman.metrics.labels import by_target, registries_of, shown
from ferryman.registry.limits.host_limits import PresentLimits
from ferryman.settings import Schedule
from ferryman.store.listing import STATUSES
from ferryman.store.measures import DiskMeasures, Measures

_ROLES = ("run", "scheduler", "worker")
_HOLDS: Sequence[Hold] = ("rollback", "changed", "kept")  # without `prune`, which ends by itself
_CYCLES_AHEAD = 8  # of a cron expression: a week of daily ones has its weekend


def of_database(measures: Measures, configuration: Configuration) -> Iterator[GaugeMetricFamily]:
    """What the database says of the items and registries in items.yml."""
    yield from _items(measures, configuration)
    queue = measures.queue
    help_text = "Queued tags: due now, waiting for a time, held by a paused registry, paused by a person, too young."
    lengths = GaugeMetricFamily("ferryman_queue_tags", help_text, labels=["state"])
    for state in ("due", "waiting", "held", "paused", "quarantined"):
        lengths.add_metric([state], getattr(queue, state))
    yield lengths
    latency = max(0.0, (measures.at - queue.oldest_due_at).total_seconds()) if queue.oldest_due_at else 0.0
    yield _gauge("ferryman_queue_latency_seconds", "Age of the oldest due tag: how long it could have run.", latency)
    yield from _paused(measures, configuration)
    last = measures.cycle_at.timestamp() if measures.cycle_at else 0
    help_text = "End of the last cycle in which at least one item could be listed; 0: never."
    yield _gauge("ferryman_last_successful_cycle_timestamp_seconds", help_text, last)
    yield _processes(measures)
    yield from _disk(measures.disk)


def _items(measures: Measures, configuration: Configuration) -> Iterator[GaugeMetricFamily]:
    labels = by_target(configuration.items)
    tags = GaugeMetricFamily("ferryman_tags", "Tags by item and status.", labels=["item", "status"])
    numbers = Counter({(label, status): 0 for label in labels.values() for status in STATUSES})
    for (target, status), number in measures.tags.items():
        if target in labels:  # not of a former item
            numbers[labels[target], status] += number
    for (label, status), number in numbers.items():
        tags.add_metric([label, status], number)
    yield tags
    unread = Counter(dict.fromkeys(labels.values(), 0))
    for target, number in measures.unread.items():
        if target in labels:
            unread[labels[target]] += number
    yield _by("ferryman_unread_tags", "Synced tags that cannot be read upstream now.", "item", unread.items())
    yield _damaged(measures, labels)
    failing = Counter(dict.fromkeys(labels.values(), 0))
    for target in measures.unlisted & labels.keys():
        failing[labels[target]] += 1
    help_text = "Items of this name whose last look at the source failed."
    yield _by("ferryman_failing_lookups", help_text, "item", failing.items())
    frozen = Counter(dict.fromkeys(labels.values(), 0))
    for target in measures.frozen & labels.keys():
        frozen[labels[target]] += 1
    yield _by("ferryman_frozen_items", "Items of this name whose upstream has collapsed.", "item", frozen.items())
    yield _held(measures, labels)


def _damaged(measures: Measures, labels: Mapping[str, str]) -> GaugeMetricFamily:
    numbers = Counter({(label, kind): 0 for label in labels.values() for kind in get_args(DamageKind)})
    for each in measures.damaged:
        if each.target in labels:
            numbers[labels[each.target], each.kind] += each.tags
    help_text = "Mirrored tags that are damaged at the target, by what is wrong, and that nothing repairs."
    family = GaugeMetricFamily("ferryman_damaged_tags", help_text, labels=["item", "finding"])
    for pair, number in numbers.items():
        family.add_metric(pair, number)
    return family


def _held(measures: Measures, labels: Mapping[str, str]) -> GaugeMetricFamily:
    numbers = Counter({(label, hold): 0 for label in labels.values() for hold in _HOLDS})
    for (target, hold), number in measures.held.items():
        if target in labels:
            numbers[labels[target], hold] += number
    help_text = "Mirrored tags that nothing is copied over until a person releases them, by why."
    family = GaugeMetricFamily("ferryman_held_tags", help_text, labels=["item", "hold"])
    for pair, number in numbers.items():
        family.add_metric(pair, number)
    return family


def _paused(measures: Measures, configuration: Configuration) -> Iterator[GaugeMetricFamily]:
    yield _gauge("ferryman_paused", "Whether a person has paused everything (1).", ("all", "") in measures.manual)
    labels = by_target(configuration.items)
    items = Counter(dict.fromkeys(labels.values(), 0))
    for scope, name in measures.manual:
        if scope == "item" and name in labels:
            items[labels[name]] += 1
    yield _by("ferryman_item_paused", "Items of this name that a person has paused.", "item", items.items())
    by_person = {name for scope, name in measures.manual if scope == "registry"}
    causes = (("login", measures.refused), ("rate-limit", measures.limited), ("person", by_person))
    paused = GaugeMetricFamily(
        "ferryman_registry_paused", "Whether a registry is paused (1), and why.", labels=["registry", "cause"]
    )
    for registry in registries_of(configuration):
        for cause, registries in causes:
            paused.add_metric([shown(registry), cause], registry in registries)
    yield paused


def _processes(measures: Measures) -> GaugeMetricFamily:
    alive = Counter(dict.fromkeys(_ROLES, 0))
    alive.update(each.service.role for each in check_liveness(measures.services, now=measures.at) if each.alive)
    return _by("ferryman_processes", "Processes whose heartbeat is fresh, by role.", "role", alive.items())


def _disk(disk: DiskMeasures) -> Iterator[GaugeMetricFamily]:
    yield _gauge("ferryman_database_size_bytes", "Size of the state database.", disk.size)
    if disk.free is not None:
        yield _gauge("ferryman_database_disk_free_bytes", "Free space on the disk of SQLite's file.", disk.free)


def of_limits(
    limits: Sequence[PresentLimits], configuration: Configuration, *, now: datetime
) -> Iterator[GaugeMetricFamily]:
    """What this process may ask of each registry at present."""
    named = registries_of(configuration)
    known = [(shown(each.host), each) for each in limits if each.host in named]
    slots = GaugeMetricFamily(
        "ferryman_concurrency_limit",
        "Requests and copies that a registry gets at once, as its answers have set it; of this process.",
        labels=["registry", "kind"],
    )
    for label, each in known:
        for kind, size in (("requests", each.requests), ("copies", each.copies)):
            if size is not None:
                slots.add_metric([label, kind], size)
    yield slots
    quotas = [(label, each.quota) for label, each in known if each.quota]
    # Once a window has passed since the last answer, all pulls are there again, and nothing is known.
    current = [(label, quota) for label, quota in quotas if quota.window is None or now - quota.seen_at < quota.window]
    remaining = ((label, quota.remaining) for label, quota in current)
    yield _by("ferryman_pull_quota_remaining", "Pulls left, as the registry last said.", "registry", remaining)
    most = ((label, quota.limit) for label, quota in current)
    yield _by("ferryman_pull_quota_limit", "Pulls that the registry allows in its window.", "registry", most)


def of_schedule(schedule: Schedule, *, now: datetime) -> GaugeMetricFamily:
    """FERRYMAN_INTERVAL in seconds."""
    help_text = "Time between two cycles; of a cron expression, the longest of the next ones."
    return _gauge("ferryman_cycle_interval_seconds", help_text, _longest_interval(schedule, now).total_seconds())


def _longest_interval(schedule: Schedule, now: datetime) -> timedelta:
    moments = [schedule.next_after(now)]
    for _ in range(_CYCLES_AHEAD if schedule.is_cron else 1):
        moments.append(schedule.next_after(moments[-1]))
    return max(later - earlier for earlier, later in pairwise(moments))


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=value)


def _by(name: str, help_text: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    """A gauge with one label."""
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family
