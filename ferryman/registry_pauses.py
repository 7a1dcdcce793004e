"""Registries that are left alone: for a while (a rate limit), or until they take their login (one was refused).

5,000 tags behind one wrong password must not become 5,000 failed logins: Docker Hub locks a user name
for ten minutes after a few. But token servers also refuse good logins for some seconds, so a refused one is
tried a second time at once, and then in later cycles, at growing intervals.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import LoginRefused, TransferError
from ferryman.events import Events, RegistryPaused, RegistryResumed
from ferryman.reference import DOCKER_HUB
from ferryman.registry.client import RegistryClient
from ferryman.store.queue.queue import Queue
from ferryman.store.records import RegistryState

_HICCUP = 2.0  # seconds between a refusal and the second try
_INTERVAL = timedelta(minutes=1)  # after the first try that was refused in a later cycle; it doubles from there
_LONGEST_INTERVAL = timedelta(days=1)
_MOST_DOUBLINGS = 32  # beyond any cap; keeps the arithmetic within a timedelta


def waits(registry: str, tags: int, until: datetime) -> str:
    """The sentence for a registry's limit, which lasts for hours at most."""
    name = "Docker Hub" if registry == DOCKER_HUB else registry
    counted = "1 tag waits" if tags == 1 else f"{tags} tags wait"
    return f"{counted} for {name}'s limit; next at {until:%H:%M} UTC"


def next_login(state: RegistryState) -> datetime:
    """When a refused login may be tried again, by the first cycle after that: 0, 1, 2, 4 … minutes, a day at most."""
    if state.tried_at is None or not state.tries:
        return state.tried_at or state.since
    return state.tried_at + min(_INTERVAL * 2.0 ** min(state.tries - 1, _MOST_DOUBLINGS), _LONGEST_INTERVAL)


class RegistryPauses:
    """Knows which registries are paused, for this process and every other on the same database."""

    def __init__(self, *, queue: Queue, registry: RegistryClient, clock: Clock, events: Events) -> None:
        self._queue = queue
        self._registry = registry
        self._clock = clock
        self._events = events
        self._deciding = asyncio.Lock()
        self._trying: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by registry
        self._tried: Counter[str] = Counter()  # second tries that have ended, by registry
        self._taken: dict[str, bool] = {}  # what came of the last of them

    async def passes(self, registry: str) -> bool:
        """Whether a login that has just been refused is taken a moment later. Many may ask: it is tried once."""
        before = self._tried[registry]
        async with self._trying[registry]:
            if self._tried[registry] == before:
                self._taken[registry] = await self._is_taken(registry)
                self._tried[registry] += 1
            return self._taken[registry]

    async def _is_taken(self, registry: str) -> bool:
        if await self.reason(registry):
            return False
        await self._clock.sleep(_HICCUP)
        try:
            taken = await self._registry.try_login(registry)
        except TransferError:  # an account may be locked by another try: the next one is for the next cycle
            return False
        if taken:
            log.get().warning(
                "login_unsteady", message="a login was refused, and taken a moment later", registry=registry
            )
        return taken

    async def try_again(self, hosts: Collection[str]) -> None:
        """At the beginning of a cycle: try the refused logins of these registries whose time has come, once each."""
        for state in await self._queue.paused_registries():
            if state.until is not None or state.registry not in hosts:
                continue
            now, due = self._clock.now(), next_login(state)
            clock_was_ahead = state.tried_at is not None and state.tried_at > now
            if (due <= now or clock_was_ahead) and await self._queue.claim_login(state):
                await self._try_again(state)

    async def _try_again(self, state: RegistryState) -> None:
        registry = state.registry
        try:
            taken = await self._registry.try_login(registry)
        except LoginRefused as error:
            again = next_login(replace(state, tried_at=self._clock.now(), tries=state.tries + 1))
            log.get().warning(
                "login_still_refused", message="the login is still refused; the registry stays paused",
                registry=registry, next_try=again.isoformat(timespec="seconds"), error=str(error),
            )  # fmt: skip
        except TransferError as error:
            await self._queue.uncount_login(registry)
            log.get().warning(
                "login_retry_failed",
                message="a refused login could not be tried again",
                registry=registry,
                error=str(error),
            )
        else:
            tags = await self._queue.resume_on_trial(registry)
            self._events.emit(RegistryResumed(registry, tags, "login-accepted" if taken else "login-retried"))

    async def lift_if_taken(self, registry: str) -> bool:
        """For `check`: resume a registry that takes its login now. False: it was not paused, or it does not."""
        if not await self.reason(registry):
            return False
        try:
            taken = await self._registry.try_login(registry)
        except TransferError:
            return False
        if taken:
            self._events.emit(RegistryResumed(registry, await self._queue.resume(registry), "check"))
        return taken

    async def stop(self, registry: str, *, error: str) -> bool:
        """Pause after a refused login. False: it was paused already, this error says nothing new."""
        async with self._deciding:
            if await self.reason(registry):
                return False
            fingerprint = await self._registry.login_fingerprint(registry)
            await self._queue.pause(registry, until=None, error=error, login_fingerprint=fingerprint)
        self._events.emit(RegistryPaused(registry, None, error))
        return True

    async def wait(self, registry: str, *, until: datetime, error: str) -> None:
        """Let none of a registry's tags run before `until`. Every change of that is logged once."""
        if await self._queue.pause(registry, until=until, error=error):
            tags = await self._queue.count_waiting(registry)
            self._events.emit(RegistryPaused(registry, until, error, tags=tags))

    async def check(self, registry: str) -> None:
        """Mind what this process, an earlier one, or another one met there. Raises LoginRefused for a refused login.

        A limit is minded by the registry's client: it waits for a short one, and refuses to ask before a long one ends.
        """
        async with self._trying[registry]:
            pass  # who comes while a refused login is tried the second time would show it a third time
        for state in await self._queue.paused_registries():
            if state.until is not None:
                self._registry.hold(state.registry, state.until)  # each: a tag API has a host, and limits, of its own
            elif state.registry == registry:
                raise LoginRefused(state.error, registry=registry)

    async def reason(self, registry: str) -> str | None:
        """Why a registry is paused for its login; None: it isn't."""
        for state in await self._queue.paused_registries():
            if state.registry == registry and state.until is None:
                return state.error
        return None

    async def resume_recovered(self) -> None:
        """Let go every registry whose credentials are others than those that were refused."""
        for state in await self._queue.paused_registries():
            if state.until is not None:
                continue
            refused = await self._queue.login_fingerprint_of(state.registry)
            if refused is None or not await self._registry.matches(state.registry, refused):
                self._registry.forget_refusals(state.registry)
                tags = await self._queue.resume(state.registry)
                self._events.emit(RegistryResumed(state.registry, tags, "credentials-changed"))
