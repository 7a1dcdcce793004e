"""The one verdict on the mirror, for the page, /readyz, messages and the command line: is it complete, and if not, why?

`judge` is pure. Its signals are sorted, the worst first; the first one decides the state.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.errors import Collapsed
from ferryman.item_names import Named
from ferryman.kinds import DamageKind, FreezeReason
from ferryman.liveness import Liveness, check_liveness
from ferryman.operations.refused_deletes import refusing_registries
from ferryman.operations.signals import (
    ChangesHeld,
    Complete,
    CycleFailed,
    DatabaseFails,
    DeletesRefused,
    ItemsFrozen,
    ItemsUnseen,
    LoginRefused,
    NobodyRuns,
    NothingRecorded,
    NotLookedYet,
    PausedByHand,
    ProcessFault,
    PutBack,
    Quarantined,
    QueueStuck,
    RequestsLimited,
    RoleMissing,
    Signal,
    State,
    TagsDamaged,
    TagsFailed,
    TagsRetried,
    TagsUnread,
    Working,
)
from ferryman.operations.subjects import registries_of
from ferryman.record import Record
from ferryman.store.queries.causes import Cause, lookup_causes
from ferryman.store.queries.counts import TagCounts, total
from ferryman.store.queries.standing import Standing, read_standing
from ferryman.store.queue.lease_owners import host_of
from ferryman.store.records import ManualPause, Paused, RegistryState

_SCHEDULING, _COPYING = {"run", "scheduler"}, {"run", "worker"}  # roles
_DAMAGES: tuple[DamageKind, ...] = ("lost", "missing", "incomplete", "changed")  # the worst first
_COLLAPSES: tuple[FreezeReason, ...] = ("changed", "vanished", "unavailable")  # the worst first
_STUCK_AFTER = timedelta(minutes=15)  # a worker takes a due tag at once, and is told of new ones within seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the mirror is."""

    signals: tuple[Signal, ...]  # at least one, the worst first
    counts: TagCounts  # of all items
    items: int
    standing: Standing | None  # what was judged; None: the database could not be read

    @property
    def worst(self) -> Signal:
        """What matters most."""
        return self.signals[0]

    @property
    def state(self) -> State:
        """In one word."""
        return self.worst.state

    @property
    def ready(self) -> bool:
        """Whether Ferryman itself works: for readiness probes. Tags that fail are the registries' matter."""
        return self.state != "ill" and not any(isinstance(each, NobodyRuns) for each in self.signals)

    @property
    def troubles(self) -> tuple[Signal, ...]:
        """The signals that ask for a person."""
        return tuple(each for each in self.signals if each.state in {"ill", "incomplete"})


async def read_verdict(record: Record, items: Sequence[Named], *, now: datetime) -> Verdict:
    """The verdict now, on these items. Raises StoreError."""
    async with record.database.read() as connection:
        standing = await read_standing(connection, {item.target for item in items}, now)
    return judge(standing, items, liveness_of(record, standing))


def liveness_of(record: Record, standing: Standing) -> list[Liveness]:
    """The liveness of the processes, with what this machine knows of them."""
    locks = record.locks()
    return check_liveness(standing.services, now=standing.at, dead=locks.free, existing=locks.held)


def judge(standing: Standing, items: Sequence[Named], liveness: Sequence[Liveness]) -> Verdict:
    """The verdict on what was read. `items`: of items.yml; their source and target say which registries hold them."""
    by_target = {item.target: item for item in reversed(items)}  # an item may have former names, after its present one
    judging = _Judging(standing, by_target, liveness)
    return Verdict(tuple(judging.signals()), judging.sum, len(by_target), standing)


def unreadable(error: str) -> Verdict:
    """The verdict if the database cannot be read or written."""
    return Verdict((DatabaseFails(error=error),), TagCounts(), 0, None)


def pause_of(item: Named, paused: Paused) -> ManualPause | None:
    """The person's pause that holds an item back, the widest one; None: it is not paused."""
    return paused.of_item(item.target, item.source)


class _Judging:
    def __init__(self, standing: Standing, items: Mapping[str, Named], liveness: Sequence[Liveness]) -> None:
        self._standing = standing
        self._items = items
        self._liveness = liveness
        self.sum = total(list(standing.counts.values()))
        self._refused = {each.registry for each in standing.registries if each.until is None}

    def signals(self) -> Iterator[Signal]:
        """Everything there is to say, the worst first."""
        found = [*self._illnesses(), *self._failures(), *self._pauses(), *self._work()]
        yield from found or [self._all_is_well()]
        if self.sum.quarantined:
            yield Quarantined(tags=self.sum.quarantined)
        if self.sum.put_back:
            yield PutBack(tags=self.sum.put_back)
        if not any(each.alive for each in self._liveness):
            yield NobodyRuns()

    def _illnesses(self) -> Iterator[Signal]:
        for each in self._liveness:
            if each.fault is not None:
                host = host_of(each.service.owner)
                yield ProcessFault(role=each.service.role, host=host, fault=each.fault.kind, since=each.fault.since)
        roles = {each.service.role for each in self._liveness if each.alive}
        if roles and not roles & _SCHEDULING:
            yield RoleMissing(role="scheduler")
        if roles and not roles & _COPYING:
            yield RoleMissing(role="worker")
        cycle = self._standing.cycle
        if cycle is not None and cycle.outcome == "failed":
            yield CycleFailed(since=cycle.ended_at, error=cycle.error)
        if roles & _COPYING and (stuck := self._stuck()):
            yield stuck

    def _stuck(self) -> QueueStuck | None:
        """Whether tags that nobody has paused wait for workers who do nothing."""
        paused = self._standing.pauses
        free = [
            each
            for target, each in self._standing.counts.items()
            if not paused.holds(target, self._items[target].source)
        ]
        waiting = total(free)
        latest = self._standing.at - _STUCK_AFTER
        last = self._standing.attempt_at
        is_idle = self.sum.running == 0 and (last is None or last < latest)
        if waiting.due_since is None or waiting.due_since > latest or not is_idle:
            return None
        return QueueStuck(since=waiting.due_since, tags=waiting.due)

    def _failures(self) -> Iterator[Signal]:
        for state in self._standing.registries:
            if state.until is None:
                yield self._refusal(state)
        for cause in self._causes("failed"):
            missing = cause.tags - cause.outdated
            yield TagsFailed(
                kind=cause.kind, registry=cause.registry, missing=missing, outdated=cause.outdated,
                items=len(cause.targets), since=cause.since,
            )  # fmt: skip
        yield from self._frozen()
        for looked in lookup_causes(self._standing.lookup_failures):
            is_told = looked.kind == "login" and looked.registry in self._refused
            if not is_told and looked.kind != Collapsed.kind:
                yield ItemsUnseen(
                    kind=looked.kind, registry=looked.registry, since=looked.since,
                    items=len(looked.failures), name=looked.failures[0].item,
                )  # fmt: skip
        yield from self._damage()
        if self.sum.changed:
            items = sum(each.changed > 0 for each in self._standing.counts.values())
            yield ChangesHeld(tags=self.sum.changed, items=items)
        for cause in self._causes("synced"):
            yield TagsUnread(
                kind=cause.kind, registry=cause.registry, tags=cause.tags, items=len(cause.targets), since=cause.since
            )
        for each in refusing_registries(self._standing.refused_deletes, self._items):
            yield DeletesRefused(registry=each.registry, tags=each.tags, items=len(each.items), since=each.since)

    def _frozen(self) -> Iterator[Signal]:
        """What looks have found collapsed."""
        frozen = [each for each in self._standing.freezes if each.target in self._items]
        for reason in _COLLAPSES:
            found = [each for each in frozen if each.reason == reason]
            if found:
                since = min(each.since for each in found)
                yield ItemsFrozen(reason=reason, items=len(found), name=found[0].item, since=since)

    def _damage(self) -> Iterator[Signal]:
        """What verifications have found, and nothing repairs."""
        for kind in _DAMAGES:
            found = [each for each in self._standing.damaged if each.kind == kind]
            if found:
                since = min(each.since for each in found)
                yield TagsDamaged(finding=kind, tags=sum(each.tags for each in found), items=len(found), since=since)

    def _causes(self, status: str) -> list[Cause]:
        """The causes of this status, most tags first, without those that a refused login tells of."""
        found = [each for each in self._standing.causes if each.status == status and not self._is_refusal(each)]
        return sorted(found, key=lambda cause: cause.tags, reverse=True)

    def _is_refusal(self, cause: Cause) -> bool:
        return cause.kind == "login" and cause.registry in self._refused

    def _refusal(self, state: RegistryState) -> LoginRefused:
        held = {target: counts for target, counts in self._behind(state.registry).items() if counts.held}
        failed = [
            each
            for each in self._standing.causes
            if each.status == "failed" and each.kind == "login" and each.registry == state.registry
        ]
        outdated = sum(each.outdated_queued for each in held.values()) + sum(each.outdated for each in failed)
        tags = sum(each.queued for each in held.values()) + sum(each.tags for each in failed)
        unseen = [
            each.target
            for each in self._standing.lookup_failures
            if each.error_kind == "login" and each.registry == state.registry
        ]
        return LoginRefused(
            registry=state.registry, since=state.since, missing=tags - outdated, outdated=outdated,
            items=len({*held, *(target for each in failed for target in each.targets)}), unseen=len(unseen),
        )  # fmt: skip

    def _behind(self, registry: str) -> dict[str, TagCounts]:
        """The items that this registry can hold up."""
        counts = self._standing.counts
        return {target: counts[target] for target in self._items if registry in registries_of([self._items[target]])}

    def _pauses(self) -> Iterator[Signal]:
        for pause in self._standing.pauses.all:
            only = Paused.of([pause])
            held = [counts for target, counts in self._standing.counts.items() if pause_of(self._items[target], only)]
            yield PausedByHand(
                scope=pause.scope, name=self._name_of(pause), actor=pause.actor, since=pause.since,
                queued=total(held).queued,
            )  # fmt: skip

    def _name_of(self, pause: ManualPause) -> str:
        item = self._items.get(pause.name) if pause.scope == "item" else None
        return item.name if item else pause.name

    def _work(self) -> Iterator[Signal]:
        for cause in self._causes("queued"):
            yield TagsRetried(
                kind=cause.kind, registry=cause.registry, tags=cause.tags, items=len(cause.targets), since=cause.since
            )
        for state in self._standing.registries:
            if state.until is not None:
                tags = sum(counts.waiting + counts.held for counts in self._behind(state.registry).values())
                yield RequestsLimited(registry=state.registry, until=state.until, since=state.since, tags=tags)
        free = self.sum.queued - self.sum.quarantined
        if free or self.sum.running:
            yield Working(queued=free, running=self.sum.running, since=self.sum.due_since)
        unseen = {*self._items} - {*self._standing.walked_at} - {each.target for each in self._standing.lookup_failures}
        if unseen and len(unseen) < len(self._items):
            yield NotLookedYet(items=len(unseen))

    def _all_is_well(self) -> Signal:
        if not self._standing.walked_at and not self.sum.wanted:
            return NothingRecorded()
        return Complete(tags=self.sum.synced, items=len(self._items), since=self.sum.synced_at)
