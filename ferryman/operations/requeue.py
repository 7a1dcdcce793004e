"""Queue tags again, in a new round of attempts."""

from collections.abc import Collection
from dataclasses import dataclass

from ferryman.application import Record


@dataclass(frozen=True, slots=True)
class Requeued:
    """The result of a requeue, in tags."""

    queued: int
    unreadable: int  # failed and without a digest: only another look at upstream can retry them


async def requeue_tags(
    record: Record, targets: Collection[str], *, tag: str | None = None, only_failed: bool = False
) -> Requeued:
    """Queue the tags of these items again: all that the rules want, only the failed ones, or one tag of theirs.

    Also ends the pauses of the registries that hold these tags back. Raises StoreError.
    """
    queued = await record.queue.requeue(targets=targets, tag=tag, failed=only_failed)
    return Requeued(queued, await record.ledger.count_unreadable(targets, tag))
