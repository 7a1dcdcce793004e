"""One run of one contestant, as it is recorded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """What a run cost and did."""

    case: str
    contestant: str
    round: int
    problem: str | None  # why it does not count: it failed, took too long, or the mirror is wrong
    wall: float = 0.0  # seconds
    cpu: float = 0.0  # seconds of the contestant, user and system
    rss: int = 0  # bytes
    served: float = 0.0  # seconds of CPU of the registries and proxies
    others: float = 0.0  # cores that neither the contestant nor the registries and proxies took, on average
    source_requests: int = 0
    target_requests: int = 0
    uploaded: int = 0  # bytes of blobs
    repeated: int = 0  # uploads of a blob that had been uploaded before in this run

    def __str__(self) -> str:
        if self.problem is not None:
            return f"{self.case} #{self.round + 1} {self.contestant}: {self.problem}"
        return (
            f"{self.case} #{self.round + 1} {self.contestant}: {self.wall:.2f} s, CPU {self.cpu:.2f} s, "
            f"{self.source_requests} + {self.target_requests} requests; others {self.others:.1f} cores"
        )
