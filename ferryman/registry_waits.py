"""How long a paused registry is waited for: the next try of a refused login, and what is said of a rate limit."""

from datetime import datetime, timedelta

from ferryman.reference import DOCKER_HUB
from ferryman.store.records import RegistryState

_INTERVAL = timedelta(minutes=1)  # backoff after the first refused login in a later cycle; doubled for each further one
_LONGEST_INTERVAL = timedelta(days=1)
_MOST_DOUBLINGS = 32  # enough to reach the longest interval; more would overflow a timedelta


def wait_message(registry: str, tags: int, until: datetime) -> str:
    """The message about tags that wait for the end of a registry's rate limit (hours at most)."""
    name = "Docker Hub" if registry == DOCKER_HUB else registry
    counted = "1 tag waits" if tags == 1 else f"{tags} tags wait"
    return f"{counted} for {name}'s limit; next at {until:%H:%M} UTC"


def next_login(state: RegistryState) -> datetime:
    """When the next cycle may retry a refused login: after a backoff of 0, 1, 2, 4 … minutes, at most a day."""
    if state.tried_at is None or not state.tries:
        return state.tried_at or state.since
    return state.tried_at + min(_INTERVAL * 2.0 ** min(state.tries - 1, _MOST_DOUBLINGS), _LONGEST_INTERVAL)
