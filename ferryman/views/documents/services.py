"""The processes that run on a database, and what they copy just now."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from ferryman.liveness import Liveness
from ferryman.store.queue.lease_owners import host_of
from ferryman.views.documents.base import Document, Time


class ServiceDocument(Document):
    """One process."""

    owner: str = Field(description="Its own name.")
    host: str = Field(description="Where it runs; in a container: the container's id.")
    role: str = Field(description="`run`, `scheduler` or `worker`.", examples=["run"])
    version: str | None = Field(description="Of Ferryman.")
    alive: bool = Field(description="Whether it has sent a heartbeat in the last minute.")
    problem: str | None = Field(description="What is wrong with it, in a sentence.")
    started_at: Time = Field(description="When it started.")
    heartbeat_at: Time = Field(description="Its last heartbeat.")
    cycle_began_at: Time | None = Field(description="When the cycle that runs began.")
    cycle_ended_at: Time | None = Field(description="When its last cycle ended.")
    next_cycle_at: Time | None = Field(description="When its next cycle begins.")

    @classmethod
    def of(cls, liveness: Liveness) -> Self:
        """The document of a process."""
        service = liveness.service
        return cls(
            owner=service.owner, host=host_of(service.owner), role=service.role, version=service.version,
            alive=liveness.alive, problem=liveness.problem,
            started_at=service.started_at, heartbeat_at=service.beat_at,
            cycle_began_at=service.cycle_began_at, cycle_ended_at=service.cycle_ended_at,
            next_cycle_at=service.next_cycle_at,
        )  # fmt: skip


class RunningDocument(Document):
    """A copy that runs, as its process said in its last heartbeat."""

    owner: str = Field(description="The process that copies it.")
    item: str = Field(description="The item's name.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    attempt: int = Field(description="1 is the first of the present round.")
    doing: str = Field(description="`pull`, `push` or `copy`; empty: nothing was reported yet.")
    fraction: float = Field(description="How much is done, from 0 to 1.")
    bytes_moved: int = Field(description="Bytes that were transferred so far.")
    bytes_per_second: float = Field(description="The rate of the last seconds.")
    seconds: float = Field(description="Since it began.")
    seconds_left: float | None = Field(description="An estimate; null: too early to tell.")

    @classmethod
    def of(cls, owner: str, job: Mapping[str, Any]) -> Self:
        """`job`: a running job in the details of a heartbeat."""
        return cls(
            owner=owner, item=job["item"], target=job["target"], tag=job["tag"], attempt=job["attempt"],
            doing=job["doing"], fraction=job["fraction"], bytes_moved=job["moved"], bytes_per_second=job["rate"],
            seconds=job["seconds"], seconds_left=job["left"],
        )  # fmt: skip
