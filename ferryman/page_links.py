"""The addresses on the page, below FERRYMAN_BASE_PATH: of an item, a tag, a cause of failures, a registry.

Messages have them as well as pages.
"""

from collections.abc import Mapping
from urllib.parse import quote, urlencode


def item_path(item: str, query: Mapping[str, str] | None = None) -> str:
    """The page of an item, by its name or its target. `query`: what it is filtered by."""
    # Some proxies refuse a slash as %2F, so it stays; where it could be read as the page of a tag, it must not.
    path = f"/items/{quote(item, safe='' if '/tags/' in item else '/:@')}"
    return f"{path}?{urlencode(query)}" if query else path


def tag_path(item: str, tag: str) -> str:
    """The page of a tag of an item."""
    return f"{item_path(item)}/tags/{quote(tag, safe='')}"


def cause_id(kind: str | None, registry: str | None) -> str:
    """The id of a cause of failures, on the page of failures."""
    return f"cause-{kind or 'unknown'}-{registry or 'none'}"


def cause_path(kind: str | None, registry: str | None) -> str:
    """A cause of failures."""
    return f"/failures#{quote(cause_id(kind, registry))}"


def registry_id(host: str) -> str:
    """The id of a registry's card, on the overview."""
    return f"registry-{host}"


def registry_path(host: str) -> str:
    """The card of a registry."""
    return f"/#{quote(registry_id(host))}"
