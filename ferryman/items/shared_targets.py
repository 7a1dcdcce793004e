"""Checks that no two items share a target, and recognizes a prefix that lacks its final slash."""

from collections.abc import Iterable

from ferryman.items.forms import RawItem
from ferryman.items.model import Item
from ferryman.items.problems import Problems
from ferryman.reference import Repository


def check_targets(items: Iterable[tuple[Item, RawItem]], problems: Problems) -> None:
    """Report every item that writes to another one's target; one missing slash is reported only once."""
    sharing: dict[Repository, list[tuple[Item, RawItem]]] = {}
    for item, raw in items:
        sharing.setdefault(item.target, []).append((item, raw))
    for target, several in sharing.items():
        if len(several) > 1 and _lost_its_slash(target, several):
            problems.add(
                several[0][1].place,
                f"target: {len(several)} items would write to {target}: did you mean `{target}/`, with a slash "
                "at the end, to which each image's name is added?",
            )
        else:
            _report_each(target, several, problems)


def _lost_its_slash(target: Repository, several: Iterable[tuple[Item, RawItem]]) -> bool:
    """Whether the target is a prefix without its slash: it is written out, and ends in no item's image name."""
    return all(raw.image is None and item.source.image != target.image for item, raw in several)


def _report_each(target: Repository, several: list[tuple[Item, RawItem]], problems: Problems) -> None:
    (first, first_raw), *others = several
    for item, raw in others:
        problems.add(
            raw.place,
            f"{item.name} would write to {target}, as {first.name} in line {first_raw.place.line} does: "
            "expected a target of its own",
        )
