"""The observer that writes the log: one line for each end of a job, an item's look, a cycle, or a registry's pause."""

from ferryman import log
from ferryman.events import (
    CycleEnded,
    Event,
    ItemLooked,
    JobEnded,
    RegistryPaused,
    RegistryResumed,
    TagPruned,
    WorkPaused,
    WorkResumed,
)
from ferryman.registry_waits import wait_message

_RESUMED = {
    "login-accepted": "the login is accepted again: registry resumed",
    "login-retried": "registry resumed, to try it again",
    "check": "registry resumed",
    "credentials-changed": "credentials changed: registry resumed",
}


def write(event: Event) -> None:
    """Log what people and alerts look for. A job's own lines get its item and tag from the context that it runs in."""
    match event:
        case JobEnded():
            _job_ended(event)
        case ItemLooked():
            _item_looked(event)
        case CycleEnded(outcome="done", again=False):
            log.get().info(
                "cycle_ended",
                message="cycle done",
                enqueued=event.enqueued,
                items_failed=event.items_failed,
                items_paused=event.items_paused,
            )
        case RegistryPaused():
            _registry_paused(event)
        case WorkPaused():
            log.get().warning(
                "work_paused", message="paused by a person", **_paused(event), actor=event.actor, note=event.note
            )
        case TagPruned():
            log.get().info(
                "tag_pruned", message="removed from the target: the rules no longer want it", item=event.item,
                target=event.target, tag=event.tag, digest=event.digest, reason=event.reason, actor=event.actor,
            )  # fmt: skip
        case WorkResumed():
            log.get().info("work_resumed", message="resumed by a person", **_paused(event))
        case RegistryResumed():
            log.get().info("registry_resumed", message=_RESUMED[event.cause], registry=event.registry, tags=event.tags)


def _paused(event: WorkPaused | WorkResumed) -> dict[str, str]:
    return {"scope": event.scope} if event.scope == "all" else {"scope": event.scope, "name": event.name}


def _job_ended(event: JobEnded) -> None:
    match event.outcome:
        case "synced":
            log.get().info(
                "tag_synced",
                message="synced",
                digest=event.digest,
                moved=event.bytes_moved,
                reused=event.bytes_reused,
                seconds=round(event.seconds, 1),
            )
            if event.degraded:
                log.get().warning("tag_degraded", message="copied, but not all of it", left_out=event.degraded)
        case "skipped":
            log.get().info("tag_skipped", message="skipped", reason=event.error)
        case "failed" if event.traceback:
            log.get().error("tag_failed", message="failed by a defect in Ferryman", exception=event.traceback)
        case "failed":
            log.get().error("tag_failed", message="failed", kind=event.error_kind, error=event.error)
        case "again" if event.retry_at:
            at = event.retry_at.isoformat()
            log.get().warning(
                "tag_retry_scheduled", message="will be tried again", at=at, kind=event.error_kind, error=event.error
            )
        case "stopped":
            _job_stopped(event)


def _job_stopped(event: JobEnded) -> None:
    if event.error_kind == "unrecorded":
        log.get().error(
            "result_not_recorded", message="cannot record the result: the tag will be copied again", error=event.error
        )
    elif event.error_kind == "cancelled":
        log.get().warning("copy_cancelled", message=str(event.error))
    elif event.error_kind == "lease-lost":
        log.get().warning("lease_lost", message=str(event.error))
    else:
        log.get().info("tag_handed_back", message="queued again without a result")


def _item_looked(event: ItemLooked) -> None:
    if event.outcome == "looked":
        log.get().info(
            "item_listed",
            message="looked",
            tags=event.tags,
            enqueued=event.enqueued,
            withdrawn=event.withdrawn,
            gone=event.gone,
            complete=event.complete,
        )
    elif event.traceback:
        log.get().error(
            "item_failed", message="cannot look at the source: a defect in Ferryman", exception=event.traceback
        )
    elif event.outcome == "failed":
        log.get().error(
            "item_failed",
            message="cannot look at the source",
            source=event.source,
            kind=event.error_kind,
            error=event.error,
        )


def _registry_paused(event: RegistryPaused) -> None:
    if event.until is None:
        message = "registry paused: its login is tried again in later cycles, or change it, or `ferryman requeue`"
        log.get().error("registry_paused", message=message, registry=event.registry, error=event.error)
    else:
        waiting = wait_message(event.registry, event.tags or 0, event.until)
        log.get().warning(
            "registry_rate_limited",
            message=waiting,
            registry=event.registry,
            until=event.until.isoformat(),
            error=event.error,
        )
