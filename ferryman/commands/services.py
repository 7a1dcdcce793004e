"""The processes that run on the database, and how they are doing."""

from ferryman.application import Record
from ferryman.clock import SystemClock
from ferryman.liveness import Liveness, judge
from ferryman.store.queue.lease_owners import host_of
from ferryman.store.services import Service


async def judged_services(record: Record) -> list[Liveness]:
    """Every process, dead or alive."""
    locks = record.locks()
    return judge(await record.services.list(), now=SystemClock().now(), dead=locks.free, existing=locks.held)


def role_and_host(service: Service) -> str:
    """A process as people read it."""
    return f"{service.role} on {host_of(service.owner)}"
