"""Resolve the arguments ITEM and ITEM:TAG of commands: by an item's name, source or target."""

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ferryman.errors import ConfigurationError, Problem
from ferryman.items.model import Item
from ferryman.reference import is_tag


@dataclass(frozen=True, slots=True)
class Named:
    """An item that can be named: of items.yml, or of the record."""

    name: str
    source: str
    target: str
    prunes: bool = False  # items.yml lets the service prune it

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names that it can be given by. The target's last component is the name that people pull."""
        return (self.name, self.source, self.target, self.target.rpartition("/")[2])


def named(items: Sequence[Item]) -> list[Named]:
    """The items of items.yml as they can be named."""
    return [Named(item.name, str(item.source), str(item.target), prunes=item.prune is not None) for item in items]


def select(items: Sequence[Item], names: Sequence[str]) -> list[Item]:
    """The named items; without names, all. Raises ConfigurationError for a name that matches no item."""
    if not names:
        return list(items)
    targets = targets_of(named(items), names)
    return [item for item in items if str(item.target) in targets]


def targets_of(known: Collection[Named], names: Iterable[str], *, former: Collection[Named] = ()) -> set[str]:
    """The targets of the named items. `former`: items that items.yml no longer has, for the error message.

    Raises ConfigurationError for every name that matches no item.
    """
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
    """Resolve ITEM or ITEM:TAG. An item's name may contain a colon (a registry's port), so ITEM is tried first.

    Raises ConfigurationError.
    """
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
