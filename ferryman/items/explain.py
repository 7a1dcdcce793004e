"""Validates a part of the tree against its model, and explains each error in a sentence with its position."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ferryman.items.document import (
    HeartbeatKeys,
    LegacyTagKeys,
    PruneKeys,
    RecipientKeys,
    SignatureKeys,
    SignatureRuleKeys,
    TagKeys,
    VerifyKeys,
)
from ferryman.items.environment import FromEnvironment
from ferryman.items.problems import Place, Problems, suggestion
from ferryman.items.tree import Branch, Listing, Node, Scalar, descend, plain

Model = TypeVar("Model", bound=BaseModel)
_NESTED: Mapping[str, type[BaseModel]] = {
    "tags": TagKeys, "tag": LegacyTagKeys, "notify": RecipientKeys, "heartbeat": HeartbeatKeys,
    "verify": VerifyKeys, "verify_signatures": SignatureKeys, "verify_signatures.any": SignatureRuleKeys,
    "prune": PruneKeys,
}  # fmt: skip
_NUMBER = "a whole number of at least 1"
_EXPECTED = {
    "int_type": _NUMBER,
    "greater_than_equal": _NUMBER,
    "bool_type": "true or false",
    "string_type": "text",
    "pattern_type": "a regular expression",
    "list_type": "a list",
    "model_type": "a mapping",
    "too_short": "a rule at least",
}
_LONGEST_QUOTE = 60


def validated(model: type[Model], branch: Branch, problems: Problems) -> Model:
    """The valid keys of `branch`; invalid ones are reported to `problems`, and left out."""
    given = {entry.key: plain(entry.value) for entry in branch.entries}
    if not given:
        return model.model_construct()  # without keys nothing can be wrong, and pydantic need not build the model
    try:
        return model.model_validate(given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    for detail in details:
        place, sentence = _explain(model, branch, detail)
        problems.add(place, sentence)
    wrong = {detail["loc"][0] for detail in details}
    return model.model_validate({key: value for key, value in given.items() if key not in wrong})


def unknown_key(key: str, known: list[str]) -> str:
    """The sentence for a key that is not one of `known`."""
    return f"unknown key {key!r}{suggestion(key, known)}: expected {', '.join(known)}"


def kind(node: Node) -> str:
    """The kind of a node, for a message that must not quote it."""
    match node:
        case Scalar():
            return node.kind
        case Listing():
            return "a list"
        case Branch():
            return "a mapping"


def _explain(model: type[BaseModel], branch: Branch, detail: ErrorDetails) -> tuple[Place, str]:
    path = detail["loc"]
    if detail["type"] == "extra_forbidden":
        parent = descend(branch, path[:-1])
        entry = parent.entry(str(path[-1])) if isinstance(parent, Branch) else None
        owner = _NESTED[_label(path[:-1])] if len(path) > 1 else model
        return entry.place if entry else parent.place, unknown_key(str(path[-1]), list(owner.model_fields))
    node = descend(branch, path)
    label = _label(path)
    secret = not model.model_fields[str(path[0])].repr
    return node.place, f"{label}: {_sentence(detail, node, kind(node) if secret else _quoted(node))}"


def _label(path: Sequence[str | int]) -> str:
    return ".".join(step for step in path if isinstance(step, str))


def _sentence(detail: ErrorDetails, node: Node, found: str) -> str:
    if detail["type"] == "value_error":
        sentence = str(detail["ctx"]["error"])
        return f"found {found}, {sentence}" if sentence.startswith("expected") else sentence
    expected = detail["ctx"]["expected"] if detail["type"] == "literal_error" else _EXPECTED[detail["type"]]
    if detail["type"] in {"string_type", "pattern_type"} and isinstance(node, Scalar):
        return f"found {found} without quotes, expected {expected}: YAML reads this as {node.kind}, put it in quotes"
    return f"found {found}, expected {expected}"


def _quoted(node: Node) -> str:
    if not isinstance(node, Scalar):
        return kind(node)
    written = node.written if len(node.written) <= _LONGEST_QUOTE else f"{node.written[:_LONGEST_QUOTE]}…"
    origin = " (from the environment)" if isinstance(node.value, FromEnvironment) else ""
    return f"{written!r}{origin}" if node.kind == "text" else written
