"""Read items.yml, where the settings say it is."""

import os

from ferryman import items
from ferryman.items.model import Configuration
from ferryman.settings import Settings


def load_items(settings: Settings) -> Configuration:
    """Read items.yml. Raises ConfigurationError."""
    return items.load(settings.items, environ=os.environ, transport=settings.transport)
