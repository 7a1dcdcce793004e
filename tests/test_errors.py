"""The error tree: its picture in the docstring is right, and every kind is unique."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ferryman import errors
from ferryman.errors import (
    ConfigurationError,
    FerrymanError,
    Problem,
    StoreError,
    Temporary,
    TransferError,
)


def below(branch: type[FerrymanError]) -> Iterator[type[FerrymanError]]:
    for child in branch.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from below(child)


LEAVES = [each for each in below(TransferError) if issubclass(each, TransferError) and "kind" in vars(each)]


def test_the_tree_at_the_files_head_is_the_real_one() -> None:
    drawing = str(errors.__doc__)
    drawn = re.findall(r"[├└]── (\w+)", drawing)
    assert sorted(drawn) == sorted(each.__name__ for each in below(FerrymanError))
    for leaf in LEAVES:
        assert re.search(rf"── {leaf.__name__}\s+{leaf.kind}\s", drawing), leaf


def test_every_kind_is_one_errors_own() -> None:
    kinds = [leaf.kind for leaf in LEAVES]
    assert len(set(kinds)) == len(kinds)
    assert not {"defect", "lost", "paused"} & set(kinds)  # the queue's and the worker's own words


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_transfer_error_says_whether_a_retry_can_help(leaf: type[TransferError]) -> None:
    until = datetime(2026, 5, 1, tzinfo=UTC)
    error = leaf("a sentence", registry="quay.io", retry_at=until)
    assert error.temporary == isinstance(error, Temporary)
    assert (str(error), error.registry, error.retry_at) == ("a sentence", "quay.io", until)
    bare = leaf("a sentence")
    assert (bare.registry, bare.retry_at) == (None, None)


@pytest.mark.parametrize("branch", [ConfigurationError, StoreError, TransferError])
def test_everything_reported_is_a_ferryman_error(branch: type[FerrymanError]) -> None:
    assert issubclass(branch, FerrymanError)


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (Problem("is wrong"), "is wrong"),
        (Problem("is wrong", "items.yml"), "items.yml: is wrong"),
        (Problem("is wrong", "items.yml", 3), "items.yml:3: is wrong"),
        (Problem("is wrong", "items.yml", 3, 7), "items.yml:3:7: is wrong"),
    ],
)
def test_a_problem_begins_with_its_place(problem: Problem, told: str) -> None:
    assert str(problem) == told


def test_a_configuration_error_has_a_line_for_every_problem() -> None:
    problems = [Problem("first", "items.yml", 1), Problem("second", "items.yml", 2)]
    error = ConfigurationError(problems)
    assert error.problems == tuple(problems)
    assert str(error) == "items.yml:1: first\nitems.yml:2: second"


def test_a_message_from_a_server_is_always_printable() -> None:
    assert str(errors.Denied("no \ud800 here")).encode() == b"no ? here"
