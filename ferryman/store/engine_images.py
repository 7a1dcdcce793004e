"""Record of the images that Ferryman put into Docker Engines: also after a crash, it removes only its own images."""

from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, select, update

from ferryman.clock import Clock
from ferryman.kinds import ImageRole
from ferryman.store.database.database import Database
from ferryman.store.database.tables import engine_images


@dataclass(frozen=True, slots=True)
class EngineImage:
    """A reference that Ferryman has given, or is about to give, to an image in an engine."""

    reference: str
    role: ImageRole  # source: pulled, kept as a cache. target: a tag for pushing, removed right after
    image_id: str | None  # None: not known yet, because the pull may not have ended
    previous_id: str | None  # the image that had this reference before
    used_at: datetime


_COLUMNS = [engine_images.c[field.name] for field in fields(EngineImage)]


class EngineImages:
    """The images of every engine, by the engine's id. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def remember(
        self,
        engine: str,
        reference: str,
        *,
        role: ImageRole,
        image_id: str | None = None,
        previous_id: str | None = None,
    ) -> None:
        """Record a reference before it is given to the engine. A recorded one is overwritten."""
        row = {"role": role, "image_id": image_id, "previous_id": previous_id, "used_at": self._clock.now()}
        async with self._database.write() as connection:
            upsert = connection.insert(engine_images).values(engine=engine, reference=reference, **row)
            await connection.execute(upsert.on_conflict_do_update(index_elements=["engine", "reference"], set_=row))

    async def touch(self, engine: str, reference: str, image_id: str) -> None:
        """Record that the reference was used just now, and names this image."""
        statement = update(engine_images).where(
            engine_images.c.engine == engine, engine_images.c.reference == reference
        )
        async with self._database.write() as connection:
            await connection.execute(statement.values(image_id=image_id, used_at=self._clock.now()))

    async def of_role(self, engine: str, role: ImageRole) -> list[EngineImage]:
        """The images of one engine in this role, least recently used first."""
        conditions = engine_images.c.engine == engine, engine_images.c.role == role
        query = select(*_COLUMNS).where(*conditions).order_by(engine_images.c.used_at, engine_images.c.reference)
        async with self._database.read() as connection:
            return [EngineImage(*row) for row in await connection.execute(query)]

    async def forget(self, engine: str, reference: str) -> None:
        """Drop the record: the engine no longer has the reference. Idempotent."""
        statement = delete(engine_images).where(
            engine_images.c.engine == engine, engine_images.c.reference == reference
        )
        async with self._database.write() as connection:
            await connection.execute(statement)
