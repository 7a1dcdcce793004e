"""What is written down of a registry's capabilities comes back as it was."""

import pytest

from ferryman.registry.capabilities import Capabilities


def test_nothing_is_written_down_of_a_registry_that_can_do_everything() -> None:
    assert Capabilities().missing_capabilities() == {}


def test_what_was_written_down_comes_back() -> None:
    found = Capabilities(mounts=False, largest_chunk=524_288)

    known = Capabilities()
    for name, value in found.missing_capabilities().items():
        known.restrict(name, value)
    assert known == found

    for name in found.missing_capabilities():
        known.lift(name)
    assert known == Capabilities()


@pytest.mark.parametrize(
    ("name", "value"), [("flies", None), ("largest_chunk", None), ("largest_chunk", "-1"), ("largest_chunk", "much")]
)
def test_what_makes_no_sense_is_left_out(name: str, value: str | None) -> None:
    known = Capabilities()
    known.restrict(name, value)
    known.lift("flies")
    assert known == Capabilities()
