"""Missing capabilities of a registry, stored and restored."""

import pytest

from ferryman.registry.capabilities import Capabilities


def test_a_registry_with_all_capabilities_has_none_missing() -> None:
    assert Capabilities().missing_capabilities() == {}


def test_missing_capabilities_round_trip() -> None:
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
def test_unknown_capabilities_are_ignored(name: str, value: str | None) -> None:
    known = Capabilities()
    known.restrict(name, value)
    known.lift("flies")
    assert known == Capabilities()
