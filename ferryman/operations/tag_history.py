"""What a tag named at its target, from the record; and what persons decide about a tag that is held."""

from collections.abc import Collection
from datetime import datetime

from ferryman.errors import ConfigurationError, Problem
from ferryman.record import Record
from ferryman.store.queries.tag_history import Named, TagHistory, read_tag_history
from ferryman.store.records import Intent

_SHORTEST = 6  # hex digits that name a digest


async def tag_history(record: Record, target: str, tag: str, now: datetime) -> TagHistory | None:
    """What the target's tag named, and when; None: nothing is recorded of it. Raises StoreError."""
    async with record.database.read() as connection:
        return await read_tag_history(connection, target, tag, now)


async def recorded_history(record: Record, targets: Collection[str], tag: str, now: datetime) -> list[TagHistory]:
    """The history of this tag at each of the targets that have it. Raises ConfigurationError if none has."""
    found = [each for target in sorted(targets) if (each := await tag_history(record, target, tag, now))]
    if not found:
        names = ", ".join(f"{target}:{tag}" for target in sorted(targets))
        raise ConfigurationError([Problem(f"nothing is recorded of {names}; see `ferryman status`")])
    return found


def chosen(history: TagHistory, *, to: str | None, at: datetime | None) -> Named:
    """What to put the tag back on: a digest, or its beginning; what it named at a moment; else what it named last.

    Raises ConfigurationError if it never named that.
    """
    name = f"{history.record.target}:{history.record.tag}"
    if to is not None:
        found = {each.digest: each for each in history.named if _begins(each.digest, to)}
        if len(found) == 1:
            return next(iter(found.values()))
        what = "had several digests that begin with" if found else "never had"
        raise ConfigurationError([Problem(f"{name} {what} {to}: see `ferryman history`")])
    if at is not None:
        if (then := history.at(at)) is not None:
            return then
        raise ConfigurationError([Problem(f"{name} was not mirrored at that time: see `ferryman history`")])
    if history.previous is None:
        raise ConfigurationError([Problem(f"{name} never had another digest: see `ferryman history`")])
    return history.previous


async def release_tag(record: Record, target: str, tag: str, *, actor: str) -> bool:
    """Let what upstream has now be copied, after a rollback or a change, however young it is. False: nothing held it.

    A later digest is held, or in quarantine, again. Raises StoreError.
    """
    intent = Intent(actor, "release", f"{target}:{tag}")
    was_held = await record.rollbacks.release(target, tag, intent=intent)
    was_young = await record.queue.release(target, tag, intent=intent)
    return was_held or was_young


async def keep_tag(record: Record, target: str, tag: str, *, actor: str) -> bool:
    """Keep what was mirrored: what upstream has now is not copied. False: it is not held because upstream has changed.

    A later digest is held again. Raises StoreError.
    """
    return await record.rollbacks.keep(target, tag, intent=Intent(actor, "keep", f"{target}:{tag}"))


def _begins(digest: str, text: str) -> bool:
    algorithm, _, encoded = digest.partition(":")
    given, colon, beginning = text.rpartition(":")
    return len(beginning) >= _SHORTEST and encoded.startswith(beginning) and (not colon or given == algorithm)
