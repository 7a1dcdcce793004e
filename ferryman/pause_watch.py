"""Tell this process's observers of the pauses by persons, which other processes record as well."""

from ferryman.events import Events, WorkPaused, WorkResumed
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.records import ManualPause


class PauseWatch:
    """Emits an event for every pause that it finds at its first check, and for every change after that."""

    def __init__(self, *, manual_pauses: ManualPauses, events: Events) -> None:
        self._manual_pauses = manual_pauses
        self._events = events
        self._known: frozenset[ManualPause] = frozenset()

    async def check(self) -> None:
        """Compare with the last check. Call it every few seconds. Raises StoreError."""
        now = frozenset((await self._manual_pauses.read()).all)
        for ended in self._known - now:
            self._events.emit(WorkResumed(ended.scope, ended.name))
        for new in now - self._known:
            self._events.emit(WorkPaused(new.scope, new.name, new.since, new.actor, new.note))
        self._known = now
