"""Failures by their cause: the kind of the error, and the registry that caused it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, union_all

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import TagCondition, registries, status_is, tags
from ferryman.store.ledger import LookupFailure
from ferryman.store.queue.pauses import in_force, touches

LOGIN, RATE_LIMITED = "login", "rate-limited"
PAUSING = frozenset({LOGIN, RATE_LIMITED})  # the kinds of errors for which a whole registry is paused
FailingStatus = Literal["failed", "queued", "synced"]


@dataclass(frozen=True, slots=True)
class Cause:
    """Tags that fail alike."""

    status: FailingStatus  # failed: for good; queued: is retried; synced: mirrored before, and cannot be read now
    kind: str | None  # of the error; None: unknown
    registry: str | None  # that caused it; None: none did
    tags: int
    outdated: int  # those of which the target has an earlier copy
    since: datetime  # the first failure
    targets: tuple[str, ...]  # the items, by target


@dataclass(frozen=True, slots=True)
class Example:
    """A tag of a cause, with its error."""

    id: int
    item: str
    target: str
    tag: str
    error: str | None
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class LookupCause:
    """Items whose sources cannot be listed, alike."""

    kind: str | None
    registry: str | None
    since: datetime
    failures: tuple[LookupFailure, ...]


_FAILING = and_(
    tags.c.failed_at.is_not(None),
    or_(
        status_is("failed"),
        and_(or_(status_is("queued"), status_is("synced")), tags.c.error_kind.is_not(None)),  # not: requeued since
    ),
)


async def read_causes(connection: Transaction, targets: Collection[str]) -> list[Cause]:
    """Why tags of these items fail, the newest cause first."""
    query = (
        select(
            tags.c.target,
            tags.c.status,
            tags.c.error_kind,
            tags.c.error_registry,
            func.count(),
            func.count(tags.c.mirrored_digest),
            func.min(tags.c.failed_at),
        )
        .where(_FAILING, tags.c.target.in_(targets))
        .group_by(tags.c.target, tags.c.status, tags.c.error_kind, tags.c.error_registry)
    )
    groups: dict[tuple[FailingStatus, str | None, str | None], list[tuple[str, int, int, datetime]]] = {}
    for target, status, kind, registry, *numbers in await connection.execute(query):
        groups.setdefault((status, kind, registry), []).append((target, *numbers))
    causes = [
        Cause(
            *key,
            tags=sum(number for _, number, _, _ in rows),
            outdated=sum(outdated for _, _, outdated, _ in rows),
            since=min(since for *_, since in rows),
            targets=tuple(sorted(target for target, *_ in rows)),
        )
        for key, rows in groups.items()
    ]
    return sorted(causes, key=lambda cause: (cause.since, cause.tags), reverse=True)


def of_cause(cause: Cause) -> ColumnElement[bool]:
    """The tags of a cause."""
    return and_(
        _FAILING,
        status_is(cause.status),
        tags.c.target.in_(cause.targets),
        tags.c.error_kind.is_not_distinct_from(cause.kind),
        tags.c.error_registry.is_not_distinct_from(cause.registry),
    )


def of_group(kind: str | None, registry: str | None, now: datetime) -> TagCondition:
    """The tags that fail for this cause and can be queued again: for good, or until they are tried again.

    Those that are held back behind the registry's own pause have the cause that it was paused for.
    """
    same = and_(tags.c.error_kind.is_not_distinct_from(kind), tags.c.error_registry.is_not_distinct_from(registry))
    failed = or_(status_is("failed"), status_is("queued")) if kind is not None else status_is("failed")
    failing = and_(tags.c.failed_at.is_not(None), failed, same)
    if registry is None or kind not in PAUSING:
        return failing
    ends = registries.c.until.is_(None) if kind == LOGIN else registries.c.until.is_not(None)
    pause = exists().where(registries.c.registry == registry, in_force(now), ends)
    behind = and_(status_is("queued"), touches([registry]), pause)
    # A UNION ALL, because each of the two has its own index.
    return tags.c.id.in_(union_all(*(select(tags.c.id).where(each).correlate(None) for each in (failing, behind))))


async def read_examples(connection: Transaction, cause: Cause, *, most: int) -> list[Example]:
    """The tags of a cause that failed last."""
    columns = (tags.c.id, tags.c.item, tags.c.target, tags.c.tag, tags.c.error, tags.c.failed_at)
    last = select(tags.c.id).where(of_cause(cause)).order_by(tags.c.failed_at.desc(), tags.c.id.desc()).limit(most)
    query = select(*columns).where(tags.c.id.in_(last)).order_by(tags.c.failed_at.desc(), tags.c.id.desc())
    return [Example(*row) for row in await connection.execute(query)]


def lookup_causes(failures: Iterable[LookupFailure]) -> list[LookupCause]:
    """Group failed lookups that are recorded, the newest cause first."""
    groups: dict[tuple[str | None, str | None], list[LookupFailure]] = {}
    for failure in failures:
        groups.setdefault((failure.error_kind, failure.registry), []).append(failure)
    causes = [LookupCause(*key, _first(group), tuple(group)) for key, group in groups.items()]
    return sorted(causes, key=lambda cause: (cause.since, len(cause.failures)), reverse=True)


def _first(group: Sequence[LookupFailure]) -> datetime:
    return min(failure.since for failure in group if failure.since is not None)
