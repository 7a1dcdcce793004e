"""The queue: which tags are to be copied, which worker has claimed them, and the result.

One row of `tags` is one tag of one item, and its `status` is its place in the queue. So a tag cannot be queued twice,
and two workers cannot both hold it: every write-back names the lease's token.

    (new) --apply--> queued --claim--> running --succeed--> synced
                       ^  ^               |------fail-----> failed   (for good; with retry_at: queued again)
                       |  |               |------skip-----> skipped
                       |  '--return_to_queue/defer/reclaim--'        (no result: not counted as an attempt)
                       '--- apply (changed upstream) / requeue --- synced, failed, skipped
    queued --apply (not wanted any more)--> synced (it was mirrored before) or skipped

While a tag runs, upstream may change, or the tag may no longer be wanted: `apply` records that and lets it run. The end
of the job takes it into account: with another digest, or other platforms, the tag is queued again in a new round; one
that is not wanted any more (`withdrawn`) leaves the queue. A lease that expires while its process lives, or is not
visible from here, counts as an attempt, because the tag may be what hangs. After the last attempt it is `failed`.

A pause, of a registry (see pauses.py) or by a person (see manual_pauses.py), changes no tag: `claim` passes over what
is paused, by an index, however much that is (see first_due.py). `cancel` takes the lease away: the tag is `failed`, and
its worker stops the copy.

Claims, and the results of jobs, that arrive at the same time share a transaction (see batcher.py).
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Row,
    Update,
    and_,
    case,
    delete,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    union,
    update,
)

from ferryman import log
from ferryman.clock import Clock
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import (
    HELD,
    UNREAD,
    TagCondition,
    attempts,
    freezes,
    lookup_failures,
    registries,
    status_is,
    tags,
)
from ferryman.store.queue import clock_repair
from ferryman.store.queue.audit import note_action
from ferryman.store.queue.batcher import Batcher
from ferryman.store.queue.claims import ClaimRequest, Claims
from ferryman.store.queue.frozen import forget_freezes
from ferryman.store.queue.item_queues import read_queue_totals
from ferryman.store.queue.lapsed_leases import LapsedLeases
from ferryman.store.queue.looks import count_ends
from ferryman.store.queue.merge import Merge
from ferryman.store.queue.pauses import (
    ending,
    forgetting,
    lift_pauses,
    paused_at,
    pauses_over,
    read_paused,
    refused,
    released,
    touches,
)
from ferryman.store.queue.results import Result, record
from ferryman.store.queue.statements import (
    END,
    SUCCEED,
    SYNCED,
    WITHDRAWN,
    End,
    Values,
    choose,
    due_at,
    new_round,
    unleased,
)
from ferryman.store.records import (
    CANCELLED,
    Applied,
    Intent,
    ItemKey,
    Job,
    Look,
    Outcome,
    Outstanding,
    PlannedTag,
    RegistryState,
    SeenTag,
    Share,
    Status,
    Walk,
    registries_of,
)  # fmt: skip
from ferryman.wakeup import Wakeup

_TRIES_REMEMBERED = timedelta(days=2)  # how long the tries of a refused login count; it is tried at least once a day
_LOST: Literal["lost"] = (
    "lost"  # kind and outcome of a tag whose worker stopped without a result (dead process, or lapsed lease)
)


class Queue:
    """One process's view of the queue. All calls raise StoreError.

    `owner`: the process's name (see lease_owners.py); None: it claims nothing.
    """

    def __init__(
        self,
        database: Database,
        *,
        owner: str | None,
        clock: Clock,
        lease: timedelta,
        max_attempts: int,
        longest_wait: timedelta = timedelta(),
    ) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._lease = lease
        self._max_attempts = max_attempts  # expired leases after which a tag fails for good
        self._longest_wait = longest_wait  # between two attempts at a tag
        self._lapsed = LapsedLeases(lease=lease)
        self._claiming = Claims(owner, clock, lease)
        lock = asyncio.Lock()  # shared: what waits for the single write connection can still join the next batch
        self._claims = Batcher(self._claim, lock=lock)
        self._results = Batcher(self._record, lock=lock)
        self.filled = Wakeup()  # notified when this process has made tags due
        self.on_cancel: Callable[[str], object] = lambda _: None  # called with the token of a lease taken away here

    async def apply(
        self,
        item: ItemKey,
        seen: Sequence[SeenTag],
        *,
        gone: Collection[str],
        planned: Sequence[PlannedTag],
        walk: Walk,
        look: Look | None = None,
    ) -> Applied:
        """Record what a walk listed and enqueue what the planner wants, in one transaction. The lookup has succeeded.

        A running tag keeps running; if upstream has changed meanwhile, `succeed` queues it again.
        A failed or skipped tag that is wanted (`copy`) starts a new round: attempts 0, error cleared.
        A queued tag keeps its attempts and run_at (a new digest starts a new round).
        Tags in `gone` leave the queue.
        `look`: what to record of the look itself; None: nothing, for it lists no tags.
        A freeze of the item ends: see `store/freezes.py`.
        A walk that began before the last applied one, or before the item was found to be frozen, is outdated: it
        changes nothing. A recorded walk in the future
        was written under a clock that was ahead, and does not count as a later one.
        """
        now = self._clock.now()
        walk = replace(
            walk, walked_at=min(walk.walked_at, now), completed_at=min(walk.completed_at, now), listed_at=now
        )
        by_name = {each.tag: each for each in seen}, frozenset(gone), {each.tag: each for each in planned}
        merge = Merge(item, *by_name, now, walk=walk, look=look)
        await self._database.write_at_once(merge.write, exclusive=True)
        if merge.enqueued:
            self.filled.notify()
        return Applied(enqueued=merge.enqueued, withdrawn=merge.withdrawn)

    async def claim(self, targets: Collection[str] | None = None, *, share: Share | None = None) -> Job | None:
        """Claim the next due tag (of these targets; None: of all) under a new lease, or None. One UPDATE … RETURNING.

        With a `share`, it claims no tag of a source registry of which this owner runs that many already. Nothing that
        is paused is claimed.
        A cancelled call may still have claimed a tag: `reclaim` this owner's leases when the process stops.
        """
        return await self._claims.submit((None if targets is None else frozenset(targets), share))

    async def _claim(self, requests: Sequence[ClaimRequest]) -> list[Job | None]:
        claims = self._claiming
        return await self._database.write_at_once(lambda connection: claims.claim(connection, requests))

    async def heartbeat(self) -> frozenset[str]:
        """Renew every lease of this owner in one statement. Returns the tokens of the leases that it still holds.

        Call it every third of a lease.
        """
        renewal = (
            update(tags)
            .where(status_is("running"), tags.c.lease_owner == self._owner)
            .values(lease_expires_at=self._clock.now() + self._lease)
            .returning(tags.c.lease_token)
        )
        # Exclusive: concurrent results lock their rows in another order, which could deadlock.
        async with self._database.write(exclusive=True) as connection:
            return frozenset((await connection.execute(renewal)).scalars())

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
        referrers: str | None = None,
    ) -> bool:
        """Record a copy: synced (or queued again, if upstream has changed). False: lease lost, nothing was written."""
        parameters = {
            "new_target_digest": target_digest, "new_identical": identical,
            "new_degraded": degraded, "new_referrers": referrers,
        }  # fmt: skip
        return await self._results.submit(
            Result(job, SUCCEED, parameters, "synced", started_at, bytes_moved=bytes_moved, bytes_reused=bytes_reused)
        )

    async def fail(
        self,
        job: Job,
        *,
        started_at: datetime,
        kind: str,
        error: str,
        retry_at: datetime | None,
        registry: str | None = None,
    ) -> bool:
        """Record a failed attempt: failed, or queued for a retry at `retry_at`. False: lease lost.

        `registry`: the one that caused the error.
        """
        status: Status = "queued" if retry_at else "failed"
        end = End(status, kind, run_at=retry_at, error=error, error_kind=kind, error_registry=registry, failed=True)
        return await self._end(job, end, "failed", started_at=started_at)

    async def skip(self, job: Job, *, started_at: datetime, reason: str, error: str) -> bool:
        """Record that the tag is skipped: the source has nothing to copy. False: lease lost."""
        end = End("skipped", reason=reason, error=error, error_kind=reason)
        return await self._end(job, end, "skipped", started_at=started_at)

    async def return_to_queue(self, job: Job) -> bool:
        """Release the lease: the tag is due again, and the attempt does not count. False: lease lost."""
        return await self._end(job, End("queued", run_at=self._clock.now(), uncounted=1), "handed-back")

    async def defer(
        self, job: Job, *, until: datetime | None, reason: str, error: str, registry: str | None = None
    ) -> bool:
        """Queue the tag again because `registry` is paused `until` then; the attempt does not count.

        None: until the login is accepted. False: lease lost.
        """
        run_at = self._clock.now()
        if until is not None and registry not in registries_of(job.target, job.source):
            run_at = until  # that registry's pause does not hold the tag back
        end = End("queued", reason, run_at=run_at, error=error, error_kind=reason, error_registry=registry, uncounted=1)
        return await self._end(job, end, "handed-back")

    async def _end(self, job: Job, end: End, outcome: Outcome, *, started_at: datetime | None = None) -> bool:
        parameters = {f"end_{name}": value for name, value in asdict(end).items()}
        return await self._results.submit(
            Result(
                job,
                END,
                parameters,
                outcome,
                started_at,
                error=end.error,
                error_kind=end.error_kind,
                error_registry=end.error_registry,
            )
        )

    async def _record(self, results: Sequence[Result]) -> list[bool]:
        now = self._clock.now()
        return await self._database.write_at_once(lambda connection: record(connection, results, now))

    async def cancel(self, target: str, tag: str, *, intent: Intent) -> bool:
        """Take a running tag's lease away: it is `failed` until the next look or `requeue`, or leaves the queue if it
        is not wanted any more. False: it does not run, and nothing was changed.

        Its worker learns that at once in this process (`on_cancel`), elsewhere by its next heartbeat.
        """
        now = self._clock.now()
        error = f"cancelled by {intent.actor}; the next look, or `ferryman requeue`, tries it again"
        failed: Values = {
            "status": "failed", "reason": CANCELLED, "run_at": None, "error": error, "error_kind": CANCELLED,
            "error_registry": None, "failed_at": func.coalesce(tags.c.failed_at, literal(now, tags.c.failed_at.type)),
        }  # fmt: skip
        here = and_(status_is("running"), tags.c.target == target, tags.c.tag == tag)
        ending = update(tags).values({**choose([(tags.c.withdrawn, WITHDRAWN)], failed), **unleased(CANCELLED)})
        async with self._database.write() as connection:
            row = (await connection.execute(select(tags).where(here).with_for_update())).one_or_none()
            if row is None:
                return False
            await connection.execute(ending.where(tags.c.id == row.id))
            await connection.execute(attempts.insert(), _ended_attempt(row, now, CANCELLED, error))
            await note_action(connection, intent, now, 1)
        self.on_cancel(row.lease_token)
        return True

    async def release(self, target: str, tag: str, *, intent: Intent) -> bool:
        """Let the digest that upstream has now through, however young it is. False: it is not in quarantine."""
        now = self._clock.now()
        until = tags.c.quarantined_until
        wanted = or_(status_is("queued"), status_is("running"))  # one that runs copies an earlier digest
        held = and_(tags.c.target == target, tags.c.tag == tag, wanted, until > now)
        run_at = case((tags.c.run_at == until, literal(now, until.type)), else_=tags.c.run_at)
        changes = {
            "released_digest": tags.c.source_digest,
            "quarantined_until": null(),
            "run_at": run_at,
            "reason": null(),
        }
        async with self._database.write() as connection:
            if not (await connection.execute(update(tags).where(held).values(changes))).rowcount:
                return False
            await note_action(connection, intent, now, 1)
        self.filled.notify()
        return True

    async def cancellation(self, job: Job) -> str | None:
        """Why a job has no lease any more, if a person has cancelled it, and its tag was not claimed since."""
        query = select(tags.c.error).where(tags.c.id == job.id, tags.c.reason == CANCELLED)
        async with self._database.read() as connection:
            found: str | None = await connection.scalar(query)
            return found

    async def reclaim(self, dead_owners: Collection[str] = ()) -> int:
        """Queue again the tags of lapsed leases and of dead owners. Returns their number.

        An attempt of a dead owner does not count, that of a lapsed lease does; both are recorded as `lost`.
        A lease has lapsed if this process has seen it without renewal for its whole length: call it every third of
        a lease.
        """
        now = self._clock.now()
        dead = tags.c.lease_owner.in_(dead_owners)
        used_up = and_(not_(dead), tags.c.attempts >= self._max_attempts)
        message = (
            f"{self._max_attempts} workers stopped or hung while copying it; see their logs, then `ferryman requeue`"
        )
        failed = {
            "status": "failed", "reason": _LOST, "run_at": None, "error": message, "error_kind": _LOST,
            "error_registry": None, "failed_at": func.coalesce(tags.c.failed_at, literal(now, tags.c.failed_at.type)),
        }  # fmt: skip
        again = {
            "status": "queued",
            "reason": _LOST,
            "run_at": due_at(now),
            "attempts": tags.c.attempts - case((dead, 1), else_=0),
        }
        async with self._database.write(exclusive=True) as connection:
            running = (await connection.execute(select(tags).where(status_is("running")))).all()
            ends = {row.lease_token: row.lease_expires_at for row in running}
            lapsed = self._lapsed.among(ends, now=now, monotonic=self._clock.monotonic())
            rows = [row for row in running if row.lease_owner in dead_owners or row.lease_token in lapsed]
            for chunk in chunks(rows):
                lost = [_ended_attempt(row, now, _LOST, f"{row.lease_owner} stopped without a result") for row in chunk]
                await connection.execute(attempts.insert(), lost)
                choices = [(tags.c.withdrawn, WITHDRAWN), (used_up, failed)]
                await connection.execute(
                    update(tags)
                    .where(tags.c.id.in_([row.id for row in chunk]))
                    .values({**choose(choices, again), **unleased(_LOST)})
                )
            failing = [row for row in rows if row.lease_owner not in dead_owners and not row.withdrawn]
            lost_for_good = [row.target for row in failing if row.attempts >= self._max_attempts]
            await connection.run_sync(partial(count_ends, failed=lost_for_good))
        return len(rows)

    async def repair_times(self, *, thorough: bool = False) -> None:
        """Repair times that were written under a clock that was ahead: such tags would not run until it caught up.

        `thorough`: repair even without a sign of such a clock; that reads the whole queue.
        """
        now = self._clock.now()
        async with self._database.read() as connection:
            if not thorough and not await clock_repair.is_needed(connection, now):
                return
        async with self._database.write(exclusive=True) as connection:
            number = await clock_repair.repair(connection, now, longest_wait=self._longest_wait)
        if number:
            log.get().warning(
                "clock_repaired", message="the clock was ahead when tags were queued: they wait no longer", tags=number
            )
            self.filled.notify()

    async def pause(
        self, registry: str, *, until: datetime | None, error: str, login_fingerprint: str | None = None
    ) -> bool:
        """Hold back a registry's queued tags (as source or target) until `until`; None: until `resume`. Changes none.

        A pause only gets longer: a rate limit does not end the pause of a refused login. False: it was as long already.
        """
        now = self._clock.now()
        pause: Values = {"until": until, "error": error, "since": now, "fingerprint": login_fingerprint}
        again = dict(pause)
        longer = None if until is None else registries.c.until < until
        if until is None:
            pause["tried_at"] = again["tried_at"] = now
            # Resumed on trial, and refused again: the earlier tries count.
            again["tries"] = case((registries.c.tried_at > now - _TRIES_REMEMBERED, registries.c.tries), else_=0)
        async with self._database.write(exclusive=True) as connection:
            upsert = connection.insert(registries).values(registry=registry, **pause)
            written = await connection.execute(
                upsert.on_conflict_do_update(index_elements=["registry"], set_=again, where=longer)
            )
        return written.rowcount > 0

    async def resume(self, registry: str, *, intent: Intent | None = None) -> int:
        """End a registry's pause: the tags that it holds back, and those that failed with kind `login`, become due.

        `intent`: of the person who does that. Returns the number of tags.
        """
        return await self._end_pause(forgetting, registry, intent)

    async def resume_on_trial(self, registry: str) -> int:
        """As `resume`, but the number of tries is kept, in case the login is refused again."""
        return await self._end_pause(ending, registry)

    async def claim_login(self, state: RegistryState) -> bool:
        """Count a try of a refused login. False: another process tries it, or the registry is not paused any more."""
        statement = (
            update(registries)
            .where(
                registries.c.registry == state.registry,
                registries.c.until.is_(None),
                registries.c.tried_at.is_not_distinct_from(state.tried_at),
            )
            .values(tried_at=self._clock.now(), tries=registries.c.tries + 1)
        )
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount > 0

    async def uncount_login(self, registry: str) -> None:
        """Take back a try that failed without the login being refused."""
        statement = update(registries).where(registries.c.registry == registry, registries.c.tries > 0)
        async with self._database.write() as connection:
            await connection.execute(statement.values(tries=registries.c.tries - 1))

    async def _end_pause(
        self, end: Callable[[Collection[str], datetime], Update], registry: str, intent: Intent | None = None
    ) -> int:
        now = self._clock.now()
        async with self._database.write(exclusive=True) as connection:
            pause = (await read_paused(connection, now)).states.get(registry)
            parts = released([pause]) if pause else [refused([registry])]
            number = sum([await _count(connection, [part]) for part in parts])  # no tag is in two of them
            await connection.execute(end([registry], now))
            await connection.execute(update(tags).where(refused([registry])).values(new_round(None, now)))
            await note_action(connection, intent, now, number)
        self.filled.notify()
        return number

    async def paused_registries(self) -> list[RegistryState]:
        """The registries that are paused now."""
        paused = await self._database.read_at_once(partial(paused_at, now=self._clock.now()))  # for each look
        return list(paused.states.values())

    async def count_waiting(self, registry: str) -> int:
        """How many of a registry's queued tags may not run yet."""
        now = self._clock.now()
        queued = and_(status_is("queued"), touches([registry]))
        async with self._database.read() as connection:
            is_paused = registry in (await read_paused(connection, now)).states
            return await _count(connection, [queued if is_paused else and_(queued, tags.c.run_at > now)])

    async def login_fingerprint_of(self, registry: str) -> str | None:
        """The `login_fingerprint` that was given to `pause`."""
        async with self._database.read() as connection:
            query = select(registries.c.fingerprint).where(registries.c.registry == registry)
            found: str | None = await connection.scalar(query)
            return found

    async def requeue(
        self,
        *,
        failed: bool = False,
        targets: Collection[str] | None = None,
        tag: str | None = None,
        among: TagCondition | None = None,
        lifting: Collection[str] | None = None,
        intent: Intent | None = None,
    ) -> int:
        """Queue again, in a new round: the tags of these targets (None: of all), or one tag of theirs.

        `failed`: only failed ones. Otherwise all, except tags that the rules exclude or upstream no longer has, unless
        `tag` names them. `among`: only those that meet this condition, too. Also ends the pauses that hold these tags
        back (`lifting`: only of these registries), with all that waits for them, but no person's pause. `intent`: of
        the person who does that. Returns the number of tags.
        """
        now = self._clock.now()
        scope, chosen = _to_requeue(failed, targets, tag, among)
        again_from_the_start = {**new_round("requeued", now), "probed_at": null()}  # the next look asks upstream, too
        async with self._database.write(exclusive=True) as connection:
            pauses = await lift_pauses(connection, scope, now, lifting)
            number = await _count(connection, _requeued([chosen, *released(pauses)]))
            changed = [and_(chosen, not_(_is_fresh(now))), refused([each.registry for each in pauses])]
            again = update(tags).where(or_(*_requeued(changed)))
            await connection.execute(again.values(again_from_the_start))
            await note_action(connection, intent, now, number)
        if number:
            self.filled.notify()
        return number

    async def count_requeue(
        self,
        *,
        failed: bool = False,
        targets: Collection[str] | None = None,
        tag: str | None = None,
        among: TagCondition | None = None,
        lifting: Collection[str] | None = None,
    ) -> int:
        """How many tags `requeue` would queue again now."""
        scope, chosen = _to_requeue(failed, targets, tag, among)
        async with self._database.read() as connection:
            pauses = await pauses_over(connection, scope, self._clock.now(), lifting)
            return await _count(connection, _requeued([chosen, *released(pauses)]))

    async def items_to_requeue(
        self, *, failed: bool, targets: Collection[str], tag: str | None, among: TagCondition | None
    ) -> list[str]:
        """The items of the tags that `requeue` would choose, also of those that only a look can read. By target."""
        _, chosen = _to_requeue(failed, targets, tag, among)
        async with self._database.read() as connection:
            return list((await connection.execute(select(tags.c.target).where(chosen).distinct())).scalars())

    async def withdraw_items(self, targets: Collection[str]) -> int:
        """Take the tags of former items out of the queue. `targets`: those that items.yml has. Returns their number."""
        foreign = tags.c.target.not_in(targets)
        async with self._database.write(exclusive=True) as connection:
            await connection.execute(update(tags).where(status_is("running"), foreign).values(withdrawn=True))
            number = 0
            for status in (status_is("queued"), status_is("failed")):  # each has an index of its own
                number += (await connection.execute(update(tags).where(status, foreign).values(WITHDRAWN))).rowcount
            await connection.execute(update(tags).where(UNREAD, foreign).values(SYNCED))
            await connection.execute(delete(lookup_failures).where(lookup_failures.c.target.not_in(targets)))
            await connection.run_sync(partial(forget_freezes, which=freezes.c.target.not_in(targets)))
        return number

    async def outstanding(self, targets: Collection[str] | None = None) -> Outstanding:
        """The remaining work of these targets; None: of all."""
        now = self._clock.now()
        async with self._database.read() as connection:
            queued = await read_queue_totals(connection, now, targets)
            running = select(func.count()).select_from(tags).where(status_is("running"))
            if targets is not None:
                running = running.where(tags.c.target.in_(targets))
            number = await connection.scalar(running) or 0
        return Outstanding(
            queued.due, queued.waiting, queued.held, number, queued.next_at, queued.paused, queued.quarantined
        )


async def _count(connection: Transaction, parts: Collection[ColumnElement[bool]]) -> int:
    """How many tags there are for which one of these holds.

    A UNION, because each part has its own index; for an OR, SQLite would scan the table.
    """
    if len(parts) == 1:  # without the sorting of a UNION
        return await connection.scalar(select(func.count()).select_from(tags).where(*parts)) or 0
    found = union(*(select(tags.c.id).where(part) for part in parts)).subquery()
    return await connection.scalar(select(func.count()).select_from(found)) or 0


def _ended_attempt(row: Row[Any], now: datetime, outcome: Outcome, error: str) -> dict[str, Any]:
    """The attempt at a running tag that ends without its worker's result. The outcome is its error's kind as well."""
    return {
        "tag_id": row.id, "started_at": min(row.claimed_at, now), "finished_at": now, "outcome": outcome,
        "digest": row.source_digest, "bytes_moved": 0, "bytes_reused": 0,
        "error": error, "error_kind": outcome, "error_registry": None,
        "target": row.target,
    }  # fmt: skip


def _to_requeue(
    failed: bool,
    targets: Collection[str] | None,
    tag: str | None,
    among: TagCondition | None,
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The tags whose registries' pauses end, and those of them that are queued again in any case."""
    scope = or_(status_is("failed"), status_is("queued")) if failed else true()
    if targets is not None:
        scope = and_(scope, tags.c.target.in_(targets))
    if tag is not None:
        scope &= tags.c.tag == tag
    if among is not None:
        scope &= among
    return scope, and_(scope, status_is("failed") if failed else _may_be_requeued(named=tag is not None))


def _requeued(parts: Collection[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """Those of these tags that can be queued again."""
    free = and_(not_(status_is("running")), tags.c.source_digest.is_not(None), not_(HELD))
    return [and_(part, free) for part in parts]


def _is_fresh(now: datetime) -> ColumnElement[bool]:
    """Whether a tag is queued already as a new round would be: there may be many, which need not be written."""
    return and_(status_is("queued"), tags.c.attempts == 0, tags.c.error.is_(None), tags.c.run_at <= now)


def _may_be_requeued(*, named: bool) -> ColumnElement[bool]:
    """Which tags `requeue` without `failed` takes: a named tag, or those of an item that may be copied."""
    left_out = and_(status_is("skipped"), tags.c.error.is_(None))  # by a rule; a worker that skips records an error
    return not_(status_is("running")) if named else and_(not_(left_out), tags.c.gone_at.is_(None))
