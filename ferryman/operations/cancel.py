"""Cancel a copy that runs."""

from ferryman.record import Record
from ferryman.store.records import Intent


async def cancel_copy(record: Record, target: str, tag: str, *, actor: str) -> bool:
    """Stop the copy of this tag, in whichever process it runs: here at once, elsewhere within a third of a lease.

    The tag is `failed` until the next look, or a requeue. False: it does not run. Raises StoreError.
    """
    return await record.queue.cancel(target, tag, intent=Intent(actor, "cancel", f"{target}:{tag}"))
