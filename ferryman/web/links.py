"""The addresses of pages that are about an item or a tag, below FERRYMAN_BASE_PATH."""

from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from ferryman.item_names import Named


def item_path(item: str, query: Mapping[str, str] | None = None) -> str:
    """The page of an item, by its name or its target. `query`: what it is filtered by."""
    # Some proxies refuse a slash as %2F, so it stays; where it could be read as the page of a tag, it must not.
    path = f"/items/{quote(item, safe='' if '/tags/' in item else '/:@')}"
    return f"{path}?{urlencode(query)}" if query else path


def tag_path(item: str, tag: str) -> str:
    """The page of a tag of an item."""
    return f"{item_path(item)}/tags/{quote(tag, safe='')}"


def addresses(items: Sequence[Named]) -> Mapping[str, str]:
    """How the address of each item's page names it, by target: its name, or its target if others have that name."""
    names = Counter(item.name for item in items)
    return {item.target: item.name if names[item.name] == 1 else item.target for item in items}
