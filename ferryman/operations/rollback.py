"""Put a tag back on what it named before."""

from dataclasses import dataclass

from ferryman.application import Application
from ferryman.reference import Repository
from ferryman.store.queries.tag_history import TagHistory
from ferryman.store.rollbacks import Refusal

REFUSALS: dict[Refusal, str] = {
    "running": "it is being copied; wait, or stop the copy with `ferryman cancel`",
    "rolling back": "another rollback of it has begun, and not ended yet",
    "leaving": "it is being removed from the target; wait a minute",
    "never mirrored": "it was never mirrored",
}


@dataclass(frozen=True, slots=True)
class PutBack:
    """The result of a rollback."""

    digest: str
    refusal: Refusal | None  # None: the tag names the digest now


async def put_back(app: Application, history: TagHistory, digest: str, *, actor: str) -> PutBack:
    """Put the target's tag back on a digest of its history, and hold it there until it is released.

    Raises StoreError, and TransferError; the tag is unchanged then, unless the error says otherwise.
    """
    target = Repository.parse(history.record.target)
    await app.pauses.check(target.registry)
    refusal = await app.rollback().put_back(target, history.record.tag, digest, actor=actor)
    return PutBack(digest, refusal)
