"""What a test needs, as markers: read from the fixtures that it uses and the folder that it stands in.

`make check` leaves the marked tests out. pytest calls the function below as a hook; see conftest.py.
"""

import pytest

from tests.support.sources import CHECKOUT

_E2E = CHECKOUT / "tests/e2e"
_OF_FIXTURES = {
    "certificate": "openssl",
    "browser": "browser",
    "engine": "engine",
    "own_engine": "engine",
    "postgresql": "postgresql",
    "promtool": "prometheus",
    "start_registry": "registry",
    "target_registry": "registry",
    "distribution": "registry",
    "registries": "registry",
    "small_disk": "root",
    "trixie": "root",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests, and put slow ones first: at the end of a run by several workers nobody waits for one of them."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _OF_FIXTURES:
                item.add_marker(_OF_FIXTURES[fixture])
        if item.path.is_relative_to(_E2E):
            item.add_marker("e2e")
    items.sort(key=_quickness)


def _quickness(item: pytest.Item) -> int:
    return 0 if item.get_closest_marker("slow") else 1 if item.get_closest_marker("e2e") else 2
