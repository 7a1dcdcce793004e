"""Watches one run from outside: the registries' requests, and what else the machine was busy with."""

import time
from collections.abc import Callable, Iterable, Mapping

from benchmarks.access_log import AccessLog, uploaded
from benchmarks.measured import Measured
from benchmarks.processes import busy, cpu
from benchmarks.result import Result
from tests.support.processes import RegistryServer


class Observer:
    """Observes from its creation on."""

    def __init__(self, source: RegistryServer, target: RegistryServer, proxies: Iterable[int]) -> None:
        """`proxies`: process ids."""
        self._logs = AccessLog(source), AccessLog(target)
        self._servers = [source.pid, target.pid, *proxies]
        self._before = self._taken()

    def result(self, make: Callable[..., Result], cost: Measured, blobs: Mapping[str, int]) -> Result:
        """`make`: a Result without what is known now. `blobs`: the case's, with their sizes."""
        now, served, all_busy = self._taken()
        began, served_before, busy_before = self._before
        served -= served_before
        others = (all_busy - busy_before) - served - cost.cpu
        asked, sent = (log.observe() for log in self._logs)
        uploads = uploaded(sent)
        return make(
            wall=cost.wall, cpu=cost.cpu, rss=cost.rss, served=served, others=max(0.0, others / (now - began)),
            source_requests=len(asked), target_requests=len(sent),
            uploaded=sum(blobs.get(digest, 0) * times for digest, times in uploads.items()),
            repeated=uploads.total() - len(uploads),
        )  # fmt: skip

    def _taken(self) -> tuple[float, float, float]:
        return time.monotonic(), sum(map(cpu, self._servers)), busy()
