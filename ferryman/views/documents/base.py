"""What all documents have in common, and how a time is written."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema


class Document(BaseModel):
    """A JSON object with exactly these keys, in this order."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)  # built at their first use


def iso(moment: datetime) -> str:
    """ISO 8601, UTC, to the second: `2026-01-31T06:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[
    datetime,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
