"""The image ledger without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ferryman.kinds import ImageRole


@dataclass(frozen=True)
class Entry:
    engine: str
    reference: str
    role: ImageRole
    image_id: str | None
    previous_id: str | None


class InMemoryLedger:
    """An ImageStore in memory: entries in the order of their last use. Tests override the two hooks."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Entry] = {}

    async def remember(
        self,
        engine: str,
        reference: str,
        *,
        role: ImageRole,
        image_id: str | None = None,
        previous_id: str | None = None,
    ) -> None:
        await self.before_remember(role, image_id)
        self.entries.pop((engine, reference), None)
        self.entries[engine, reference] = Entry(engine, reference, role, image_id, previous_id)
        self.after_remember(role)

    async def before_remember(self, role: ImageRole, image_id: str | None) -> None:
        """Called before an entry is written."""

    def after_remember(self, role: ImageRole) -> None:
        """Called after an entry was written."""

    async def touch(self, engine: str, reference: str, image_id: str) -> None:
        entry = self.entries.pop((engine, reference), None)
        if entry is not None:
            self.entries[engine, reference] = replace(entry, image_id=image_id)

    async def of_role(self, engine: str, role: ImageRole) -> Sequence[Entry]:
        return [entry for entry in self.entries.values() if (entry.engine, entry.role) == (engine, role)]

    async def forget(self, engine: str, reference: str) -> None:
        self.entries.pop((engine, reference), None)
