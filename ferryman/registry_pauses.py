"""Pause registries: until a rate limit ends, or, after a refused login, until the login is accepted.

5,000 tags behind one wrong password must not cause 5,000 failed logins: Docker Hub locks a user name for ten minutes
after a few. But token servers sometimes refuse valid logins for some seconds. So a refused login is retried once at
once, and then in later cycles, with backoff.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import LoginRefused, TransferError
from ferryman.events import Events, RegistryPaused, RegistryResumed
from ferryman.registry.client import RegistryClient
from ferryman.registry_waits import next_login
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Intent, RegistryState

_RETRY_DELAY = 2.0  # seconds between a refusal and its retry


class RegistryPauses:
    """Pauses and resumes registries, for all processes on the same database."""

    def __init__(self, *, queue: Queue, registry: RegistryClient, clock: Clock, events: Events) -> None:
        self._queue = queue
        self._registry = registry
        self._clock = clock
        self._events = events
        self._deciding = asyncio.Lock()
        self._retry_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by registry
        self._retries: Counter[str] = Counter()  # finished retries, by registry
        self._accepted: dict[str, bool] = {}  # the result of the last one

    async def retry_login(self, registry: str) -> bool:
        """Retry a login that was just refused. Returns whether it is accepted now. Concurrent calls share one retry."""
        before = self._retries[registry]
        async with self._retry_locks[registry]:
            if self._retries[registry] == before:
                self._accepted[registry] = await self._is_login_accepted(registry)
                self._retries[registry] += 1
            return self._accepted[registry]

    async def _is_login_accepted(self, registry: str) -> bool:
        if await self.refusal(registry):
            return False
        await self._clock.sleep(_RETRY_DELAY)
        try:
            accepted = await self._registry.try_login(registry)
        except TransferError:  # further tries may lock the account: the next one is made by the next cycle
            return False
        if accepted:
            log.get().warning(
                "login_unsteady", message="a login was refused, and accepted a moment later", registry=registry
            )
        return accepted

    async def retry_refused_logins(self, hosts: Collection[str]) -> None:
        """At the start of a cycle, retry the refused logins of these registries whose backoff has ended, once each."""
        for state in await self._queue.paused_registries():
            if state.until is not None or state.registry not in hosts:
                continue
            now, due = self._clock.now(), next_login(state)
            clock_was_ahead = state.tried_at is not None and state.tried_at > now
            if (due <= now or clock_was_ahead) and await self._queue.claim_login(state):
                await self._retry_refused_login(state)

    async def _retry_refused_login(self, state: RegistryState) -> None:
        registry = state.registry
        try:
            accepted = await self._registry.try_login(registry)
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
            self._events.emit(RegistryResumed(registry, tags, "login-accepted" if accepted else "login-retried"))

    async def resume_if_accepted(self, registry: str, *, actor: str) -> bool:
        """For a person: resume a registry if it accepts the login now. False: it was not paused, or it does not."""
        if not await self.refusal(registry):
            return False
        try:
            accepted = await self._registry.try_login(registry)
        except TransferError:
            return False
        if accepted:
            intent = Intent(actor, "try-login", registry, "accepted")
            tags = await self._queue.resume(registry, intent=intent)
            self._events.emit(RegistryResumed(registry, tags, "check"))
        return accepted

    async def pause_after_refusal(self, registry: str, *, error: str) -> bool:
        """Pause a registry after a refused login. False: it was paused already, so the error is not new."""
        async with self._deciding:
            if await self.refusal(registry):
                return False
            fingerprint = await self._registry.login_fingerprint(registry)
            await self._queue.pause(registry, until=None, error=error, login_fingerprint=fingerprint)
        self._events.emit(RegistryPaused(registry, None, error))
        return True

    async def pause_until(self, registry: str, *, until: datetime, error: str) -> None:
        """Pause a registry until its rate limit ends. Emits an event for every change."""
        if await self._queue.pause(registry, until=until, error=error):
            tags = await self._queue.count_waiting(registry)
            self._events.emit(RegistryPaused(registry, until, error, tags=tags))

    async def check(self, registry: str) -> None:
        """Respect the pauses that any process has recorded. Raises LoginRefused if the registry's login was refused.

        Rate limits are passed on to the registry client, which waits for a short one, and raises for a long one.
        """
        async with self._retry_locks[registry]:
            pass  # wait for a retry of a refused login, instead of sending the login a third time
        for state in await self._queue.paused_registries():
            if state.until is not None:
                self._registry.hold(state.registry, state.until)  # of all hosts: a tag API has its own host and limits
            elif state.registry == registry:
                raise LoginRefused(state.error, registry=registry)

    async def refusal(self, registry: str) -> str | None:
        """The error of the refused login for which a registry is paused; None: it is not."""
        for state in await self._queue.paused_registries():
            if state.registry == registry and state.until is None:
                return state.error
        return None

    async def resume_recovered(self) -> None:
        """Resume every registry whose credentials have changed since they were refused."""
        for state in await self._queue.paused_registries():
            if state.until is not None:
                continue
            refused = await self._queue.login_fingerprint_of(state.registry)
            if refused is None or not await self._registry.matches(state.registry, refused):
                self._registry.forget_refusals(state.registry)
                tags = await self._queue.resume(state.registry)
                self._events.emit(RegistryResumed(state.registry, tags, "credentials-changed"))
