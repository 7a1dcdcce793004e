"""The processes that run on a database."""

from typing import Self

from pydantic import Field

from ferryman.liveness import Liveness
from ferryman.store.queue.lease_owners import host_of
from ferryman.views.documents.base import Document, Time
from ferryman.views.process_details import ProcessDetails


class ServiceDocument(Document):
    """One process."""

    owner: str = Field(description="Its own name.")
    host: str = Field(description="Where it runs; in a container: the container's id.")
    role: str = Field(description="`run`, `scheduler` or `worker`.", examples=["run"])
    version: str | None = Field(description="Of Ferryman.")
    alive: bool = Field(description="Whether it has sent a heartbeat in the last minute.")
    copies: int | None = Field(description="Copies that run in it; null: it copies nothing.")
    copies_limit: int | None = Field(description="Copies at once that it allows itself now; null: it copies nothing.")
    problem: str | None = Field(description="What is wrong with it, in a sentence.")
    started_at: Time = Field(description="When it started.")
    heartbeat_at: Time = Field(description="Its last heartbeat.")
    cycle_began_at: Time | None = Field(description="When the cycle that runs began.")
    cycle_ended_at: Time | None = Field(description="When its last cycle ended.")
    next_cycle_at: Time | None = Field(description="When its next cycle begins.")

    @classmethod
    def of(cls, liveness: Liveness, details: ProcessDetails | None) -> Self:
        """The document of a process. `details`: what it does now; None: it is dead."""
        service, limit = liveness.service, details.copies_limit if details else None
        return cls(
            owner=service.owner, host=host_of(service.owner), role=service.role, version=service.version,
            alive=liveness.alive, problem=liveness.problem,
            copies=None if details is None or limit is None else len(details.jobs), copies_limit=limit,
            started_at=service.started_at, heartbeat_at=service.beat_at,
            cycle_began_at=service.cycle_began_at, cycle_ended_at=service.cycle_ended_at,
            next_cycle_at=service.next_cycle_at,
        )  # fmt: skip
