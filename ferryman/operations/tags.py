"""Read the tags that a user asks for: of whole items, or by name."""

from collections.abc import AsyncIterator, Collection, Sequence

from ferryman import planner
from ferryman.errors import ConfigurationError, Problem
from ferryman.record import Record
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


async def recorded_tags(record: Record, targets: Collection[str], tag: str, *, item: str) -> list[TagRecord]:
    """This tag of these targets. `item`: how they were named. Raises ConfigurationError if none has it."""
    if found := await named_tags(record, [(set(targets), tag)]):
        return found
    raise ConfigurationError([Problem(f"{item} has no tag {tag!r} on record; see `ferryman status {item}`")])


async def named_tags(record: Record, wanted: Sequence[tuple[set[str], str | None]]) -> list[TagRecord]:
    """The tags that were named as ITEM:TAG, each once, also those that the rules exclude.

    `wanted`: results of `item_names.target_and_tag`; whole items among them are left out.
    """
    found: dict[int, TagRecord] = {}
    for target, tag in [(target, tag) for targets, tag in wanted if tag for target in sorted(targets)]:
        if one := await record.ledger.tag(target, tag):
            found[one.id] = one
    return list(found.values())
