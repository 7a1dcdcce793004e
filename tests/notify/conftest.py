"""A listener for messages."""

from collections.abc import Iterator

import pytest

from tests.notify.listener import Listener


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as started:
        yield started
