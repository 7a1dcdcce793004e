"""The queue's state transitions in SQL: the new values of a tag's row, and the statements of every job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    Integer,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ferryman.store.database.tables import change_held, status_is, tags
from ferryman.store.queue.first_due import DUE
from ferryman.store.records import QUARANTINE, Outcome, Status

Values = dict[str, Any]  # of columns of `tags`, as UPDATE takes them


def due_at(moment: "datetime | ColumnElement[datetime]") -> ColumnElement[datetime]:
    """When a tag may run that is queued again: at this moment, but not before its digest is old enough."""
    at = moment if isinstance(moment, ColumnElement) else literal(moment, tags.c.run_at.type)
    return case((tags.c.quarantined_until > at, tags.c.quarantined_until), else_=at)


def new_round(reason: str | None, now: datetime | BindParameter[datetime]) -> Values:
    at = now if isinstance(now, ColumnElement) else literal(now, tags.c.run_at.type)
    is_too_young = tags.c.quarantined_until > at
    why = case((is_too_young, literal(QUARANTINE)), else_=literal(reason, tags.c.reason.type))
    return {
        "status": "queued", "reason": why, "attempts": 0, "run_at": due_at(at),
        "error": null(), "error_kind": null(), "error_registry": null(),
    }  # fmt: skip


def choose(choices: Sequence[tuple[ColumnElement[bool], Values]], otherwise: Values) -> Values:
    """The values of one UPDATE, by the first condition that holds. A column that a choice omits keeps its value."""
    names = dict.fromkeys(name for values in (*(values for _, values in choices), otherwise) for name in values)
    return {
        name: case(*((condition, _typed(name, values)) for condition, values in choices), else_=_typed(name, otherwise))
        for name in names
    }


def _typed(name: str, values: Values) -> ColumnElement[Any]:
    column = tags.c[name]
    value = values.get(name, column)
    return value if isinstance(value, ColumnElement) else literal(value, column.type)


SYNCED: Values = {
    "status": "synced", "reason": null(), "run_at": null(),
    "error": null(), "error_kind": null(), "error_registry": null(), "failed_at": null(),
}  # fmt: skip
WITHDRAWN: Values = {
    **SYNCED,
    "status": case((tags.c.mirrored_digest.is_not(None), "synced"), else_="skipped"),
    "reason": case((tags.c.mirrored_digest.is_not(None), null()), else_="withdrawn"),
}

# The tag is at the target alone.
FOREIGN: Values = {"status": "skipped", "rank": 0, "withdrawn": False, "attempts": 0}
# The target has the tag no more.
REMOVED: Values = {
    "status": "skipped", "hold": null(), "held_at": null(), "mirrored_digest": null(), "mirrored_platforms": null(),
    "target_digest": null(), "identical": null(), "degraded": null(), "referrers": null(), "synced_at": null(),
    "target_checked_at": null(), "contents_checked_at": null(), "bytes_checked_at": null(), "error": null(),
    "error_kind": null(), "error_registry": null(), "failed_at": null(),
}  # fmt: skip


def unleased(outcome: Outcome | BindParameter[str]) -> Values:
    """The end of an attempt, whatever its outcome."""
    return {
        "lease_token": null(), "lease_owner": null(), "lease_expires_at": null(), "withdrawn": False,
        "last_outcome": outcome,
    }  # fmt: skip


# The statements of every job are built once: building one takes longer than running it.


def _claim_statement(*due: ColumnElement[bool]) -> ReturningUpdate[Any]:
    """Claim the first of these due tags. Parameters: number, now, lease, owner, expires_at.

    `due_at` sees to it that none is due before its digest is old enough. It is asked for here all the same.
    """
    until = tags.c.quarantined_until
    is_old_enough = or_(until.is_(None), until <= bindparam("now"))
    in_order = select(tags.c.id).where(*due).order_by(tags.c.rank, tags.c.run_at, tags.c.id)
    # In a CTE: as a subquery, PostgreSQL may run it more than once, each time skipping the rows that it has locked.
    first = in_order.limit(bindparam("number", type_=Integer)).with_for_update(skip_locked=True).cte("first")
    return (
        update(tags)
        .where(tags.c.id.in_(select(first.c.id)), is_old_enough)
        .values(
            status="running",
            reason=null(),  # the error of an earlier attempt stays readable
            attempts=tags.c.attempts + 1,
            run_at=null(),
            lease_token=bindparam("lease", type_=String) + "-" + cast(tags.c.id, String),  # each row's own token
            lease_owner=bindparam("owner"),
            lease_expires_at=bindparam("expires_at"),
            claimed_at=bindparam("now"),
        )
        .returning(*(tags.c[name] for name in _JOB), tags.c.target_digest, tags.c.mirrored_digest)
    )


_JOB = ("id", "item", "source", "target", "tag", "source_digest", "platforms", "attempts", "lease_token")  # as in a Job
CLAIM = _claim_statement(status_is("queued"), tags.c.run_at.is_not(None), tags.c.run_at <= bindparam("now"))
CLAIM_OF_ITEM = _claim_statement(DUE, tags.c.target == bindparam("of_target", type_=String))
CLAIM_OF_ROUTE = _claim_statement(
    DUE,
    tags.c.source_registry == bindparam("of_source", type_=String),
    tags.c.target_registry == bindparam("of_target", type_=String),
)
RUNNING_BY_REGISTRY = (
    select(tags.c.source_registry, func.count())
    .where(status_is("running"), tags.c.lease_owner == bindparam("owner"))
    .group_by(tags.c.source_registry)
)


@dataclass(frozen=True, slots=True)
class End:
    """The new state of a claimed tag that was not copied: the parameters of `END`, there with the prefix `end_`."""

    status: Status
    reason: str | None = None
    run_at: datetime | None = None
    error: str | None = None
    error_kind: str | None = None
    error_registry: str | None = None
    uncounted: int = 0  # attempts that did not count
    failed: bool = False  # an attempt failed, for good or not


def _end_statement(
    values: Values, *, withdrawn: Values, always: Values, mirrored: ColumnElement[str]
) -> ReturningUpdate[Any]:
    """End a job under its lease: with `values`, unless it is withdrawn, or changed upstream (then: queued again).

    `mirrored`: the upstream digest that the target has then. What is held back is not queued again.
    """
    changed = or_(
        tags.c.source_digest != bindparam("copied_digest"),
        tags.c.platforms.is_distinct_from(bindparam("copied_platforms", type_=String)),
    )
    now = bindparam("now", type_=tags.c.run_at.type)
    choices = [
        (tags.c.withdrawn.is_(True), withdrawn),
        (and_(changed, change_held(mirrored)), SYNCED),  # the next look says why
        (changed, new_round("changed", now)),
    ]
    return (
        update(tags)
        .where(
            tags.c.id == bindparam("tag_id"), status_is("running"), tags.c.lease_token == bindparam("expected_token")
        )
        .values({**choose(choices, values), **unleased(bindparam("outcome")), **always})
        .returning(tags.c.status, tags.c.source_digest, tags.c.pushed_at, tags.c.platform_digests, tags.c.claimed_at)
    )


def _end_parameter(name: str) -> BindParameter[Any]:
    return bindparam(f"end_{name}", type_=tags.c[name].type)


_TIME = tags.c.failed_at.type
_ENDED = ("status", "reason", "run_at", "error", "error_kind", "error_registry")
END = _end_statement(
    {
        **{name: _end_parameter(name) for name in _ENDED},
        "run_at": due_at(_end_parameter("run_at")),
        "failed_at": case(
            (bindparam("end_failed", type_=Boolean), func.coalesce(tags.c.failed_at, bindparam("now", type_=_TIME))),
            (bindparam("end_status", type_=String) == "skipped", null()),
            else_=tags.c.failed_at,
        ),
        "attempts": tags.c.attempts - bindparam("end_uncounted", type_=Integer),
    },
    withdrawn=WITHDRAWN,
    always={},
    mirrored=tags.c.mirrored_digest,
)
SUCCEED = _end_statement(
    SYNCED,
    withdrawn=SYNCED,
    mirrored=bindparam("copied_digest", type_=String),
    always={
        "mirrored_digest": bindparam("copied_digest"),
        "mirrored_platforms": bindparam("copied_platforms", type_=String),
        "target_digest": bindparam("new_target_digest"),
        "identical": bindparam("new_identical"),
        "degraded": bindparam("new_degraded", type_=String),
        "referrers": bindparam("new_referrers", type_=String),
        "synced_at": bindparam("now", type_=tags.c.synced_at.type),
        "target_checked_at": bindparam("now", type_=tags.c.target_checked_at.type),
        "contents_checked_at": null(),  # of other contents
        "bytes_checked_at": null(),
    },
)
