"""Resolve the argument ITEM:TAG of commands that are about one tag."""

from ferryman.errors import ConfigurationError, Problem
from ferryman.item_names import target_and_tag
from ferryman.operations.known_items import KnownItems


def targets_and_tag(known: KnownItems, what: str, *, with_former: bool = False) -> tuple[list[str], str]:
    """The targets of the items that are named, and the tag. Raises ConfigurationError.

    `with_former`: former items can be named, too.
    """
    items = [*known.current, *known.former] if with_former else known.current
    targets, tag = target_and_tag(items, what, former=known.former)
    if tag is None:
        raise ConfigurationError([Problem(f"{what!r} names no tag: expected ITEM:TAG")])
    return sorted(targets), tag
