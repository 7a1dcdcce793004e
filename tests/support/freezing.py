"""A frozen item, as a look that has found a collapse would leave it."""

from datetime import datetime

from ferryman.kinds import FreezeReason
from ferryman.store.ledger import Ledger
from ferryman.store.records import Collapse, ItemKey


async def freeze(
    ledger: Ledger,
    item: ItemKey,
    *lost: str,
    now: datetime,
    reason: FreezeReason = "vanished",
    found: str | None = None,
) -> None:
    """Freeze the item: upstream does not have these mirrored tags as they were."""
    detail = f"upstream has 0 of the {len(lost)} wanted tags left"
    collapse = Collapse(reason, wanted=len(lost), left=0, lost=dict.fromkeys(lost, found), detail=detail)
    await ledger.note_lookup_failure(
        item, f"{item.source} has collapsed: {detail}", now=now, kind="frozen", collapse=collapse, looked_at=now
    )
