"""How hard each host may be asked: places, holds, and what it says of its quota."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Quota:
    """A registry's pull limit, as its last answer told it."""

    limit: int
    remaining: int
    window: timedelta | None
