"""What people mean by ITEM and ITEM:TAG on a command line: a name, a source, or a target."""

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ferryman.errors import ConfigurationError, Problem
from ferryman.items.model import Item
from ferryman.reference import is_tag


@dataclass(frozen=True, slots=True)
class Named:
    """Something that can be named: an item of items.yml, or of the record."""

    name: str
    source: str
    target: str

    @property
    def spellings(self) -> tuple[str, ...]:
        """What it answers to; the target's last component is the name that people pull by."""
        return (self.name, self.source, self.target, self.target.rpartition("/")[2])


def select(items: Sequence[Item], names: Sequence[str]) -> list[Item]:
    """The items that are meant; no names: all of them. Raises ConfigurationError for a name that nothing answers to."""
    if not names:
        return list(items)
    targets = targets_of([Named(item.name, str(item.source), str(item.target)) for item in items], names)
    return [item for item in items if str(item.target) in targets]


def targets_of(known: Collection[Named], names: Iterable[str], *, former: Collection[Named] = ()) -> set[str]:
    """The targets of what is meant. Raises ConfigurationError; `former`: what items.yml named once, to say so."""
    found: set[str] = set()
    problems = []
    for name in names:
        matching = {each.target for each in known if name in each.spellings}
        if not matching:
            problems.append(Problem(_unknown(name, known, former)))
        found |= matching
    if problems:
        raise ConfigurationError(problems)
    return found


def target_and_tag(
    known: Collection[Named], text: str, *, former: Collection[Named] = ()
) -> tuple[set[str], str | None]:
    """ITEM or ITEM:TAG. An item's own name may hold a colon (a registry's port), so the whole is tried first."""
    item, colon, tag = text.rpartition(":")
    if any(text in each.spellings for each in (*known, *former)) or not colon or not is_tag(tag):
        return targets_of(known, [text], former=former), None
    return targets_of(known, [item], former=former), tag


def _unknown(name: str, known: Collection[Named], former: Collection[Named]) -> str:
    if any(name in each.spellings for each in former):
        return f"items.yml names {name!r} no longer; `ferryman status --former` shows what is recorded of it"
    spellings = [text for each in known for text in each.spellings]
    near = difflib.get_close_matches(name, spellings, n=1)
    return f"there is no item {name!r}" + (f": did you mean {near[0]!r}?" if near else "; see `ferryman status`")
