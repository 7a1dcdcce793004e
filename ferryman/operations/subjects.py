"""What an action is done to, as people name it, and as the audit log records it."""

import difflib
from collections.abc import Collection, Sequence

from ferryman.errors import ConfigurationError, Problem
from ferryman.item_names import Named
from ferryman.reference import parse_registry

_SHOWN = 3  # items in an audit log's line
EVERYTHING = "everything"


def items_in_words(targets: Collection[str]) -> str:
    """The items of an action by their targets; of many, the first ones and the number of the others."""
    names = sorted(targets)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def tag_in_words(targets: Collection[str], tag: str) -> str:
    """A tag of these items."""
    return items_in_words([f"{target}:{tag}" for target in targets])


def registries_of(known: Sequence[Named]) -> set[str]:
    """The source and target registries of these items."""
    return {name.partition("/")[0] for each in known for name in (each.source, each.target)}


def registry_named(text: str, hosts: Collection[str]) -> str:
    """The registry among these hosts that `text` names. Raises ConfigurationError."""
    try:
        registry = parse_registry(text)
    except ValueError as error:
        raise ConfigurationError([Problem(str(error))]) from None
    if registry not in hosts:
        near = difflib.get_close_matches(registry, sorted(hosts), n=1)
        hint = f": did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(hosts))}"
        raise ConfigurationError([Problem(f"no item has its source or target at {text!r}{hint}")])
    return registry
