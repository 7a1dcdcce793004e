"""The record: reading what is known of every tag, and the old history as an exported view."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ferryman.store.records import Attempt, ItemKey, Status, TagRecord, Walk


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One (tag, digest) pair that was once mirrored: a line of the old files. `digest` may be the word Unknown."""

    tag: str
    digest: str
    pushed_at: datetime | None


class Ledger:
    def __init__(self, database: "Database") -> None: ...

    async def known(self, target: str) -> dict[str, TagRecord]:
        """Every tag of one item, by name."""

    async def walk(self, target: str) -> Walk | None: ...

    async def tags(self, *, targets: Collection[str] | None = None, statuses: Collection[Status] | None = None) -> list[TagRecord]:
        """For `status`, in the order item, newest first. targets None: all."""

    async def tag(self, target: str, tag: str) -> TagRecord | None: ...

    async def attempts(self, tag_id: int) -> list[Attempt]: ...

    async def forget_attempts(self, before: datetime) -> int: ...

    async def history(self) -> list[tuple[str, HistoryLine]]:
        """Every line with its source repository; sorted: source, pushed_at newest first (unknown last), then as first recorded."""

    async def import_history(self, item: ItemKey, lines: Sequence[HistoryLine], *, now: datetime) -> int:
        """Take over one file: its tags count as synced unless more is known already. Idempotent. The number of tags that are new."""
