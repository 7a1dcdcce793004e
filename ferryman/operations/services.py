"""The liveness of the processes that run on the database."""

from ferryman.clock import SystemClock
from ferryman.liveness import Liveness, check_liveness
from ferryman.record import Record
from ferryman.store.queue.lease_owners import host_of
from ferryman.store.services import Service


async def services_liveness(record: Record) -> list[Liveness]:
    """The liveness of every process that is not known to be dead."""
    locks = record.locks()
    return check_liveness(await record.services.list(), now=SystemClock().now(), dead=locks.free, existing=locks.held)


def role_and_host(service: Service) -> str:
    """The name of a process for people."""
    return f"{service.role} on {host_of(service.owner)}"
