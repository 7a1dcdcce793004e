"""Look up the sources: discover tags, plan, enqueue. The failure of one item does not stop the others."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from ferryman import log, planner
from ferryman.clock import Clock
from ferryman.collapse import Found, collapse_of, unavailable
from ferryman.discovery.base import TagLister, TagProblem, UpstreamTag
from ferryman.discovery.image_details import platform_digests
from ferryman.discovery.list_reader import ListReader, reading
from ferryman.discovery.listers.choose import lister_for
from ferryman.discovery.referrers import fingerprints
from ferryman.discovery.survey import Survey, survey
from ferryman.errors import (
    Collapsed,
    Denied,
    LoginRefused,
    NotFound,
    RateLimited,
    StoreError,
    TransferError,
    Unreachable,
    defect_message,
)
from ferryman.events import CycleEnded, CycleStarted, Events, ItemLooked, LookStarted, traceback_of
from ferryman.items.model import Configuration, Item
from ferryman.kinds import ListerName
from ferryman.planner import Decision, Mirrored, RuleSelector
from ferryman.platforms import Platform
from ferryman.probing import Probe, ProbeRules, next_probe
from ferryman.quiet_looks import Candidate, QuietLooks
from ferryman.recorded_tags import item_key, upstream_tag
from ferryman.reference import subject_of
from ferryman.refusals import resting
from ferryman.registry.client import RegistryClient
from ferryman.registry_pauses import RegistryPauses
from ferryman.store.cycles import CycleLog
from ferryman.store.freezes import Freezes, KnownFreeze
from ferryman.store.ledger import Ledger
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.queue.queue import Queue
from ferryman.store.quiet_looks import QuietLookLog
from ferryman.store.records import (
    HELD_CHANGED,
    Collapse,
    Look,
    PlannedPrune,
    PlannedTag,
    SeenTag,
    TagRecord,
    Walk,
)
from ferryman.store.signatures import SignatureLog
from ferryman.tasks import compute, for_each, for_each_by_owner
from ferryman.verification.routine import Routine, interval

# Which tags' digests a look asks for: those that are due, all, or only those that could not be read the last time.
Extent = Literal["due", "all", "unread"]

_UNREADABLE: planner.Reason = "unreadable"
_LOOKUP_TIMEOUT = 2 * 3600.0  # seconds for one item
_MOST_NAMED = 20  # tags in one line of the log
_INDEXES_AT_ONCE = 32  # of one item; the registry's own limit applies as well
_ITEMS_AT_ONCE = 8  # concurrent lookups; each registry's own limit applies as well


@dataclass(frozen=True, slots=True)
class ItemLookup:
    """The result of one item's lookup: upstream's tags, and the planner's decisions."""

    item: Item
    survey: Survey
    decisions: Sequence[Decision]
    walk: Walk
    records: Mapping[str, TagRecord] = field(default_factory=dict)  # of the tags before this lookup
    last: Walk | None = None  # the previous lookup
    absent_pins: Sequence[str] = ()  # tags that `pin` names, but upstream does not have
    unmatched_includes: Sequence[str] = ()  # patterns of `include` that match no tag of upstream's
    probes: Mapping[str, Probe] = field(default_factory=dict)  # of tags that were asked for before, by name
    candidate: Candidate | None = None  # for a quiet look the next time
    collapse: Collapse | None = None  # for which the item is, or stays, frozen: nothing is planned
    prunes: Mapping[str, PlannedPrune] = field(default_factory=dict)  # of tags that leave the target, by name

    @property
    def depends_on_list_only(self) -> bool:
        """Whether nothing else may make the next lookup differ, and this one reports no trouble."""
        asks = self.survey.requests or self.probes
        reports = self.survey.problems or self.absent_pins or self.unmatched_includes
        return not asks and not reports and all(each.action not in {"fail", "wait"} for each in self.decisions)

    @property
    def rested(self) -> Mapping[str, Probe]:
        """The wanted tags that were not asked for, for their time had not come: their digest is the recorded one."""
        wanted = {decision.tag for decision in self.decisions if decision.action != "skip"}
        resting = _rested(self.probes, self.walk.walked_at) - self.survey.probed
        return {name: self.probes[name] for name in resting & wanted}


class _CollapseFound(Collapsed):
    """A look has found that upstream collapsed."""

    def __init__(self, item: Item, collapse: Collapse, *, looked_at: datetime) -> None:
        super().__init__(
            f"{item.source} has collapsed: {collapse.detail}. Nothing of {item.name} is copied, overwritten or removed "
            f"until upstream is as it was; `ferryman release {item.name}` accepts what it has now",
            registry=item.source.registry,
        )
        self.collapse = collapse
        self.looked_at = looked_at  # when the look began


@dataclass(frozen=True, slots=True)
class UnreadableTag:
    """A wanted tag that could not be read."""

    target: str
    tag: str
    error: str
    temporary: bool  # a retry may succeed


@dataclass(frozen=True, slots=True)
class ChangedTag:
    """A version tag that names another digest upstream than before."""

    target: str
    tag: str
    held: bool  # not copied until a person releases it


@dataclass(frozen=True, slots=True)
class Cycle:
    """The result of one cycle."""

    enqueued: int
    failed: Mapping[str, str]  # errors of the items whose lookup failed, by target
    unread: Sequence[UnreadableTag] = ()
    paused: frozenset[str] = frozenset()  # the targets of the items that persons have paused: nothing was listed
    changed: Sequence[ChangedTag] = ()  # found by this cycle

    def followed_by(self, later: "Cycle", items: Collection[Item]) -> "Cycle":
        """Merge both results; for `items`, which the later cycle looked up again, its result counts."""
        again = {str(item.target) for item in items}
        failed = {target: error for target, error in self.failed.items() if target not in again}
        unread = [each for each in self.unread if each.target not in again or each.target in later.failed]
        enqueued, unread = self.enqueued + later.enqueued, [*unread, *later.unread]
        paused, changed = (self.paused - again) | later.paused, [*self.changed, *later.changed]
        return Cycle(enqueued, {**failed, **later.failed}, unread, paused, changed)


@dataclass(slots=True)
class _Noted:
    """What the lookups of a cycle have found, while it goes on."""

    unread: list[UnreadableTag] = field(default_factory=list)
    changed: list[ChangedTag] = field(default_factory=list)


class Scheduler:
    """Looks up items and keeps the queue up to date with their sources."""

    def __init__(
        self,
        *,
        queue: Queue,
        ledger: Ledger,
        cycles: CycleLog,
        owner: str,
        registry: RegistryClient,
        pauses: RegistryPauses,
        quiet_looks: QuietLookLog,
        manual_pauses: ManualPauses,
        freezes: Freezes,
        routine: Routine,
        clock: Clock,
        native: Platform,
        complete_walk: timedelta,
        interval: timedelta,
        signatures: SignatureLog,
        events: Events,
    ) -> None:
        self._queue = queue
        self._ledger = ledger
        self._cycles = cycles
        self._owner = owner
        self._registry = registry
        self._pauses = pauses
        self._manual_pauses = manual_pauses
        self._freezes = freezes
        self._routine = routine
        self._clock = clock
        self._native = native
        self._quiet = QuietLooks(quiet_looks, clock=clock, native=native, is_due=self._is_due)
        self._events = events
        self._complete_walk = complete_walk  # interval between two complete walks
        self._interval = interval  # between two cycles
        self._signatures = signatures
        self._listers: dict[tuple[str, ListerName | None], TagLister] = {}

    async def cycle(
        self,
        configuration: Configuration,
        items: Sequence[Item],
        *,
        again: bool = False,
        only_unread: bool = False,
        requested: bool = False,
        every_tag: Collection[str] = (),
    ) -> Cycle:
        """Look up every item of `items` and enqueue what is new or changed. Raises StoreError.

        Items that a person has paused are left out. `again`: a further cycle of the same sync, which does not retry
        refused logins. `only_unread`: list nothing, only read the tags that could not be read the last time.
        `requested`: by a person or a webhook. `every_tag`: the targets of the items of which upstream is asked for
        every tag, not only for those that are due. Several cycles may run at once.
        """
        ended = CycleEnded("stopped", len(items), again=again, requested=requested)
        began = self._clock.monotonic()
        self._events.emit(CycleStarted(len(items), again=again, requested=requested))
        key = None
        try:
            if not again and not requested:
                key = await self._cycles.begin(self._owner, items=len(items), now=self._clock.now())
            extents = {str(item.target): _extent(item, every_tag, only_unread=only_unread) for item in items}
            cycle = await self._cycle(configuration, items, again=again, extents=extents)
            ended = replace(ended, outcome="done", enqueued=cycle.enqueued, items_failed=len(cycle.failed))
            ended = replace(ended, items_paused=len(cycle.paused))
            await self._record_end(key, ended)
        except Exception as error:
            ended = replace(ended, outcome="failed", error=str(error))
            with suppress(StoreError):  # the database may be what failed
                await self._record_end(key, ended)
            raise
        finally:
            self._events.emit(replace(ended, seconds=self._clock.monotonic() - began))
        return cycle

    async def _record_end(self, key: int | None, ended: CycleEnded) -> None:
        if key is not None:
            await self._cycles.end(
                key,
                outcome=ended.outcome,
                now=self._clock.now(),
                items_failed=ended.items_failed,
                enqueued=ended.enqueued,
                error=ended.error,
            )

    async def _cycle(
        self, configuration: Configuration, items: Sequence[Item], *, again: bool, extents: Mapping[str, Extent]
    ) -> Cycle:
        await self._queue.repair_times(thorough=True)
        await self._pauses.resume_recovered()
        if not again:
            await self._pauses.retry_refused_logins(await self._unpaused_hosts(items))
        enqueued = 0
        failed: dict[str, str] = {}
        noted = _Noted()
        paused: set[str] = set()

        async def one(item: Item) -> None:
            nonlocal enqueued
            began = self._clock.monotonic()
            with log.bound(item=item.name):
                if (looked := await self._note_pause(item)) is not None:
                    paused.add(str(item.target))
                    self._events.emit(looked)
                    return
                self._events.emit(LookStarted(item.name, str(item.source), str(item.target)))
                try:
                    async with _time_limit(item):
                        looked = await self._look_with_login_retry(
                            configuration, item, noted, extents[str(item.target)]
                        )
                    enqueued += looked.enqueued + looked.requeued
                except TransferError as error:
                    looked = await self._record_lookup_failure(item, error)
                    failed[str(item.target)] = str(error)
                except StoreError:
                    raise
                except Exception as error:  # noqa: BLE001 - a defect with one item's responses
                    looked = await self._record_defect(item, error)
                    failed[str(item.target)] = str(looked.error)
                self._events.emit(replace(looked, seconds=self._clock.monotonic() - began))

        await for_each_by_owner(items, one, at_once=_ITEMS_AT_ONCE, owner=lambda item: item.source.registry)
        return Cycle(enqueued, failed, tuple(noted.unread), frozenset(paused), tuple(noted.changed))

    async def _unpaused_hosts(self, items: Iterable[Item]) -> set[str]:
        """The registries of the items that no person has paused."""
        paused = await self._manual_pauses.read()
        going = [item for item in items if not paused.of_item(str(item.target), item.source.registry)]
        return {registry for item in going for registry in item.registries}

    async def _note_pause(self, item: Item) -> ItemLooked | None:
        """Record that an item is not looked at, because a person has paused it; None: it is not paused."""
        pause = (await self._manual_pauses.read()).of_item(str(item.target), item.source.registry)
        if pause is None:
            return None
        message = f"paused by {pause.actor}"
        await self._ledger.note_paused_look(str(item.target), message, now=self._clock.now())
        return ItemLooked(item.name, str(item.source), str(item.target), "paused", message, "paused")

    async def look(self, configuration: Configuration, item: Item) -> ItemLookup:
        """Discover and plan one item; changes nothing. Raises TransferError."""
        async with self._reading(configuration, item) as listing:
            return await self._look(item, listing, extent="due")

    @asynccontextmanager
    async def _reading(self, configuration: Configuration, item: Item) -> AsyncIterator[ListReader]:
        """Read the source's list, unless its registry is paused. Raises TransferError."""
        await self._pauses.check(item.source.registry)
        self._registry.forget_refusals(item.source.registry)  # the recorded pauses decide
        began = self._clock.now()
        try:
            async with reading(self._lister(configuration, item.source.registry), item.source) as listing:
                yield listing
        except (Denied, NotFound) as error:
            if (collapse := await self._unavailable(item, error)) is None:
                raise
            raise _CollapseFound(item, collapse, looked_at=began) from error

    async def _unavailable(self, item: Item, error: TransferError) -> Collapse | None:
        """The collapse, if upstream says "private or missing" of a repository that was mirrored before."""
        target = str(item.target)
        if not item.collapse or error.registry not in {None, item.source.registry}:
            return None
        records = _present(item, (await self._ledger.recorded(target)).tags)
        wanted = _wanted(
            RuleSelector(item.rules, item.platforms, self._native), _known(records, self._clock.now()).values()
        )
        return unavailable(records, str(error), wanted=wanted, known=await self._freezes.find(target))

    async def _look(self, item: Item, listing: ListReader, *, extent: Extent) -> ItemLookup:
        recorded = await self._ledger.recorded(str(item.target))
        records, last = recorded.tags, recorded.walk
        rules = _rules(item)
        same_rules = last is not None and last.rules == rules
        now = self._clock.now()
        freeze = await self._freezes.find(str(item.target))
        only_unread = extent == "unread" and same_rules and freeze is None
        complete = bool(records) if last is None else not same_rules or self._is_due(last.completed_at, now)
        complete = (complete or freeze is not None) and not only_unread
        mirrored = {name: _mirrored(record, same_rules=same_rules) for name, record in records.items()}
        lacking = {name: record.lacking_platforms for name, record in mirrored.items() if record.lacking_platforms}
        selector = RuleSelector(item.rules, item.platforms, self._native, lacking)
        probes = await compute(lambda: self._probes(item, records, now), size=len(records))
        rested = frozenset() if extent == "all" else _rested(probes, now) - (freeze.lost.keys() if freeze else set())
        found = await survey(
            lister=None if only_unread else listing,
            client=self._registry,
            repository=item.source,
            known=_known(records, now),
            selector=selector,
            unread={name for name, record in records.items() if record.reason == _UNREADABLE},
            rested=rested,
            complete=complete,
        )
        asked = found.seen - (rested - found.probed) - _unread_digests(found)
        if collapse := await self._collapse(item, selector, found, _present(item, records), asked=asked, freeze=freeze):
            walk = Walk(walked_at=now, completed_at=now, rules=rules)
            return ItemLookup(
                item, found, await self._frozen(item, found, mirrored), walk, records, last, collapse=collapse
            )
        if same_rules and extent == "due":
            mirrored |= await self._refused(item, found, mirrored, records)
        found, decisions = await self._planned(item, found, mirrored)
        if complete and item.rules.referrers:
            changed = await self._changed_referrers(item, decisions, records)
            mirrored |= {name: replace(mirrored[name], referrers_changed=True) for name in changed}
            decisions = await self._plan(item, found, mirrored)
        completed_at = now if complete or last is None else last.completed_at
        walk = Walk(walked_at=now, completed_at=completed_at, rules=rules)
        absent, idle = _absent(selector.pinned_names, found), _idle(item, selector, found)
        looked = ItemLookup(item, found, decisions, walk, records, last, absent, idle, probes)
        # A complete walk may have read more of the list than the next one will, and asks for referrers.
        is_usual = not (complete and (listing.may_end_early or item.rules.referrers))
        if is_usual and not only_unread and looked.depends_on_list_only:
            walked = listing.walked(complete=found.complete)
            return replace(looked, candidate=self._quiet.candidate(item, walked, recorded.state, rules=rules))
        return looked

    async def _collapse(
        self,
        item: Item,
        selector: RuleSelector,
        found: Survey,
        records: Mapping[str, TagRecord],
        *,
        asked: Collection[str],
        freeze: KnownFreeze | None,
    ) -> Collapse | None:
        """Whether upstream has collapsed, as far as this look can tell: of a part of the list, nothing is missing.

        `records`: of the tags that upstream had. `asked`: those whose digest it has told.
        """
        if not item.collapse or (freeze is None and not found.gone and not _moved(found, records)):
            return None
        known = _known(records, self._clock.now())

        def compare() -> Collapse | None:
            now = Found({tag.name: tag.digest for tag in found.tags}, _wanted(selector, found.tags), asked)
            return collapse_of(records, _wanted(selector, known.values()), now, percent=item.collapse, known=freeze)

        return await compute(compare, size=len(records))

    async def _frozen(self, item: Item, found: Survey, mirrored: Mapping[str, Mirrored]) -> Sequence[Decision]:
        """What would be decided, with whatever would change a tag as waiting."""
        return [planner.frozen(each) for each in await self._plan(item, found, mirrored)]

    async def _refused(
        self, item: Item, found: Survey, mirrored: Mapping[str, Mirrored], records: Mapping[str, TagRecord]
    ) -> Mapping[str, Mirrored]:
        """Those of the mirrored tags whose signatures were refused, and that are not tried again yet."""
        if item.signatures is None:
            return {}
        refused, now = await self._signatures.refused(str(item.target)), self._clock.now()
        names = resting(refused, found.tags, records, cycle=self._interval, now=now)
        return {name: replace(mirrored[name], refused=True) for name in names}

    def _probes(self, item: Item, records: Mapping[str, TagRecord], now: datetime) -> dict[str, Probe]:
        """The next question for each tag that was asked for before; others are told by the list, or are new."""
        rules = ProbeRules.of(item)
        return {
            name: next_probe(record, rules, cycle=self._interval, now=now)
            for name, record in records.items()
            if record.probed_at is not None
        }

    def _is_due(self, completed_at: datetime, now: datetime) -> bool:
        """Whether the last complete walk is too old, or was recorded under a clock that was ahead."""
        return now < completed_at or now - completed_at >= self._complete_walk

    def _lister(self, configuration: Configuration, registry: str) -> TagLister:
        """The registry's lister, cached across cycles: Docker Hub's keeps its login token."""
        entry = configuration.registries.get(registry)
        override = entry.lister if entry else None
        if (registry, override) not in self._listers:
            self._listers[registry, override] = lister_for(registry, client=self._registry, override=override)
        return self._listers[registry, override]

    async def _planned(
        self, item: Item, found: Survey, mirrored: Mapping[str, Mirrored]
    ) -> tuple[Survey, Sequence[Decision]]:
        """Plan. If imported digests may be those of a platform's image, read these indexes and plan again."""
        decisions = await self._plan(item, found, mirrored)
        uncertain = {decision.tag for decision in decisions if decision.uncertain}
        if not uncertain:
            return found, decisions
        tags = {tag.name: tag for tag in found.tags}

        async def read(name: str) -> None:
            tags[name] = await self._with_platforms(item, tags[name])

        await for_each(sorted(uncertain), read, at_once=_INDEXES_AT_ONCE)
        found = replace(found, tags=tuple(tags.values()), seen=found.seen | uncertain)
        return found, await self._plan(item, found, mirrored)

    async def _plan(self, item: Item, found: Survey, mirrored: Mapping[str, Mirrored]) -> Sequence[Decision]:
        now = self._clock.now()

        def plan() -> Sequence[Decision]:
            return planner.plan(
                item.rules, item.platforms, self._native, found.tags, mirrored, now=now, problems=found.problems
            )

        return await compute(plan, size=len(found.tags))

    async def _changed_referrers(
        self, item: Item, decisions: Sequence[Decision], records: Mapping[str, TagRecord]
    ) -> list[str]:
        """The mirrored tags whose referrers upstream have changed. Referrers that are tags are found by the listing."""
        kept = {
            each.tag: each.digest
            for each in decisions
            if each.reason == "up-to-date" and each.digest and not subject_of(each.tag)
        }
        now = await fingerprints(self._registry, item.source, set(kept.values()))
        return [tag for tag, digest in kept.items() if digest in now and now[digest] != (records[tag].referrers or "")]

    async def _with_platforms(self, item: Item, tag: UpstreamTag) -> UpstreamTag:
        try:
            digests = await platform_digests(self._registry, item.source.pinned(tag.digest or ""))
        except (RateLimited, LoginRefused):
            raise
        except TransferError as error:
            log.get().warning(
                "index_unreadable",
                message="cannot read the index: the tag is copied again",
                tag=tag.name,
                error=str(error),
            )
            return tag
        return replace(tag, platforms=digests)

    async def _look_with_login_retry(
        self, configuration: Configuration, item: Item, noted: "_Noted", extent: Extent
    ) -> ItemLooked:
        """Look up and enqueue; after a refused login that is accepted on retry, once more."""
        try:
            return await self._look_and_enqueue(configuration, item, noted, extent)
        except LoginRefused as error:
            if not await self._pauses.retry_login(error.registry or item.source.registry):
                raise
        return await self._look_and_enqueue(configuration, item, noted, extent)

    async def _look_and_enqueue(
        self, configuration: Configuration, item: Item, noted: "_Noted", extent: Extent
    ) -> ItemLooked:
        async with self._reading(configuration, item) as listing:
            if extent == "due" and (quiet := await self._quiet.find(item, listing, rules=_rules(item))):
                return _looked(item, quiet)
            looked = await self._look(item, listing, extent=extent)
            if looked.collapse is not None:
                raise _CollapseFound(item, looked.collapse, looked_at=looked.walk.walked_at)
            return await self._plan_and_enqueue(item, looked, noted, extent)

    async def _plan_and_enqueue(self, item: Item, looked: ItemLookup, noted: "_Noted", extent: Extent) -> ItemLooked:
        problems = {problem.tag: problem for problem in looked.survey.problems}
        noted.unread += _unread(looked, problems)
        for problem in problems.values():
            error = problem.error
            log.get().warning(
                "tag_unreadable",
                message="cannot read a tag",
                tag=problem.tag,
                about=problem.about,
                kind=error.kind,
                error=str(error),
            )
        if looked.absent_pins:
            log.get().warning("pins_missing", message="upstream lacks pinned tags", pins=", ".join(looked.absent_pins))
        noted.changed += (changes := _changed_versions(looked))
        _report_changes([each for each in changes if not each.held], "they are copied")
        _report_changes([each for each in changes if each.held], "they are held: `ferryman release` or `ferryman keep`")
        if looked.unmatched_includes and extent != "unread":
            log.get().warning(
                "includes_unmatched",
                message="no upstream tag matches a pattern of include",
                include=", ".join(looked.unmatched_includes),
            )
        applied = await self._queue.apply(
            item_key(item),
            _all_seen(looked.survey, problems),
            gone=looked.survey.gone,
            planned=[
                _planned_tag(decision, looked.records.get(decision.tag), problems.get(decision.tag))
                for decision in looked.decisions
            ],
            walk=looked.walk,
            look=None if extent == "unread" else Look(tags=len(looked.survey.tags), complete=looked.survey.complete),
        )
        kept = {decision.tag for decision in looked.decisions if decision.action in {"keep", "adopt"}}
        requeued = await self._check_target(item, kept, elapsed=_elapsed(looked, most=interval(item.verify)))
        if looked.candidate is not None and not requeued:
            until = await self._routine.next_due(item, kept)
            await self._quiet.settle(item, looked.candidate, walked_at=looked.walk.walked_at, until=until)
        return replace(
            _looked(item, Look(len(looked.survey.tags), looked.survey.complete)),
            enqueued=applied.enqueued,
            withdrawn=applied.withdrawn,
            gone=len(looked.survey.gone),
            requeued=requeued,
        )

    async def _check_target(self, item: Item, kept: Collection[str], *, elapsed: timedelta | None) -> int:
        """Verify mirrored tags at the target, as far as due. Returns the number of requeued tags."""
        due = await self._routine.due(item, kept, elapsed=elapsed)
        if not due.tags:
            return 0
        try:
            await self._pauses.check(item.target.registry)
        except LoginRefused:  # reported already
            return 0
        return await self._routine.verify(item, due)

    async def _record_lookup_failure(self, item: Item, error: TransferError) -> ItemLooked:
        """Record the failure. The next cycle retries; a refused login pauses its registry, and is reported once."""
        registry = error.registry or item.source.registry
        paused = False
        if isinstance(error, LoginRefused):
            paused = not await self._pauses.pause_after_refusal(registry, error=str(error))
        elif isinstance(error, RateLimited) and error.registry and error.retry_at:
            await self._pauses.pause_until(error.registry, until=error.retry_at, error=str(error))
        found = error if isinstance(error, _CollapseFound) else None
        await self._ledger.note_lookup_failure(
            item_key(item), str(error), now=self._clock.now(), kind=error.kind, registry=registry, paused=paused,
            collapse=found.collapse if found else None, looked_at=found.looked_at if found else None,
        )  # fmt: skip
        outcome: Literal["failed", "paused"] = "paused" if paused else "failed"
        return ItemLooked(item.name, str(item.source), str(item.target), outcome, str(error), error.kind)

    async def _record_defect(self, item: Item, error: Exception) -> ItemLooked:
        message = defect_message(error)
        await self._ledger.note_lookup_failure(item_key(item), message, now=self._clock.now(), kind="defect")
        return ItemLooked(
            item.name, str(item.source), str(item.target), "failed", message, "defect", traceback_of(error)
        )


@asynccontextmanager
async def _time_limit(item: Item) -> AsyncIterator[None]:
    """Raise Unreachable if the lookup of an item takes too long, so that the cycle can end."""
    try:
        async with asyncio.timeout(_LOOKUP_TIMEOUT) as timeout:
            yield
    except TimeoutError:
        if not timeout.expired():
            raise
        message = (
            f"{item.source} could not be looked at within {_LOOKUP_TIMEOUT / 3600:.0f} h; the next cycle tries again"
        )
        raise Unreachable(message, registry=item.source.registry) from None


def _rules(item: Item) -> str:
    return planner.rules_fingerprint(item.rules, item.platforms, str(item.source), item.signatures)


def _looked(item: Item, look: Look) -> ItemLooked:
    return ItemLooked(item.name, str(item.source), str(item.target), "looked", tags=look.tags, complete=look.complete)


def _elapsed(looked: ItemLookup, *, most: timedelta) -> timedelta | None:
    """Since the previous lookup. `most`: of the time of the quiet ones before it, which verified nothing."""
    if looked.last is None:
        return None
    now, last = looked.walk.walked_at, looked.last
    return max(now - last.walked_at, min(now - (last.listed_at or last.walked_at), most))


def _present(item: Item, records: Mapping[str, TagRecord]) -> dict[str, TagRecord]:
    """The tags that upstream had at the last look, not those of another source, which the user has changed.

    Nor those that were imported, and that no look has found upstream yet: they may be gone for years.
    """
    return {
        name: record
        for name, record in records.items()
        if record.gone_at is None and record.last_seen_at is not None and record.source == str(item.source)
    }


def _wanted(selector: RuleSelector, tags: Iterable[UpstreamTag]) -> set[str]:
    """The names of the wanted tags, without referrers, which come and go with their images."""
    return {tag.name for tag in selector.select(tags) if subject_of(tag.name) is None}


def _absent(pins: Iterable[str], found: Survey) -> tuple[str, ...]:
    """The pins that upstream does not have. A tag that could not be read may exist, so it is not among them."""
    existing = {tag.name for tag in found.tags} | {problem.tag for problem in found.problems}
    return tuple(pin for pin in pins if pin not in existing)


def _idle(item: Item, selector: RuleSelector, found: Survey) -> tuple[str, ...]:
    """The patterns of `include` without a match; none, if the walk ended early because the limit was reached."""
    if not found.complete and selector.is_limit_reached(found.tags):
        return ()
    return planner.unmatched_includes(item.rules, [tag.name for tag in found.tags])


def _rested(probes: Mapping[str, Probe], now: datetime) -> frozenset[str]:
    return frozenset(name for name, probe in probes.items() if not probe.is_due(now))


def _moved(found: Survey, records: Mapping[str, TagRecord]) -> list[str]:
    """The tags that have another digest now than before."""
    return [
        tag.name
        for tag in found.tags
        if (record := records.get(tag.name))
        and record.source_digest not in {None, tag.digest}
        and tag.digest is not None
    ]


def _unread_digests(found: Survey) -> set[str]:
    return {problem.tag for problem in found.problems if problem.about == "digest"}


def _changed_versions(looked: ItemLookup) -> list[ChangedTag]:
    """The wanted version tags that this lookup has found to name another digest, or is the first to hold."""
    found = []
    for decision in looked.decisions:
        record = looked.records.get(decision.tag)
        if record is None or decision.action == "skip" or decision.reason == "kept":
            continue
        held = decision.reason == HELD_CHANGED
        is_new = record.reason != HELD_CHANGED if held else _is_changed_version(looked.item, record, decision)
        if is_new or (held and record.source_digest != decision.digest):
            found.append(ChangedTag(record.target, decision.tag, held=held))
    return found


def _is_changed_version(item: Item, record: TagRecord, decision: Decision) -> bool:
    known = {None, record.source_digest, record.mirrored_digest}
    is_changed = record.source_digest is not None and decision.digest not in known
    return is_changed and item.rules.on_change_of(decision.tag) != "copy"


def _report_changes(changes: Sequence[ChangedTag], what_is_done: str) -> None:
    if changes:
        log.get().warning(
            "version_tags_changed",
            message=f"upstream has changed version tags: {what_is_done}",
            tags=", ".join(each.tag for each in changes[:_MOST_NAMED]),
            number=len(changes),
        )


def _unread(looked: ItemLookup, problems: Mapping[str, TagProblem]) -> list[UnreadableTag]:
    """The wanted tags that could not be read, including mirrored and queued ones, whose record stays unchanged."""
    failed = {decision.tag: decision.detail for decision in looked.decisions if decision.action == "fail"}
    failed |= {
        decision.tag: str(problems[decision.tag].error)
        for decision in looked.decisions
        if decision.reason == "queued" and decision.tag in problems and problems[decision.tag].about == "digest"
    }
    target = str(looked.item.target)
    return [
        UnreadableTag(target, tag, error, temporary=tag in problems and problems[tag].error.temporary)
        for tag, error in failed.items()
    ]


def _planned_tag(decision: Decision, record: TagRecord | None, problem: TagProblem | None) -> PlannedTag:
    has_error = decision.action == "fail" or (decision.action == "skip" and decision.reason == "platform")
    return PlannedTag(
        decision.tag,
        decision.action,
        decision.reason,
        decision.rank,
        status=record.status if record else None,
        synced_at=record.synced_at if record else None,
        error=decision.detail if has_error else None,
        error_kind=(problem.error.kind if problem else decision.reason) if has_error else None,
        error_registry=problem.error.registry if problem and has_error else None,
        digest=decision.digest,
        since=decision.since,
        matures_at=decision.matures_at,
        holds_changes=decision.holds_changes,
    )


def _known(records: Mapping[str, TagRecord], now: datetime) -> dict[str, UpstreamTag]:
    """Upstream's tags as recorded by earlier walks, or imported from the old history."""
    return {name: upstream_tag(record, now) for name, record in records.items() if record.gone_at is None}


def _mirrored(record: TagRecord, *, same_rules: bool) -> Mirrored:
    lacks_platform = record.status == "skipped" and record.reason == "platform" and same_rules
    return Mirrored(
        status=record.status,
        digest=record.mirrored_digest,
        platforms=record.mirrored_platforms,
        imported=record.synced_at is None and record.is_mirrored,
        pushed_at=record.pushed_at,
        lacking_platforms=record.source_digest if lacks_platform else None,
        rolled_back=record.hold == "rollback",
        released=record.released_digest,
        kept=record.kept_digest,
    )


def _extent(item: Item, every_tag: Collection[str], *, only_unread: bool) -> Extent:
    if only_unread:
        return "unread"
    return "all" if str(item.target) in every_tag else "due"


def _all_seen(found: Survey, problems: Mapping[str, TagProblem]) -> list[SeenTag]:
    return [
        _seen(tag, problems.get(tag.name), probed=tag.name in found.probed)
        for tag in found.tags
        if tag.name in found.seen
    ]


def _seen(tag: UpstreamTag, problem: TagProblem | None, *, probed: bool) -> SeenTag:
    if problem is not None and problem.about == "digest":  # a new time with an old digest would look unchanged
        return SeenTag(tag.name, None, None)
    platforms = (
        {str(platform): digest for platform, digest in tag.platforms.items()} if tag.platforms is not None else None
    )
    return SeenTag(tag.name, tag.digest, tag.pushed_at, platforms, probed=probed)
