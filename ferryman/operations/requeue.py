"""Queue tags again, in a new round of attempts."""

from collections.abc import Collection
from dataclasses import dataclass

from ferryman.operations.look import request_probes
from ferryman.operations.subjects import items_in_words, tag_in_words
from ferryman.record import Record
from ferryman.store.database.tables import TagCondition
from ferryman.store.records import Intent


@dataclass(frozen=True, slots=True)
class Requeued:
    """The result of a requeue, in tags."""

    queued: int
    unreadable: int  # failed and without a digest: only another look at upstream can retry them
    paused: int  # of these items in all, that wait because a person has paused them
    frozen: frozenset[str] = frozenset()  # the targets of those items that are frozen: nothing of them is copied
    held: int = 0  # of a tag that was named: left alone, for it was put back, or has changed upstream, and is held


async def requeue_tags(
    record: Record,
    targets: Collection[str],
    *,
    tag: str | None = None,
    only_failed: bool = False,
    among: TagCondition | None = None,
    lifting: Collection[str] | None = None,
    detail: str | None = None,
    actor: str,
) -> Requeued:
    """Queue the tags of these items again: all that the rules want, only the failed ones, or one tag of theirs.

    `among`: only those that meet this condition, and `detail` says it in the audit log. Also ends the pauses of the
    registries that hold these tags back (`lifting`: only of these), but no person's pause. Upstream is asked for them
    at once, if a scheduler is alive: they may have moved, or can be read now. Raises StoreError.
    """
    subject = items_in_words(targets) if tag is None else tag_in_words(targets, tag)
    intent = Intent(actor, "requeue", subject, detail or ("only what failed" if only_failed else None))
    items = await record.queue.items_to_requeue(targets=targets, tag=tag, failed=only_failed, among=among)
    queued = await record.queue.requeue(
        targets=targets, tag=tag, failed=only_failed, among=among, lifting=lifting, intent=intent
    )
    await request_probes(record, items, actor=actor)
    left = await record.queue.outstanding(targets)
    held = 0 if tag is None else await record.ledger.count_held(targets, tag)
    frozen = frozenset(await record.freezes.frozen(targets))
    return Requeued(queued, await record.ledger.count_unreadable(targets, tag), left.paused, frozen, held)


async def count_requeue(
    record: Record,
    targets: Collection[str],
    *,
    tag: str | None = None,
    only_failed: bool = False,
    among: TagCondition | None = None,
    lifting: Collection[str] | None = None,
) -> int:
    """How many tags `requeue_tags` would queue now. Raises StoreError."""
    return await record.queue.count_requeue(targets=targets, tag=tag, failed=only_failed, among=among, lifting=lifting)
