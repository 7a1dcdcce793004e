"""Whether upstream has collapsed since the record was written: pure.

A repository that loses most of its tags, or whose tags all name something else at once, was given up, taken over or
emptied by mistake. To follow it is what the mirror's user wants least. So the item freezes: see `store/freezes.py`.

What the rules want of the record is compared with what upstream has now, by today's rules: other rules are no collapse.
Tags that come and go are none either, as long as new ones take the place of those that go.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ferryman.kinds import FreezeReason
from ferryman.store.freezes import KnownFreeze
from ferryman.store.records import Collapse, TagRecord
from ferryman.versions import names_one_release

_ENOUGH = 4  # tags of which a share means something; of fewer, only the loss of all counts
_RELEASES = 4  # images that were never pushed again: one rebuild changes every tag of the releases that are maintained


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found, of one repository."""

    digests: Mapping[str, str | None]  # of every tag that upstream has, as far as known
    wanted: Collection[str]  # those that the rules want
    asked: Collection[str]  # those whose digest upstream has told in this look


def collapse_of(
    records: Mapping[str, TagRecord], wanted: Collection[str], found: Found, *, percent: int, known: KnownFreeze | None
) -> Collapse | None:
    """The collapse that a look shows; None: there is none, or it was accepted.

    `records`: of the tags that upstream had. `wanted`: those that the rules want. `percent`: so much of that has to be
    left. `known`: the item's freeze. One in force ends only when all that it is about is there again as it was; after
    the repository was away, when not everything in it is another.
    """
    return _Comparison(records, wanted, found, known).collapse(percent)


def unavailable(
    records: Mapping[str, TagRecord], error: str, *, wanted: Collection[str], known: KnownFreeze | None
) -> Collapse | None:
    """Upstream says "private or missing". None: nothing was mirrored from there, or a person has accepted that."""
    lost = {name: None for name, record in records.items() if record.is_mirrored}
    accepted = known is not None and known.freeze.released_at is not None and known.freeze.reason == "unavailable"
    return None if accepted or not lost else Collapse("unavailable", len(wanted), 0, lost, error)


class _Comparison:
    def __init__(
        self, records: Mapping[str, TagRecord], wanted: Collection[str], found: Found, known: KnownFreeze | None
    ) -> None:
        self._records = records
        self._found = found
        released = known if known is not None and known.freeze.released_at is not None else None
        self._freeze = known if released is None else None  # in force
        lost = released.lost if released else {}
        self._accepted = {name for name, digest in lost.items() if self._has(name, digest) and name in records}
        self._before = set(wanted) - self._accepted
        self._mirrored = {name for name, record in records.items() if record.is_mirrored} - self._accepted
        self._missing = self._mirrored - found.digests.keys()
        self._changed = {name for name in self._mirrored & set(found.asked) if self._is_changed(name)}

    def collapse(self, percent: int) -> Collapse | None:
        before, left = len(self._before), len(self._left())
        is_few = left == 0 or (before >= _ENOUGH and left * 100 < percent * before)
        if self._missing & self._before and is_few:
            return self._collapse("vanished", self._missing, f"upstream has {left} of the {before} wanted tags left")
        if self._is_all_changed():
            number = len(self._changed & self._before)
            return self._collapse("changed", self._changed, f"all {number} digests that were asked for have changed")
        if still := self._still_lost():
            detail = f"upstream does not have {len(still)} of the {before} wanted tags as they were"
            reason: FreezeReason = "vanished" if still & self._missing else "changed"
            return self._collapse(reason, self._missing | self._changed | still, detail)
        return None

    def _collapse(self, reason: FreezeReason, lost: Collection[str], detail: str) -> Collapse:
        # With what was accepted before: a release of this one accepts it again.
        found = {name: self._found.digests.get(name) for name in {*lost, *self._accepted}}
        as_they_were = self._before - self._missing - self._changed
        return Collapse(reason, len(self._before), len(as_they_were & self._found.digests.keys()), found, detail)

    def _left(self) -> set[str]:
        """The wanted tags of the record that upstream still has, and new ones; not older ones in their places."""
        return {name for name in self._found.wanted if name in self._before or name not in self._records}

    def _is_all_changed(self) -> bool:
        """Whether no digest that upstream has told is the recorded one, and enough of them were thought to stay."""
        asked = self._before & self._mirrored & set(self._found.asked) & self._found.digests.keys()
        if not asked or asked - self._changed:
            return False
        came_back = self._freeze is not None and self._freeze.freeze.reason == "unavailable"
        steady = {self._records[name].source_digest for name in asked if self._is_steady(name)}
        return came_back or len(steady) >= _RELEASES

    def _is_steady(self, name: str) -> bool:
        return names_one_release(name) and self._records[name].moved_at is None

    def _still_lost(self) -> set[str]:
        """What the freeze in force is about, and is not there again. After the whole was away, what is there counts."""
        if self._freeze is None or self._freeze.freeze.reason == "unavailable":
            return set()
        as_they_were = (set(self._found.asked) & self._found.digests.keys()) - self._changed
        return (self._freeze.lost.keys() & self._before) - as_they_were

    def _has(self, name: str, digest: str | None) -> bool:
        """Whether upstream has the tag as a person has seen it."""
        return self._found.digests.get(name) == digest

    def _is_changed(self, name: str) -> bool:
        before, now = self._records[name].source_digest, self._found.digests.get(name)
        return before is not None and now is not None and before != now
