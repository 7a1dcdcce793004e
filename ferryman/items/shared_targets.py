"""No two items may write one repository; a prefix that has lost its final slash makes all of them do so."""

from collections.abc import Iterable

from ferryman.items.forms import RawItem
from ferryman.items.model import Item
from ferryman.items.problems import Problems
from ferryman.reference import Repository


def check_targets(made: Iterable[tuple[Item, RawItem]], problems: Problems) -> None:
    """Tell every item that writes to the target of another one; many with one mistake are told once."""
    sharing: dict[Repository, list[tuple[Item, RawItem]]] = {}
    for item, raw in made:
        sharing.setdefault(item.target, []).append((item, raw))
    for target, several in sharing.items():
        if len(several) > 1 and _lost_its_slash(target, several):
            problems.add(
                several[0][1].place,
                f"target: {len(several)} items would write to {target}: did you mean `{target}/`, with a slash "
                "at the end, to which each image's name is added?",
            )
        else:
            _tell_each(target, several, problems)


def _lost_its_slash(target: Repository, several: Iterable[tuple[Item, RawItem]]) -> bool:
    """Whether the whole name was written out, and is the image's name of none of them."""
    return all(raw.image is None and item.source.image != target.image for item, raw in several)


def _tell_each(target: Repository, several: list[tuple[Item, RawItem]], problems: Problems) -> None:
    (first, first_raw), *others = several
    for item, raw in others:
        problems.add(
            raw.place,
            f"{item.name} would write to {target}, as {first.name} in line {first_raw.place.line} does: "
            "expected a target of its own",
        )
