"""The queue: which tags are to be copied, who copies them now, and what came of it.

One row of `tags` is one tag of one item, and its `status` is its place in the queue, so a tag cannot be
queued twice, and neither can two workers hold it: every write-back names the lease's token.

    (new) --apply--> queued --claim--> running --succeed--> synced
                       ^  ^               |------fail-----> failed   (for good; with retry_at: queued again)
                       |  |               |------skip-----> skipped
                       |  '--hand_back / defer / reclaim----'        (no result: not counted as an attempt)
                       '--- apply (changed upstream) / requeue --- synced, failed, skipped
    queued --apply (not wanted any more)--> synced (it was mirrored before) or skipped

While a tag runs, upstream may change, or the tag may cease to be wanted: `apply` writes that down and lets it run.
Whatever ends it minds it then: with another digest, or other platforms, it is queued again in a new round; one that
is not wanted any more (`withdrawn`) leaves the queue. A lease that expires while its process lives, or cannot be
seen, does count as an attempt: the tag may be what hangs; used up, they end in `failed`.

The queued tags of a paused registry have their `run_at` moved behind the pause by whatever queues them,
so `claim` never has to search past them, however many they are.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    String,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ferryman.bell import Bell
from ferryman.clock import Clock
from ferryman.reference import DOCKER_HUB
from ferryman.store.chunks import chunks
from ferryman.store.engine import Database, Transaction
from ferryman.store.records import (
    Applied,
    ItemKey,
    Job,
    Outcome,
    Outstanding,
    RegistryState,
    SeenTag,
    Status,
    Verdict,
    Walk,
)
from ferryman.store.state import COLUMNS, TagState
from ferryman.store.tables import attempts, history, item_columns, registries, status_is, tags, walks

_PAUSED = "paused"  # the reason of a queued tag that waits for its registry
_LOST = "lost"  # kind and outcome of a tag whose worker was never heard of again
_Values = dict[str, Any]  # of columns of `tags`, as UPDATE takes them


class Queue:
    """The queue of one process. `owner` names the process (see owners.py). Every call raises StoreError."""

    def __init__(self, database: Database, *, owner: str, clock: Clock, lease: timedelta, max_attempts: int) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._lease = lease
        self._max_attempts = max_attempts  # expired leases after which a tag fails for good
        self.filled = Bell()  # this process has made tags due

    async def apply(
        self, item: ItemKey, seen: Sequence[SeenTag], *, gone: Collection[str], verdicts: Sequence[Verdict], walk: Walk
    ) -> Applied:
        """Record what a walk saw and enqueue what the planner wants, in one transaction.

        A running tag keeps running: should upstream have changed meanwhile, `succeed` queues it again.
        A failed or skipped tag that is wanted (`copy`) starts a new round: attempts 0, error cleared.
        A tag that is queued already keeps its attempts and run_at (a new digest starts a new round).
        Tags of a paused registry are enqueued held. Tags of `gone` leave the queue.
        """
        now = self._clock.now()
        merge = _Merge(
            item, {each.tag: each for each in seen}, frozenset(gone), {each.tag: each for each in verdicts}, now
        )
        async with self._database.write(alone=True) as connection:
            await _rename(connection, item, now)
            for names in chunks(merge.names):
                await merge.write(connection, names)
            last = {"target": item.target, **asdict(walk)}
            await connection.execute(
                connection.insert(walks)
                .values(last)
                .on_conflict_do_update(index_elements=["target"], set_=asdict(walk))
            )
            await _hold_back(connection, now)
        if merge.enqueued:
            self.filled.ring()
        return Applied(enqueued=merge.enqueued, withdrawn=merge.withdrawn)

    async def claim(self, targets: Collection[str] | None = None) -> Job | None:
        """Take the next due tag (of these targets; None: of all) under a new lease, or None. One UPDATE … RETURNING."""
        now = self._clock.now()
        token = secrets.token_hex(16)
        told = {"now": now, "token": token, "owner": self._owner, "expires_at": now + self._lease}
        claiming = _CLAIM if targets is None else _claiming(tags.c.target.in_(targets))
        async with self._database.write() as connection:
            row = (await connection.execute(claiming, told)).one_or_none()
        if row is None:
            return None
        return Job(
            row.id, row.item, row.source, row.target, row.tag, row.source_digest, row.platforms, row.attempts, token
        )

    async def beat(self) -> frozenset[str]:
        """Renew every lease of this owner in one statement; the tokens that are still ours.

        Run it every third of a lease.
        """
        renewing = (
            update(tags)
            .where(status_is("running"), tags.c.lease_owner == self._owner)
            .values(lease_expires_at=self._clock.now() + self._lease)
            .returning(tags.c.lease_token)
        )
        async with self._database.write() as connection:
            return frozenset((await connection.execute(renewing)).scalars())

    async def succeed(
        self,
        job: Job,
        *,
        started_at: datetime,
        target_digest: str,
        identical: bool,
        bytes_moved: int,
        bytes_reused: int,
        degraded: str | None = None,
    ) -> bool:
        """synced (or queued again, if upstream has moved on). False: the lease was lost, nothing was written."""
        now = self._clock.now()
        told = {"the_target_digest": target_digest, "is_identical": identical, "the_degraded": degraded}
        async with self._database.write() as connection:
            row = await _end(connection, _SUCCEED, job, now, told)
            if row is None:
                return False
            await _record(
                connection, job, "synced", started_at, now, bytes_moved=bytes_moved, bytes_reused=bytes_reused
            )
            adding = connection.insert(history).on_conflict_do_nothing()
            await connection.execute(adding, _history_line(job, row))
            if row.status == "queued":
                await _hold_back(connection, now)
        return True

    async def fail(self, job: Job, *, started_at: datetime, kind: str, error: str, retry_at: datetime | None) -> bool:
        """failed for good, or queued again for `retry_at`. False: the lease was lost."""
        end = _End("queued" if retry_at else "failed", reason=kind, run_at=retry_at, error=error, error_kind=kind)
        return await self._end(job, end, "failed", started_at=started_at)

    async def skip(self, job: Job, *, started_at: datetime, reason: str, error: str) -> bool:
        """skipped: the source has nothing for us. False: the lease was lost."""
        end = _End("skipped", reason=reason, error=error, error_kind=reason)
        return await self._end(job, end, "skipped", started_at=started_at)

    async def hand_back(self, job: Job) -> bool:
        """Queued again at once, the attempt not counted: the worker stops."""
        return await self._end(job, _End("queued", run_at=self._clock.now(), uncounted=1), "handed-back")

    async def defer(self, job: Job, *, until: datetime | None, reason: str, error: str) -> bool:
        """Queued again for `until` (None: held), the attempt not counted: its registry wants to be left alone."""
        end = _End("queued", reason=reason, run_at=until, error=error, error_kind=reason, uncounted=1)
        return await self._end(job, end, "handed-back")

    async def _end(self, job: Job, end: "_End", outcome: Outcome, *, started_at: datetime | None = None) -> bool:
        now = self._clock.now()
        told = {f"the_{name}": value for name, value in asdict(end).items()}
        async with self._database.write() as connection:
            row = await _end(connection, _END, job, now, told)
            if row is None:
                return False
            began = started_at or row.claimed_at
            await _record(connection, job, outcome, began, now, error=end.error, kind=end.error_kind)
            if row.status == "queued":
                await _hold_back(connection, now)
        return True

    async def reclaim(self, dead_owners: Collection[str] = ()) -> int:
        """Queue again what expired leases, and those of dead processes, hold; the latter's attempts don't count.

        Both leave an attempt behind as `lost`.
        """
        now = self._clock.now()
        dead = tags.c.lease_owner.in_(dead_owners)
        used_up = and_(not_(dead), tags.c.attempts >= self._max_attempts)
        message = f"{self._max_attempts} workers fell silent over it; see their logs, then `ferryman requeue`"
        failed = {"status": "failed", "reason": _LOST, "run_at": None, "error": message, "error_kind": _LOST}
        again = {
            "status": "queued",
            "reason": _LOST,
            "run_at": now,
            "attempts": tags.c.attempts - case((dead, 1), else_=0),
        }
        async with self._database.write(alone=True) as connection:
            abandoned = select(tags).where(status_is("running"), or_(dead, tags.c.lease_expires_at <= now))
            rows = (await connection.execute(abandoned)).all()
            for some in chunks(rows):
                await connection.execute(attempts.insert(), [_lost_attempt(row, now) for row in some])
                choices = [(tags.c.withdrawn, _WITHDRAWN), (used_up, failed)]
                await connection.execute(
                    update(tags)
                    .where(tags.c.id.in_([row.id for row in some]))
                    .values({**_choose(choices, again), **_UNLEASED})
                )
            if rows:
                await _hold_back(connection, now)
        return len(rows)

    async def hold(self, registry: str, *, until: datetime | None, error: str, fingerprint: str | None = None) -> bool:
        """Let none of a registry's queued tags (as source or target) run before `until`; None: before `let_go`.

        A pause only ever gets longer: a rate limit does not end that of a refused login. False: it was as long already.
        """
        now = self._clock.now()
        pause = {"until": until, "error": error, "since": now, "fingerprint": fingerprint}
        longer = None if until is None else registries.c.until < until
        async with self._database.write(alone=True) as connection:
            adding = connection.insert(registries).values(registry=registry, **pause)
            written = await connection.execute(
                adding.on_conflict_do_update(index_elements=["registry"], set_=pause, where=longer)
            )
            await _hold_back(connection, now)
        return written.rowcount > 0

    async def let_go(self, registry: str | None = None) -> int:
        """Lift the pause of one registry (None: of all).

        Its held tags, and those that failed with kind `login`, are due now; their number.
        """
        now = self._clock.now()
        freed = _freed(None if registry is None else [registry])
        due = {
            "status": "queued",
            "reason": null(),
            "run_at": now,
            "error": null(),
            "error_kind": null(),
            "attempts": case((status_is("failed"), 0), else_=tags.c.attempts),
        }
        async with self._database.write(alone=True) as connection:
            lifting = delete(registries)
            await connection.execute(lifting if registry is None else lifting.where(registries.c.registry == registry))
            number = (await connection.execute(update(tags).where(freed).values(due))).rowcount
            await _hold_back(connection, now)
        self.filled.ring()
        return number

    async def held(self) -> list[RegistryState]:
        """The registries that are paused now."""
        async with self._database.read() as connection:
            paused = select(registries).where(_in_force(self._clock.now())).order_by(registries.c.registry)
            return [
                RegistryState(row.registry, row.until, row.error, row.since) for row in await connection.execute(paused)
            ]

    async def waiting(self, registry: str) -> int:
        """How many of a registry's queued tags may not run yet."""
        later = or_(tags.c.run_at.is_(None), tags.c.run_at > self._clock.now())
        counting = select(func.count()).select_from(tags).where(status_is("queued"), _touches([registry]), later)
        async with self._database.read() as connection:
            return await connection.scalar(counting) or 0

    async def fingerprint_of(self, registry: str) -> str | None:
        """The fingerprint that was given to `hold`."""
        async with self._database.read() as connection:
            asking = select(registries.c.fingerprint).where(registries.c.registry == registry)
            found: str | None = await connection.scalar(asking)
            return found

    async def requeue(self, *, failed: bool = False, targets: Collection[str] = (), tag: str | None = None) -> int:
        """Queue again, in a new round: every failed tag, or those of these targets, or one tag of theirs.

        `failed`: failed ones only; otherwise whatever the targets have, but what rules leave out and what upstream
        no longer has, unless it is named. Lifts pauses that stand in the way, and with them all that waits there.
        """
        now = self._clock.now()
        scope = tags.c.target.in_(targets) if targets else or_(status_is("failed"), status_is("queued"))
        if tag is not None:
            scope &= tags.c.tag == tag
        chosen = and_(scope, status_is("failed") if failed else _worth_another_round(named=tag is not None))
        async with self._database.write(alone=True) as connection:
            lifted = await _lift(connection, scope)
            again = and_(or_(chosen, _freed(lifted)), not_(status_is("running")), tags.c.source_digest.is_not(None))
            number = (await connection.execute(update(tags).where(again).values(_new_round("requeued", now)))).rowcount
            await _hold_back(connection, now)
        return number

    async def withdraw_items(self, targets: Collection[str]) -> int:
        """Take out of the queue what belongs to items that items.yml no longer has (targets: those that it has)."""
        foreign = tags.c.target.not_in(targets)
        async with self._database.write(alone=True) as connection:
            await connection.execute(update(tags).where(status_is("running"), foreign).values(withdrawn=True))
            number = 0
            for status in (status_is("queued"), status_is("failed")):  # each has an index of its own
                number += (await connection.execute(update(tags).where(status, foreign).values(_WITHDRAWN))).rowcount
        return number

    async def outstanding(self, targets: Collection[str] | None = None) -> Outstanding:
        """The work that is left, of these targets; None: of all."""
        now = self._clock.now()
        later = tags.c.run_at > now
        queued = select(
            func.count().filter(tags.c.run_at <= now),
            func.count().filter(later),
            func.count().filter(tags.c.run_at.is_(None)),
            func.min(tags.c.run_at).filter(later),
        ).where(status_is("queued"))
        running = select(func.count()).select_from(tags).where(status_is("running"))
        if targets is not None:
            queued = queued.where(tags.c.target.in_(targets))
            running = running.where(tags.c.target.in_(targets))
        async with self._database.read() as connection:
            due, waiting, held, next_at = (await connection.execute(queued)).one()
            return Outstanding(due, waiting, held, await connection.scalar(running) or 0, next_at)


def _new_round(reason: str, now: datetime | BindParameter[datetime]) -> _Values:
    return {"status": "queued", "reason": reason, "attempts": 0, "run_at": now, "error": null(), "error_kind": null()}


def _choose(choices: Sequence[tuple[ColumnElement[bool], _Values]], otherwise: _Values) -> _Values:
    """One UPDATE's values, by the first condition that holds; a column that a choice does not name keeps its value."""
    names = dict.fromkeys(name for values in (*(values for _, values in choices), otherwise) for name in values)
    return {
        name: case(*((condition, _typed(name, values)) for condition, values in choices), else_=_typed(name, otherwise))
        for name in names
    }


def _typed(name: str, values: _Values) -> ColumnElement[Any]:
    column = tags.c[name]
    value = values.get(name, column)
    return value if isinstance(value, ColumnElement) else literal(value, column.type)


_SYNCED: _Values = {"status": "synced", "reason": null(), "run_at": null(), "error": null(), "error_kind": null()}
_WITHDRAWN: _Values = {
    **_SYNCED,
    "status": case((tags.c.mirrored_digest.is_not(None), "synced"), else_="skipped"),
    "reason": case((tags.c.mirrored_digest.is_not(None), null()), else_="withdrawn"),
}
_UNLEASED: _Values = {
    "lease_token": null(), "lease_owner": null(), "lease_expires_at": null(), "withdrawn": False,
}  # fmt: skip


# The statements of every job, built once: building one takes longer than running it.


def _claiming(among: ColumnElement[bool]) -> ReturningUpdate[Any]:
    due = select(tags.c.id).where(
        status_is("queued"), tags.c.run_at.is_not(None), tags.c.run_at <= bindparam("now"), among
    )
    first = due.order_by(tags.c.rank, tags.c.run_at, tags.c.id).limit(1).with_for_update(skip_locked=True)
    return (
        update(tags)
        .where(tags.c.id == first.scalar_subquery())
        .values(
            status="running",
            # What it waited for is over; what an earlier attempt met stays readable.
            error=case((tags.c.reason == _PAUSED, null()), else_=tags.c.error),
            reason=null(),
            attempts=tags.c.attempts + 1,
            run_at=null(),
            lease_token=bindparam("token"),
            lease_owner=bindparam("owner"),
            lease_expires_at=bindparam("expires_at"),
            claimed_at=bindparam("now"),
        )
        .returning(tags)
    )


_CLAIM = _claiming(true())


@dataclass(frozen=True, slots=True)
class _End:
    """How a claimed tag ends that was not copied: `_END`'s parameters, with `the_` before them."""

    status: Status
    reason: str | None = None
    run_at: datetime | None = None
    error: str | None = None
    error_kind: str | None = None
    uncounted: int = 0  # attempts that did not count


def _ending(told: _Values, *, withdrawn: _Values, always: _Values) -> ReturningUpdate[Any]:
    """End a job: as told, unless it is withdrawn, or upstream has moved on."""
    moved_on = or_(
        tags.c.source_digest != bindparam("the_digest"),
        tags.c.platforms.is_distinct_from(bindparam("the_platforms", type_=String)),
    )
    now = bindparam("now", type_=tags.c.run_at.type)
    choices = [(tags.c.withdrawn.is_(True), withdrawn), (moved_on, _new_round("changed", now))]
    return (
        update(tags)
        .where(tags.c.id == bindparam("the_id"), status_is("running"), tags.c.lease_token == bindparam("the_token"))
        .values({**_choose(choices, told), **_UNLEASED, **always})
        .returning(tags.c.status, tags.c.source_digest, tags.c.pushed_at, tags.c.platform_digests, tags.c.claimed_at)
    )


def _told(name: str) -> BindParameter[Any]:
    return bindparam(f"the_{name}", type_=tags.c[name].type)


_END = _ending(
    {
        **{name: _told(name) for name in ("status", "reason", "run_at", "error", "error_kind")},
        "attempts": tags.c.attempts - bindparam("the_uncounted", type_=Integer),
    },
    withdrawn=_WITHDRAWN,
    always={},
)
_SUCCEED = _ending(
    _SYNCED,
    withdrawn=_SYNCED,
    always={
        "mirrored_digest": bindparam("the_digest"),
        "mirrored_platforms": bindparam("the_platforms", type_=String),
        "target_digest": bindparam("the_target_digest"),
        "identical": bindparam("is_identical"),
        "degraded": bindparam("the_degraded", type_=String),
        "synced_at": bindparam("now", type_=tags.c.synced_at.type),
    },
)


async def _end(connection: Transaction, ending: Update, job: Job, now: datetime, told: _Values) -> Row[Any] | None:
    """Write back under the lease. None: it was lost, nothing was written."""
    mine = {"the_id": job.id, "the_token": job.token, "the_digest": job.digest, "the_platforms": job.platforms}
    return (await connection.execute(ending, {**mine, "now": now, **told})).one_or_none()


class _Merge:
    """What one walk brings, merged into the rows of one item, a chunk of names at a time."""

    def __init__(
        self,
        item: ItemKey,
        seen: Mapping[str, SeenTag],
        gone: frozenset[str],
        verdicts: Mapping[str, Verdict],
        now: datetime,
    ) -> None:
        self.names = list(dict.fromkeys([*seen, *verdicts, *gone]))
        self.enqueued = self.withdrawn = 0
        self._item = item_columns(item)
        self._seen = seen
        self._gone = gone
        self._verdicts = verdicts
        self._now = now

    async def write(self, connection: Transaction, names: Sequence[str]) -> None:
        here = and_(tags.c.target == self._item["target"], tags.c.tag.in_(names))
        rows = await connection.execute(select(tags.c.tag, tags.c.id, *(tags.c[name] for name in COLUMNS)).where(here))
        known = {tag: (key, TagState(*state)) for tag, key, *state in rows}
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for name in names:
            key, before = known.get(name, (None, TagState()))
            after = self._merged(name, before)
            if key is None:
                new.append({**self._item, "tag": name, **_columns_of(after), "last_seen_at": self._now})
            elif after != before:
                changed.append({"key": key, **_columns_of(after)})
        if new:
            await connection.execute(tags.insert(), new)
        if changed:
            await connection.execute(_CHANGE, changed)
        seen_again = [name for name in names if name in known and name in self._seen]
        if seen_again:
            await connection.execute(
                update(tags)
                .where(tags.c.target == self._item["target"], tags.c.tag.in_(seen_again))
                .values(last_seen_at=self._now)
            )

    def _merged(self, name: str, before: TagState) -> TagState:
        after = replace(before)
        if (seen := self._seen.get(name)) is not None:
            after.see(seen, self._now)
        if (verdict := self._verdicts.get(name)) is not None:
            after.judge(verdict, self._now)
        if name in self._gone:
            after.lose(self._now)
        self.enqueued += after.status == "queued" != before.status
        self.withdrawn += before.status == "queued" != after.status
        return after


_CHANGE = update(tags).where(tags.c.id == bindparam("key")).values({name: bindparam(name) for name in COLUMNS})


def _columns_of(state: TagState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in COLUMNS}


async def _rename(connection: Transaction, item: ItemKey, now: datetime) -> None:
    """items.yml may have given the target another name, source or platforms."""
    here = tags.c.target == item.target
    columns = item_columns(item)
    # What was held behind the registry of the old source is due: `_hold_back` looks at the new one.
    freed = and_(here, status_is("queued"), tags.c.source_registry != columns["source_registry"], _waits_for_registry())
    await connection.execute(update(tags).where(freed).values(run_at=now, reason=null(), error=null()))
    differs = or_(*(tags.c[name].is_distinct_from(columns[name]) for name in ("item", "source", "platforms")))
    await connection.execute(update(tags).where(here, differs).values(columns))


async def _record(
    connection: Transaction,
    job: Job,
    outcome: Outcome,
    started_at: datetime,
    finished_at: datetime,
    *,
    bytes_moved: int = 0,
    bytes_reused: int = 0,
    error: str | None = None,
    kind: str | None = None,
) -> None:
    await connection.execute(
        attempts.insert(),
        {
            "tag_id": job.id, "started_at": started_at, "finished_at": finished_at, "outcome": outcome,
            "digest": job.digest, "bytes_moved": bytes_moved, "bytes_reused": bytes_reused,
            "error": error, "error_kind": kind,
        },
    )  # fmt: skip


def _lost_attempt(row: Row[Any], now: datetime) -> dict[str, Any]:
    return {
        "tag_id": row.id, "started_at": row.claimed_at, "finished_at": now, "outcome": _LOST,
        "digest": row.source_digest, "bytes_moved": 0, "bytes_reused": 0,
        "error": f"{row.lease_owner} stopped without a result", "error_kind": _LOST,
    }  # fmt: skip


def _history_line(job: Job, row: Row[Any]) -> dict[str, Any]:
    """The line of the old files. Theirs from Docker Hub name the image for linux/amd64, not the index."""
    if row.source_digest != job.digest:  # the row speaks of the next digest already
        return {"tag_id": job.id, "digest": job.digest, "pushed_at": None}
    of_platforms = row.platform_digests or {}
    digest = of_platforms.get("linux/amd64") if job.source.startswith(f"{DOCKER_HUB}/") else None
    return {"tag_id": job.id, "digest": digest or job.digest, "pushed_at": row.pushed_at}


async def _hold_back(connection: Transaction, now: datetime) -> None:
    """Move what is queued behind the pauses in force. Whatever queues a tag calls it, in its own transaction."""
    for pause in (await connection.execute(select(registries).where(_in_force(now)))).all():
        runs = tags.c.run_at.is_not(None) if pause.until is None else tags.c.run_at < pause.until
        early = and_(status_is("queued"), _touches([pause.registry]), runs)
        await connection.execute(
            update(tags).where(early).values(run_at=pause.until, reason=_PAUSED, error=pause.error, error_kind=null())
        )


def _in_force(now: datetime) -> ColumnElement[bool]:
    return or_(registries.c.until.is_(None), registries.c.until > now)


def _touches(hosts: Collection[str]) -> ColumnElement[bool]:
    return or_(tags.c.source_registry.in_(hosts), tags.c.target_registry.in_(hosts))


def _waits_for_registry() -> ColumnElement[bool]:
    return or_(tags.c.run_at.is_(None), tags.c.reason == _PAUSED)


def _freed(hosts: Collection[str] | None) -> ColumnElement[bool]:
    """What the end of these registries' pauses (None: of all) sets free."""
    waits = or_(
        and_(status_is("queued"), _waits_for_registry()), and_(status_is("failed"), tags.c.error_kind == "login")
    )
    return waits if hosts is None else and_(waits, _touches(hosts))


def _worth_another_round(*, named: bool) -> ColumnElement[bool]:
    """What `requeue` without `failed` means: a tag that was named, or all of an item but what nobody would copy."""
    left_out = and_(status_is("skipped"), tags.c.error.is_(None))  # by a rule; a worker that skips tells why
    return not_(status_is("running")) if named else and_(not_(left_out), tags.c.gone_at.is_(None))


async def _lift(connection: Transaction, scope: ColumnElement[bool]) -> list[str]:
    """End the pauses that stand in the way of these tags; their registries."""
    pair = select(tags.c.source_registry, tags.c.target_registry).where(scope).distinct()
    hosts = {host for row in await connection.execute(pair) for host in row}
    lifting = delete(registries).where(registries.c.registry.in_(hosts)).returning(registries.c.registry)
    return list((await connection.execute(lifting)).scalars())
