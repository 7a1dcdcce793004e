"""What fails, grouped by cause."""

from collections.abc import Collection
from dataclasses import dataclass

from ferryman.record import Record
from ferryman.store.queries.causes import Cause, Example, LookupCause, lookup_causes, read_causes, read_examples

_EXAMPLES = 5  # of a cause


@dataclass(frozen=True, slots=True)
class FailingTags:
    """A cause, and some of its tags."""

    cause: Cause
    examples: tuple[Example, ...]  # those that failed last


@dataclass(frozen=True, slots=True)
class Failures:
    """All that fails."""

    tags: tuple[FailingTags, ...]  # the newest cause first
    lookups: tuple[LookupCause, ...]  # the newest cause first


async def read_failures(record: Record, targets: Collection[str]) -> Failures:
    """What fails of these items. Raises StoreError."""
    async with record.database.read() as connection:
        tags = [
            FailingTags(cause, tuple(await read_examples(connection, cause, most=_EXAMPLES)))
            for cause in await read_causes(connection, targets)
        ]
    failed = [each for each in await record.ledger.lookup_failures() if each.target in targets]
    return Failures(tuple(tags), tuple(lookup_causes(failed)))
