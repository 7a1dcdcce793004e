"""Detects which of its two forms an items.yml has, and converts both into one Document.

Full:    a mapping with `items:` (a list), and perhaps `defaults:`, `registries:` and keys of the whole file.
Legacy:  a mapping keyed by image name, as the first Ferryman had it. A repeated key is another item.
"""

from dataclasses import dataclass

from ferryman.items.document import FileKeys
from ferryman.items.explain import kind, unknown_key
from ferryman.items.problems import Place, Problems, suggestion
from ferryman.items.tree import Branch, Entry, Listing, Node

_OF_FILE = tuple(FileKeys.model_fields)
_FULL = ("items", "defaults", "registries", *_OF_FILE)


@dataclass(frozen=True, slots=True)
class RawItem:
    """One item as it is written."""

    keys: Branch
    place: Place
    image: str | None  # the legacy form's key: the image's last component, at the source and at the target


@dataclass(frozen=True, slots=True)
class Document:
    """The sections of an items.yml of either form."""

    items: tuple[RawItem, ...]
    defaults: Branch
    registries: Branch
    file_keys: Branch  # keys that apply to the whole file


def split_sections(root: Node | None, problems: Problems) -> Document:
    """Find the items, their defaults and the registries. Raises ConfigurationError if the form is unclear."""
    if root is None:
        raise problems.fatal(Place(1, 1), "the file is empty: expected a list of images under items:")
    if not isinstance(root, Branch):
        raise problems.fatal(root.place, f"found {kind(root)}, expected a mapping with items:")
    document = _full(root, problems) if _is_full(root) else _legacy(root, problems)
    if not document.items and not problems:
        raise problems.fatal(root.place, "found no item, expected at least one under items:")
    return document


def _is_full(root: Branch) -> bool:
    """Whether the file has the full form. A legacy file may have an image called `items`, which then has a source.

    But a file with `items:` alone, and a mapping below it, is a full one whose "- " was forgotten.
    """
    return (
        not root.broken.isdisjoint(_FULL)
        or all(entry.key == "items" for entry in root.entries)
        or any(entry.key in _FULL and not _is_image(entry) for entry in root.entries)
    )


def _is_image(entry: Entry) -> bool:
    return isinstance(entry.value, Branch) and "source" in entry.value and entry.key != "defaults"


def _legacy(root: Branch, problems: Problems) -> Document:
    items = []
    for entry in root.entries:
        hint = suggestion(entry.key, _FULL)
        if isinstance(entry.value, Branch) and ("source" in entry.value or not hint):
            items.append(RawItem(entry.value, entry.place, image=entry.key))
        else:
            found = "a mapping without source" if isinstance(entry.value, Branch) else kind(entry.value)
            message = f"{entry.key}: found {found}, expected a mapping with source and target{hint}"
            problems.add(entry.place, message)
    return Document(tuple(items), defaults=_empty(root), registries=_empty(root), file_keys=_empty(root))


def _full(root: Branch, problems: Problems) -> Document:
    sections: dict[str, Entry] = {}
    for entry in root.entries:
        if entry.key not in _FULL:
            problems.add(entry.place, unknown_key(entry.key, list(_FULL)))
        elif entry.key in sections:
            line = sections[entry.key].place.line
            problems.add(entry.place, f"the key {entry.key!r} is repeated: line {line} has it already")
        else:
            sections[entry.key] = entry
    return Document(
        _listed(sections.get("items"), problems),
        defaults=_mapping(sections.get("defaults"), problems) or _empty(root),
        registries=_mapping(sections.get("registries"), problems) or _empty(root),
        file_keys=Branch(root.place, tuple(entry for key, entry in sections.items() if key in _OF_FILE), frozenset()),
    )


def _listed(entry: Entry | None, problems: Problems) -> tuple[RawItem, ...]:
    if entry is None:
        return ()
    if not isinstance(entry.value, Listing):
        problems.add(entry.value.place, f"items: found {kind(entry.value)}, expected a list (- source: …)")
        return ()
    for child in entry.value.children:
        if not isinstance(child, Branch):
            problems.add(child.place, f"items: found {kind(child)}, expected a mapping with source and target")
    branches = [child for child in entry.value.children if isinstance(child, Branch)]
    return tuple(RawItem(branch, branch.place, image=None) for branch in branches)


def _mapping(entry: Entry | None, problems: Problems) -> Branch | None:
    if entry is None:
        return None
    if isinstance(entry.value, Branch):
        return entry.value
    problems.add(entry.value.place, f"{entry.key}: found {kind(entry.value)}, expected a mapping")
    return None


def _empty(root: Branch) -> Branch:
    return Branch(root.place, (), frozenset())
