"""What each living process does now: this one as it is, the others as they said in their last heartbeats."""

from collections.abc import Iterable

from ferryman.liveness import Liveness
from ferryman.views import process_details
from ferryman.views.process_details import ProcessDetails
from ferryman.web.context import Context


def running_processes(here: Context, services: Iterable[Liveness]) -> list[ProcessDetails]:
    """The details of this process, and of those among the services that live."""
    others = [each.service for each in services if each.alive and each.service.owner != here.application.owner.name]
    own = process_details.present(here.running, here.application.registry.present_limits())
    return [own, *(process_details.read(each.details) for each in others)]
