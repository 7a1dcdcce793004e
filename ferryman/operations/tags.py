"""Read the tags that a user asks for: of whole items, or by name."""

from collections.abc import AsyncIterator, Collection, Sequence

from ferryman import planner
from ferryman.application import Record
from ferryman.store.records import TagRecord


def shown_tags(
    record: Record, targets: Collection[str], *, failed: bool = False, everything: bool = False
) -> AsyncIterator[TagRecord]:
    """The tags of these items, in reading order; those that the rules exclude only with `everything`.

    `failed`: only tags that failed, or were mirrored before and cannot be read now.
    """
    return record.ledger.tags(
        targets=targets,
        failed=failed,
        excluded_reasons=() if everything else planner.BY_RULE,
    )


async def named_tags(record: Record, wanted: Sequence[tuple[set[str], str | None]]) -> list[TagRecord]:
    """The tags that were named as ITEM:TAG, each once, also those that the rules exclude.

    `wanted`: results of `item_names.target_and_tag`; whole items among them are left out.
    """
    found: dict[int, TagRecord] = {}
    for target, tag in [(target, tag) for targets, tag in wanted if tag for target in sorted(targets)]:
        if one := await record.ledger.tag(target, tag):
            found[one.id] = one
    return list(found.values())
