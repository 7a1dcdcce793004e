"""What a message can be about: causes, found in the database, with the facts that a message gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferryman.kinds import NotifyEvent


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that needs a person, as it is now."""

    key: str  # one notice has it
    event: NotifyEvent
    subject: str  # an item's target, a registry's host, or empty; one that items.yml names no more is forgotten
    since: datetime
    facts: Mapping[str, Any]  # JSON, with texts of strangers as they are
    gathered: str = ""  # causes of one event that are told of together share this
    is_certain: bool = True  # False: it is not to be told of, but if it was, it is not over either

    @property
    def group(self) -> str:
        """What it is gathered with."""
        return f"{self.event} {self.gathered}"
