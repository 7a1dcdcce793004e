"""Registries that are left alone: for a while (a rate limit), or until their credentials change (a refused login).

5,000 tags behind one wrong password must not become 5,000 failed logins: Docker Hub locks a user name
for ten minutes after a few.
"""

import asyncio
from datetime import datetime

from ferryman import log
from ferryman.errors import LoginRefused
from ferryman.reference import DOCKER_HUB
from ferryman.registry.client import RegistryClient
from ferryman.store.queue import Queue


def waits(registry: str, tags: int, until: datetime) -> str:
    """The sentence for a registry's limit, which lasts for hours at most."""
    name = "Docker Hub" if registry == DOCKER_HUB else registry
    counted = "1 tag waits" if tags == 1 else f"{tags} tags wait"
    return f"{counted} for {name}'s limit; next at {until:%H:%M} UTC"


class Pauses:
    """Knows which registries are paused, for this process and every other on the same database."""

    def __init__(self, *, queue: Queue, registry: RegistryClient) -> None:
        self._queue = queue
        self._registry = registry
        self._deciding = asyncio.Lock()

    async def stop(self, registry: str, *, error: str) -> bool:
        """Pause after a refused login. False: it was paused already, this error says nothing new."""
        async with self._deciding:
            if await self.reason(registry):
                return False
            fingerprint = await self._registry.fingerprint(registry)
            await self._queue.hold(registry, until=None, error=error, fingerprint=fingerprint)
        log.get().error("registry paused until its credentials change, or `ferryman requeue`", registry=registry)
        return True

    async def wait(self, registry: str, *, until: datetime, error: str) -> None:
        """Let none of a registry's tags run before `until`. Every change of that is logged once."""
        if await self._queue.hold(registry, until=until, error=error):
            waiting = waits(registry, await self._queue.waiting(registry), until)
            log.get().warning(waiting, registry=registry, until=until.isoformat(), error=error)

    async def heed(self, registry: str) -> None:
        """Mind what this process, an earlier one, or another one met there. Raises LoginRefused for a refused login.

        A limit is minded by the registry's client: it waits for a short one, and refuses to ask before a long one ends.
        """
        for state in await self._queue.held():
            if state.until is not None:
                self._registry.hold(state.registry, state.until)  # each: a tag API has a host, and limits, of its own
            elif state.registry == registry:
                raise LoginRefused(state.error, registry=registry)

    async def reason(self, registry: str) -> str | None:
        """Why a registry is paused for its login; None: it isn't."""
        for state in await self._queue.held():
            if state.registry == registry and state.until is None:
                return state.error
        return None

    async def lift_mended(self) -> None:
        """Let go every registry whose credentials are others than those that were refused."""
        for state in await self._queue.held():
            if state.until is not None:
                continue
            refused = await self._queue.fingerprint_of(state.registry)
            if refused is None or not await self._registry.matches(state.registry, refused):
                self._registry.forget_refusals(state.registry)
                tags = await self._queue.let_go(state.registry)
                log.get().info("credentials changed: registry resumed", registry=state.registry, tags=tags)
