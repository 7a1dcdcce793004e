"""What each living process does now: this one as it is, the others as they said in their last heartbeats."""

from collections.abc import Iterable, Mapping

from ferryman.liveness import Liveness
from ferryman.operations.waiting import Supplies
from ferryman.registry.limits.quota import Quota
from ferryman.views import process_details
from ferryman.views.process_details import ProcessDetails
from ferryman.web.context import Context


def running_processes(here: Context, services: Iterable[Liveness]) -> Mapping[str, ProcessDetails]:
    """The details of this process, and of those among the services that live, by owner."""
    app = here.application
    own = process_details.present(here.running, app.registry.present_limits(), app.copies_limit)
    others = [each.service for each in services if each.alive and each.service.owner != app.owner.name]
    return {app.owner.name: own, **{each.owner: process_details.read(each.details) for each in others}}


def supplies_of(here: Context, services: Iterable[Liveness]) -> Supplies:
    """The pulls and the bandwidth that tags wait for."""
    configuration = here.application.configuration
    each = {host: entry.bandwidth for host, entry in configuration.registries.items()}
    return Supplies(_quotas(running_processes(here, services)), configuration.bandwidth, each)


def _quotas(processes: Mapping[str, ProcessDetails]) -> Mapping[str, Quota]:
    """What any of them knows of the registries' pulls: the last that was seen, by host."""
    found: dict[str, Quota] = {}
    for limits in (limits for each in processes.values() for limits in each.limits):
        quota, known = limits.quota, found.get(limits.host)
        if quota is not None and (known is None or known.seen_at < quota.seen_at):
            found[limits.host] = quota
    return found
