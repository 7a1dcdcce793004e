"""The JSON documents that `--json` prints. Their keys are stable, and documented in docs/json.md."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from ferryman.inspection import Finding
from ferryman.planner import Decision
from ferryman.scheduler import ItemLookup
from ferryman.store.records import Attempt, TagRecord


def tag_document(record: TagRecord, attempts: Sequence[Attempt] | None = None) -> dict[str, Any]:
    """One object of `status --json`; with its attempts, if the tag was named."""
    log = {} if attempts is None else {"attempt_log": [_attempt_document(each) for each in attempts]}
    return {
        "item": record.item,
        "source": record.source,
        "target": record.target,
        "tag": record.tag,
        "status": record.status,
        "attempts": record.attempts,
        "source_digest": record.source_digest,
        "target_digest": record.target_digest,
        "pushed_at": iso(record.pushed_at),
        "synced_at": iso(record.synced_at),
        "error": record.error,
        "error_kind": record.error_kind,
        "reason": record.reason,
        "mirrored_digest": record.mirrored_digest,
        "identical": record.identical,
        "degraded": record.degraded,
        "first_seen_at": iso(record.first_seen_at),
        "last_seen_at": iso(record.last_seen_at),
        "gone_at": iso(record.gone_at),
        "next_attempt_at": iso(record.run_at) if record.status == "queued" else None,
    } | log


def _attempt_document(attempt: Attempt) -> dict[str, Any]:
    return {
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "outcome": attempt.outcome,
        "source_digest": attempt.digest,
        "bytes_moved": attempt.bytes_moved,
        "bytes_reused": attempt.bytes_reused,
        "error": attempt.error,
        "error_kind": attempt.error_kind,
    }


def plan_documents(looked: Iterable[ItemLookup]) -> list[dict[str, Any]]:
    """The objects of `plan --json`."""
    return [
        {
            "item": each.item.name,
            "source": str(each.item.source),
            "target": str(each.item.target),
            **_decision_document(decision),
        }
        for each in looked
        for decision in each.decisions
    ]


def _decision_document(decision: Decision) -> dict[str, Any]:
    return {
        "tag": decision.tag,
        "action": decision.action,
        "reason": decision.reason,
        "detail": decision.detail,
        "source_digest": decision.digest,
        "pushed_at": iso(decision.pushed_at),
        "pinned": decision.pinned,
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One object of `check --json`. `told` is the former name of `message`: remove it in 1.2."""
    return {"what": finding.what, "works": finding.works, "message": finding.message, "told": finding.message}


def iso(moment: datetime | None) -> str | None:
    """ISO 8601, UTC, to the second: `2026-01-31T06:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
