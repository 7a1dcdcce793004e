"""Find the causes: what of the record, and of the disk, needs a person now."""

import asyncio
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ferryman.clock import Clock
from ferryman.errors import Collapsed
from ferryman.items.model import Configuration, Item
from ferryman.notify.causes import Cause
from ferryman.settings import Schedule
from ferryman.store.conditions import (
    Change,
    Conditions,
    FailedItem,
    FailedLookup,
    HeldItem,
    MarkedItem,
    Progress,
    RefusedLogin,
)
from ferryman.store.queries.findings import DamagedTags
from ferryman.store.records import Freeze

CHANGED = "changed"  # the key of the notice about digests that changed upstream
_TEMPORARY = frozenset({"unreachable", "rate-limited", "login-unsteady"})  # kinds of errors that may pass by themselves
_INTERVALS = 2  # without success, until that is told
_SHORTEST_STALL = timedelta(minutes=10)
_CHANGES_TOLD = timedelta(days=1)  # older changes are not news any more
_NAMES = 3
_LOW = 2**30  # bytes that are free at least on the database's disk,
_LOW_SHARE = 0.05  # or, if that is less, this share of it
_ENOUGH = 1.25  # times as much, and it is told that there is room again


class Evaluation:
    """Reads the causes. One object for the life of a process."""

    def __init__(self, conditions: Conditions, *, interval: Schedule, file: Path | None, clock: Clock) -> None:
        self._conditions = conditions
        self._interval = interval
        self._file = file  # SQLite's
        self._clock = clock
        self._started = clock.monotonic()
        self._change = 0  # the number of the last change that was read

    async def causes(self, configuration: Configuration, *, last_change: int) -> list[Cause]:
        """What needs a person now. `last_change`: the number of the last change that was told. Raises StoreError."""
        now = self._clock.now()
        items = {str(item.target): item for item in configuration.items}
        refused = await self._conditions.refused_logins()
        lookups = [each for each in await self._conditions.failed_lookups() if each.target in items]
        unreachable = _unreachable(lookups, configuration)
        failed = [each for each in await self._conditions.failed_items() if each.target in items]
        told = {each.registry for each in refused} | unreachable.keys()
        return [
            *_logins(refused, configuration),
            *unreachable.values(),
            *_incomplete(failed, lookups, configuration.unreachable_after, told),
            *_frozen(await self._conditions.frozen(), items),
            *_damaged(await self._conditions.damaged_tags(), items),
            *_held(await self._conditions.held_items(), items),
            *_marked(await self._conditions.marked_items(), items),
            *self._stalled(await self._conditions.progress(now), now, is_explained=bool(told)),
            *await self._disk(now),
            *await self._changed(items, last_change, now),
        ]

    def _stalled(self, progress: Progress, now: datetime, *, is_explained: bool) -> Iterator[Cause]:
        """Nothing succeeds. `is_explained`: by a registry that is told of already."""
        interval = self._interval.length(now)
        longest = max(_INTERVALS * interval, _SHORTEST_STALL)
        if progress.first_cycle_at is None:
            return
        succeeded = [moment for moment in (progress.cycle_at, progress.copied_at) if moment is not None]
        last = max(succeeded, default=progress.first_cycle_at)
        due, copied = progress.due_since, progress.copied_at
        is_stuck = due is not None and now - due > longest and (copied is None or now - copied > longest)
        if now - last > longest or is_stuck:
            since = last if now - last > longest else max(filter(None, (due, copied)))
            # A process that has just started, after a long pause perhaps, gives the work the time to begin.
            is_new = self._clock.monotonic() - self._started < interval.total_seconds()
            is_certain = not (is_new or is_explained or progress.paused_by_hand)
            yield Cause("stalled", "stalled", "", since, {}, is_certain=is_certain)

    async def _disk(self, now: datetime) -> list[Cause]:
        if self._file is None:
            return []
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, self._file.absolute().parent)
        except OSError:  # then the database fails as well, which is told of
            return []
        low = min(_LOW, _LOW_SHARE * usage.total)
        if usage.free >= low * _ENOUGH:
            return []
        return [Cause("disk", "disk", "", now, {"free": usage.free}, is_certain=usage.free < low)]

    async def _changed(self, items: Mapping[str, Item], last: int, now: datetime) -> list[Cause]:
        found = await self._conditions.changes(after=max(last, self._change), since=now - _CHANGES_TOLD)
        changes = [each for each in found if each.target in items and _is_told(each, items[each.target])]
        if not changes:
            self._change = max(found[-1].number if found else last, self._change)
            return []
        return [Cause(CHANGED, "changed", "", changes[0].at, _facts_of_changes(changes))]


def _is_told(change: Change, item: Item) -> bool:
    return item.rules.on_change_of(change.tag) != "copy"


def _facts_of_changes(changes: Sequence[Change]) -> dict[str, object]:
    names = list(dict.fromkeys(f"{each.item}:{each.tag}" for each in changes))
    targets = {each.target for each in changes}
    return {
        "target": changes[0].target if len(targets) == 1 else None,
        "last": changes[-1].number, "tags": len(names), "names": names[:_NAMES],
    }  # fmt: skip


def _logins(refused: Sequence[RefusedLogin], configuration: Configuration) -> Iterator[Cause]:
    hosts = configuration.hosts
    for each in refused:
        if each.registry in hosts:
            facts = {"registry": each.registry, "error": each.error, "tags": each.waiting}
            yield Cause(f"login {each.registry}", "login", each.registry, each.since, facts, each.registry)


def _unreachable(lookups: Sequence[FailedLookup], configuration: Configuration) -> dict[str, Cause]:
    """By registry: it has answered for none of its items, for one of them in many cycles in a row."""
    found = {}
    for registry in {each.registry for each in lookups if each.error_kind == "unreachable" and each.registry}:
        silent = [each for each in lookups if each.registry == registry and each.error_kind == "unreachable"]
        cycles = max(each.looks for each in silent)
        asked = {str(item.target) for item in configuration.items if item.source.registry == registry}
        if cycles >= configuration.unreachable_after and asked <= {each.target for each in silent}:
            facts = {
                "registry": registry, "cycles": cycles, "error": silent[0].error,
                "items": len(silent), "names": [each.item for each in silent[:_NAMES]],
            }  # fmt: skip
            since = min(each.since for each in silent)
            found[registry] = Cause(f"unreachable {registry}", "unreachable", registry, since, facts, registry)
    return found


def _incomplete(
    failed: Sequence[FailedItem], lookups: Sequence[FailedLookup], after: int, told: Collection[str | None]
) -> Iterator[Cause]:
    """An item's failed tags, and its lookup that fails, are one cause. `told`: registries that are told of already."""
    tags = {each.target: each for each in failed}
    others = [each for each in lookups if each.error_kind != Collapsed.kind]  # frozen items are told of as such
    lasting = {each.target: each for each in others if each.looks >= after or each.error_kind not in _TEMPORARY}
    for each in failed:
        if each.target not in lasting:
            yield _incomplete_item(each, each, is_certain=each.failed > 0 and each.registry not in told)
    for lookup in lasting.values():
        yield _incomplete_item(lookup, tags.get(lookup.target), is_certain=lookup.registry not in told)


def _frozen(found: Sequence[Freeze], items: Mapping[str, Item]) -> Iterator[Cause]:
    for each in found:
        if each.target in items:
            facts = {
                "item": items[each.target].name,
                "target": each.target,
                "reason": each.reason,
                "detail": each.detail,
            }
            yield Cause(f"frozen {each.target}", "frozen", each.target, each.since, facts)


def _damaged(found: Sequence[DamagedTags], items: Mapping[str, Item]) -> Iterator[Cause]:
    """An item's damaged tags are one cause."""
    for target in sorted({each.target for each in found} & items.keys()):
        own = [each for each in found if each.target == target]
        numbers = {each.kind: each.tags for each in own}
        facts = {"item": items[target].name, "tags": sum(numbers.values()), "findings": numbers}
        yield Cause(f"damaged {target}", "damaged", target, min(each.since for each in own), facts)


def _held(found: Sequence[HeldItem], items: Mapping[str, Item]) -> Iterator[Cause]:
    """An item's version tags that have changed upstream, and wait for a person's decision, are one cause."""
    for each in found:
        if each.target in items:
            name = items[each.target].name
            facts = {"item": name, "target": each.target, "tags": each.tags, "names": list(each.names)}
            yield Cause(f"held {each.target}", "held", each.target, each.since, facts)


def _marked(found: Sequence[MarkedItem], items: Mapping[str, Item]) -> Iterator[Cause]:
    """An item's tags that are to leave its target are one cause."""
    for each in found:
        if each.target in items and items[each.target].prune is not None:
            facts = {
                "item": items[each.target].name, "target": each.target, "tags": each.tags, "names": list(each.names),
                "due": each.due_at.timestamp(), "last": each.last_at.timestamp(),
            }  # fmt: skip
            yield Cause(f"prune {each.target}", "prune", each.target, each.since, facts)


def _incomplete_item(reason: FailedItem | FailedLookup, tags: FailedItem | None, *, is_certain: bool) -> Cause:
    facts = {
        "item": reason.item, "error": reason.error, "kind": reason.error_kind, "registry": reason.registry,
        "target": reason.target,
        "tags": tags.failed if tags else 0, "names": list(tags.names) if tags else [],
        "is_listed": isinstance(reason, FailedItem),
    }  # fmt: skip
    gathered = f"{reason.error_kind} {reason.registry}"
    return Cause(f"incomplete {reason.target}", "incomplete", reason.target, reason.since, facts, gathered, is_certain)
