"""The way between a contestant and the registries."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """Of each registry: a round trip, and the rate of its line in each direction."""

    round_trip: int = 0  # milliseconds
    rate: int = 0  # Mbit/s; 0: unlimited


NEAR = Link()
