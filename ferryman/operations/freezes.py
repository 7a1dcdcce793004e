"""Frozen items: what only their targets have any more, and accepting what upstream has now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ferryman.operations.look import request_look
from ferryman.record import Record
from ferryman.store.records import Freeze, Intent, LostTag

MOST_NAMED = 20  # lost tags of an item, in a text


@dataclass(frozen=True, slots=True)
class FrozenItem:
    """A frozen item, and the first of the tags that only its target has as they were."""

    freeze: Freeze
    lost: Sequence[LostTag]
    more: bool  # there are further ones


async def frozen_items(record: Record, targets: Collection[str] | None = None) -> list[FrozenItem]:
    """The frozen ones of these items (None: of all), by name. Raises StoreError."""
    found = []
    for target, freeze in (await record.freezes.frozen(targets)).items():
        lost = await record.freezes.lost(target, most=MOST_NAMED + 1)
        found.append(FrozenItem(freeze, lost[:MOST_NAMED], len(lost) > MOST_NAMED))
    return found


async def release_item(record: Record, target: str, *, actor: str) -> bool:
    """Accept what upstream of a frozen item has now, and have it looked at. False: it is not frozen.

    Without a scheduler that is alive, the next cycle looks. Raises StoreError.
    """
    if not await record.freezes.release(target, intent=Intent(actor, "release", target)):
        return False
    await request_look(record, [target], actor=actor)
    return True


def freeze_in_words(frozen: FrozenItem) -> str:
    """Since when it is frozen, why, and what only the target has."""
    freeze = frozen.freeze
    names = ", ".join(each.tag for each in frozen.lost) + (", …" if frozen.more else "")
    return (
        f"{freeze.item} is frozen since {freeze.since:%Y-%m-%d %H:%M} UTC: {freeze.detail}; only {freeze.target} has, "
        f"as they were: {names}: `ferryman release {freeze.item}` accepts what upstream has now"
    )
