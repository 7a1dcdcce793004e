"""Parses YAML into values with their positions, without knowledge of the keys.

A repeated key of the outermost mapping is kept (the first Ferryman's file keys its items by image name);
anywhere else it is a mistake. What is reported here is left out of the tree, so that it is reported only once.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import yaml

from ferryman.items.environment import substitute
from ferryman.items.problems import Place, Problems

Kind = Literal["text", "a number", "a date", "a truth value", "nothing"]
_KINDS: Mapping[str, Kind] = {
    "str": "text",
    "value": "text",  # a lone "="
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "bool": "a truth value",
    "null": "nothing",
}
_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
_TAGS = {
    yaml.ScalarNode: frozenset({_MERGE, *(f"{_YAML}{name}" for name in _KINDS)}),
    yaml.SequenceNode: frozenset({f"{_YAML}seq"}),
    yaml.MappingNode: frozenset({f"{_YAML}map"}),
}
_TRUE_OR_FALSE = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_LONGEST_NUMBER = 18  # digits: what fits into 64 bits
_DEEPEST = 20
_MOST_VALUES = 200_000  # aliases are expanded wherever they are used: a small file may expand to billions of values


@dataclass(frozen=True, slots=True)
class Scalar:
    """One plain or quoted value."""

    place: Place
    kind: Kind
    written: str  # as in the file, without substitution from the environment
    value: str | int | bool | float  # NaN: a fraction, a date or an unusual number, which no key accepts


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    place: Place
    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping, and its value."""

    key: str
    place: Place  # the key's
    value: "Node"


@dataclass(frozen=True, slots=True)
class Branch:
    """A mapping."""

    place: Place
    entries: tuple[Entry, ...]
    broken: frozenset[str]  # keys that are present too, but whose value was reported already

    def __contains__(self, key: str) -> bool:
        return key in self.broken or self.entry(key) is not None

    def entry(self, key: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.key == key), None)


Node = Scalar | Listing | Branch


def parse(text: str, environ: Mapping[str, str], problems: Problems) -> Node | None:
    """Parse one YAML document; None for an empty one. Raises ConfigurationError if the rest cannot be parsed."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        place = Place.after(text[: error.position])
        raise problems.fatal(place, f"found the character #x{error.character:02x}, which YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise problems.fatal(_place(mark) if mark else Place(1, 1), f"not valid YAML: {_sentence(error)}") from None
    return None if root is None else _Builder(environ, problems).build(root, outermost=True)


def plain(node: Node) -> object:
    """The value without positions: str, int, bool, NaN, list, dict."""
    match node:
        case Scalar():
            return node.value
        case Listing():
            return [plain(child) for child in node.children]
        case Branch():
            return {entry.key: plain(entry.value) for entry in node.entries}


def descend(node: Node, path: Sequence[str | int]) -> Node:
    """The node at `path`, or the deepest existing one on the way to it. A short form leaves out steps of it."""
    for step in path:
        if isinstance(node, Listing) and isinstance(step, int):
            node = node.children[step]
        elif isinstance(node, Branch) and isinstance(step, str) and (entry := node.entry(step)):
            node = entry.value
    return node


class _Loader(yaml.SafeLoader):
    """Limits the nesting depth, before Python's recursion limit is reached."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise yaml.composer.ComposerError(
                problem="nested too deeply", problem_mark=parent.start_mark if parent else None
            )
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    # These two messages would quote the text, and a password may begin with "*" or "!".
    if problem.startswith("found undefined alias"):
        return "found an alias (*) to an anchor that does not exist: put the text in quotes if it is none"
    if problem.startswith("found undefined tag"):
        return "found a YAML tag (!…) that does not exist: put the text in quotes if it is none"
    if "'\\t'" in problem:
        return "found a tab, expected spaces"
    return f"{error.context}, {problem}" if error.context else problem


class _Builder:
    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems
        self._built = 0

    def build(self, node: yaml.Node, *, depth: int = 0, outermost: bool = False) -> Node | None:
        """Convert a YAML node; None: it was reported as a mistake."""
        place = _place(node.start_mark)
        self._built += 1
        if depth > _DEEPEST:
            raise self._problems.fatal(place, "nested too deeply: an alias (*) contains itself")
        if self._built > _MOST_VALUES:
            raise self._problems.fatal(place, f"aliases (*) unfold to more than {_MOST_VALUES:,} values")
        if node.tag not in _TAGS[type(node)]:
            self._problems.add(place, "found a YAML tag (!…), expected none: put the text in quotes if it is none")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._branch(node, depth + 1, repeats=outermost)
        if isinstance(node, yaml.SequenceNode):
            built = [self.build(child, depth=depth + 1) for child in node.value]
            return Listing(place, tuple(child for child in built if child is not None))
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Scalar | None:
        place, written = _place(node.start_mark), str(node.value)
        kind = "text" if node.tag == _MERGE else _KINDS[node.tag.removeprefix(_YAML)]
        if kind == "nothing":
            self._problems.add(place, "found nothing, expected a value: fill it in, or leave the key out")
            return None
        if kind != "text":
            return Scalar(place, kind, written, _value(kind, written))
        try:
            return Scalar(place, kind, written, substitute(written, self._environ))
        except ValueError as error:
            self._problems.add(place, str(error))
            return None

    def _branch(self, node: yaml.MappingNode, depth: int, *, repeats: bool) -> Branch:
        entries: list[Entry] = []
        broken: set[str] = set()
        first: dict[str, Place] = {}
        for key, place, value_node in self._pairs(node):
            if key in first and not repeats:
                self._problems.add(place, f"the key {key!r} is repeated: line {first[key].line} has it already")
                continue
            first.setdefault(key, place)
            value = self.build(value_node, depth=depth)
            if value is None:
                broken.add(key)
            else:
                entries.append(Entry(key, place, value))
        for merged in self._merged(node, depth):
            entries += [entry for entry in merged.entries if entry.key not in first]
            broken |= merged.broken - first.keys()
            first |= {entry.key: entry.place for entry in merged.entries if entry.key not in first}
        return Branch(_place(node.start_mark), tuple(entries), frozenset(broken))

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[str, Place, yaml.Node]]:
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            place = _place(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(place, "found a list or a mapping as a key, expected a name")
                continue
            try:
                yield substitute(key_node.value, self._environ), place, value_node
            except ValueError as error:
                self._problems.add(place, str(error))

    def _merged(self, node: yaml.MappingNode, depth: int) -> Iterator[Branch]:
        """The mappings that `<<: *anchor` merges; earlier ones take precedence."""
        for key_node, value_node in node.value:
            if key_node.tag != _MERGE:
                continue
            sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            for source in sources:
                branch = self.build(source, depth=depth) if isinstance(source, yaml.MappingNode) else None
                if isinstance(branch, Branch):
                    yield branch
                else:
                    self._problems.add(
                        _place(source.start_mark), "expected a mapping, or an alias (*) of one, after <<"
                    )


def _value(kind: Kind, written: str) -> int | bool | float:
    if kind == "a truth value":
        return _TRUE_OR_FALSE.get(written.lower(), math.nan)
    if kind == "a number" and written.isdecimal() and written.isascii() and len(written) <= _LONGEST_NUMBER:
        return int(written)
    return math.nan
