"""Results of jobs, recorded under their leases, in one transaction.

Nothing here awaits: it runs where the database does (`Database.write_at_once`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, delete

from ferryman.reference import DOCKER_HUB
from ferryman.store.database.tables import attempts, digests, findings, history
from ferryman.store.database.upserts import insert_missing
from ferryman.store.queue.looks import count_ends
from ferryman.store.queue.statements import Values
from ferryman.store.records import Job, Outcome

_ATTEMPTS, _DIGESTS = attempts.insert(), digests.insert()
_REPAIRED = delete(findings).where(findings.c.tag_id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a job, to be recorded."""

    job: Job
    statement: Update
    parameters: Values  # of the statement, in addition to those that `_write_back` gives
    outcome: Outcome
    started_at: datetime | None = None  # None: when it was claimed
    bytes_moved: int = 0
    bytes_reused: int = 0
    error: str | None = None
    error_kind: str | None = None
    error_registry: str | None = None


def record(connection: Connection, results: Sequence[Result], now: datetime) -> list[bool]:
    """End the jobs whose leases are still held. False: lease lost, nothing was written."""
    rows = [_write_back(connection, result, now) for result in results]
    ended = [(result, row) for result, row in zip(results, rows, strict=True) if row is not None]
    if ended:
        connection.execute(_ATTEMPTS, [_attempt(result, row, now) for result, row in ended])
    if copied := [(result, row) for result, row in ended if result.outcome == "synced"]:
        lines = [_history_line(result.job, row) for result, row in copied]
        connection.execute(insert_missing(connection.dialect.name, history), lines)
        connection.execute(_DIGESTS, [_written_digest(result, now) for result, _ in copied])
        connection.execute(_REPAIRED, {"ids": [result.job.id for result, _ in copied]})
    count_ends(
        connection,
        copied=[result.job.target for result, row in ended if result.outcome == "synced"],
        failed=[result.job.target for result, row in ended if row.status == "failed"],
    )
    return [row is not None for row in rows]


def _write_back(connection: Connection, result: Result, now: datetime) -> Row[Any] | None:
    """End a job under its lease. None: lease lost, nothing was written."""
    job = result.job
    lease = {
        "tag_id": job.id,
        "expected_token": job.token,
        "copied_digest": job.digest,
        "copied_platforms": job.platforms,
        "outcome": result.outcome,
    }
    return connection.execute(result.statement, {**lease, "now": now, **result.parameters}).one_or_none()


def _attempt(result: Result, row: Row[Any], now: datetime) -> dict[str, Any]:
    return {
        "tag_id": result.job.id, "started_at": min(result.started_at or row.claimed_at, now), "finished_at": now,
        "outcome": result.outcome, "digest": result.job.digest,
        "bytes_moved": result.bytes_moved, "bytes_reused": result.bytes_reused,
        "error": result.error, "error_kind": result.error_kind, "error_registry": result.error_registry,
        "target": result.job.target,
    }  # fmt: skip


def _written_digest(result: Result, now: datetime) -> dict[str, Any]:
    job = result.job
    return {
        "tag_id": job.id, "side": "target", "digest": result.parameters["new_target_digest"], "at": now,
        "copy_of": job.digest, "platforms": job.platforms,
    }  # fmt: skip


def _history_line(job: Job, row: Row[Any]) -> dict[str, Any]:
    """The line of the old history files. For Docker Hub they name the linux/amd64 image, not the index."""
    if row.source_digest != job.digest:  # the row describes the next digest already
        return {"tag_id": job.id, "digest": job.digest, "pushed_at": None}
    of_platforms = row.platform_digests or {}
    digest = of_platforms.get("linux/amd64") if job.source.startswith(f"{DOCKER_HUB}/") else None
    return {"tag_id": job.id, "digest": digest or job.digest, "pushed_at": row.pushed_at}
