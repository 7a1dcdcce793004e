"""What is sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message, for people."""

    title: str
    body: str
    failed: bool = False  # it is about something bad
