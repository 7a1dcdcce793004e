"""Decide for every tag whether it is copied, and why: pure, from upstream's tags, the rules and the record alone."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Any, Literal

from ferryman.discovery.base import TagProblem, UpstreamTag
from ferryman.items.model import UNLIMITED, Rules
from ferryman.platforms import Platform, Platforms
from ferryman.reference import is_tag, subject_of
from ferryman.signature_rules import SignatureRules
from ferryman.store.records import HELD_CHANGED, KEPT, Action, Status, is_change_held
from ferryman.versions import name_key, version_order

Reason = Literal[
    "new",  # copy: never mirrored
    "referrers",  # copy: the referrers (signatures and the like) of a mirrored image have changed upstream
    "changed",  # copy: upstream's digest, or the wanted platforms, differ from what was mirrored
    "retry",  # copy: it failed before
    "queued",  # copy: it is queued or running already
    "quarantine",  # copy, but not yet: upstream has its digest for less than `min_age`
    "up-to-date",  # keep or adopt: the target has it
    "held-changed",  # keep: upstream's version tag names another digest than the mirrored one; a person has to decide
    "kept",  # keep: likewise, and a person has decided against upstream's digest
    "rolled-back",  # keep: a person has put it back, and has not released it
    "excluded",  # skip: a pattern of `exclude`
    "not-included",  # skip: no pattern of `include`
    "signature",  # skip: a Cosign tag or a referrers list of an image that is not wanted
    "rebuilt",  # skip: the same, of an index of which only some platforms are mirrored
    "windows",  # skip: for Windows only
    "platform",  # skip: for none of the wanted platforms
    "beyond-limit",  # skip: not among the newest N
    "frozen",  # wait: upstream has collapsed, and nobody has accepted that
    "gone",  # skip: upstream has deleted it, and the target is going to
    "foreign",  # skip: upstream never had it, and the target is going to delete it
    "signature-refused",  # wait: nobody who is trusted has signed it; it is tried again later
    "unreadable",  # fail: upstream lists the tag, but it cannot be read
    "no-digest",  # fail: upstream gave no digest for the tag
]
# Reasons that are the user's own rules: a list of missing tags does not show them.
BY_RULE: frozenset[str] = frozenset({"excluded", "not-included", "signature", "windows", "beyond-limit", "foreign"})

_WINDOWS = re.compile(r"windowsservercore|nanoserver|windows", re.IGNORECASE)
_LITERAL = re.compile(r"(?:[A-Za-z0-9_.-]|\\[.-])+")
_AMD64 = Platform("linux", "amd64")  # the platform of the old history's digests from Docker Hub
_SAME_PUSH = timedelta(days=1)  # the old history's times have no zone, so they may be off by hours
_REFERRERS_CHANGED = "upstream has other signatures, or their like, of it now"
_UNDATED = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The record of one tag."""

    status: Status
    digest: str | None = None  # the upstream digest whose copy the target has; None: none, or the word Unknown
    platforms: str | None = None  # those requested when it was mirrored; None: the transport's default
    imported: bool = False  # from the old history, not copied by this Ferryman
    pushed_at: datetime | None = None
    lacking_platforms: str | None = None  # the digest that a copy found to have none of the platforms wanted today
    rolled_back: bool = False  # by a person, who has not released it
    referrers_changed: bool = False  # upstream has other referrers of its digest than the mirrored ones
    refused: bool = False  # its signatures were refused, and it is too early to try it again
    released: str | None = None  # the digest that a person has let through
    kept: str | None = None  # upstream's digest that a person does not want


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision for one tag: the action, and the reason."""

    tag: str
    action: Action
    reason: Reason
    detail: str  # for people; may be empty
    rank: int  # place among its item's tags, from 0: the wanted ones first
    digest: str | None
    pushed_at: datetime | None
    pinned: bool
    since: datetime | None  # since when upstream has the digest, as far as known
    matures_at: datetime | None = None  # the digest is not copied before; None: it may be
    uncertain: bool = False  # an imported digest may be that of a platform's image: read the index, and plan again
    holds_changes: bool = False  # once it is mirrored, another digest is not copied over it


def plan(
    item_rules: Rules,
    platforms: Platforms | None,
    native: Platform,
    tags: Sequence[UpstreamTag],
    mirrored: Mapping[str, Mirrored],
    *,
    now: datetime,
    problems: Iterable[TagProblem] = (),
) -> list[Decision]:
    """Decide for every tag, in the order of rank.

    `tags`: all known tags of a repository, without those that are gone. `platforms`: None means the default of the
    transport, all but Windows. `native`: the platform that the keyword means on this engine. `now`: a digest of unknown
    age counts as one that upstream has since then. `problems`: tags that could not be read.
    """
    lacking = {name: record.lacking_platforms for name, record in mirrored.items() if record.lacking_platforms}
    selector = RuleSelector(item_rules, platforms, native, lacking)
    unread = {problem.tag: problem for problem in problems}
    wanted = selector.select(tags)
    names = {tag.name for tag in wanted}
    rest = selector.in_order(tag for tag in tags if tag.name not in names)
    held = {tag.name for tag in tags if item_rules.on_change_of(tag.name) == "hold"}
    outcomes = [
        (tag, _outcome(tag, mirrored.get(tag.name), platforms, unread.get(tag.name), holds_changes=tag.name in held))
        for tag in wanted
    ]
    owners = {tag.digest: tag.name for tag in reversed(wanted) if tag.digest}
    outcomes += [(tag, _outcome_of_unwanted(tag, owners, selector, unread.get(tag.name))) for tag in rest]
    decisions = [
        Decision(
            tag=tag.name, action=outcome.action, reason=outcome.reason, detail=outcome.detail, rank=rank,
            digest=tag.digest, since=(tag.since or now) if tag.digest else None,
            pushed_at=tag.pushed_at, pinned=selector.is_pinned(tag.name), uncertain=outcome.uncertain,
            holds_changes=tag.name in held,
        )
        for rank, (tag, outcome) in enumerate(outcomes)
    ]  # fmt: skip
    return [_quarantined(each, item_rules, mirrored.get(each.tag), now) for each in decisions]


def frozen(decision: Decision) -> Decision:
    """The decision while the item is frozen: whatever would change a tag waits."""
    if decision.action in {"keep", "skip"}:
        return decision
    detail = "upstream has collapsed: nothing is copied until it is as it was, or released"
    return replace(decision, action="wait", reason="frozen", detail=detail, matures_at=None)


def rules_fingerprint(
    rules: Rules, platforms: Platforms | None, source: str, signatures: SignatureRules | None = None
) -> str:
    """Everything that decides which tags are wanted, as stable text: if it changes, a complete walk is necessary."""
    patterns = {name: [pattern.pattern for pattern in getattr(rules, name)] for name in ("include", "exclude", "pin")}
    content: dict[str, Any] = {"source": source, "limit": rules.limit, "order": rules.order, **patterns}
    if rules.referrers:
        content["referrers"] = True
    if signatures is not None:
        content["signatures"] = signatures.fingerprint
    return json.dumps(
        content | {"platforms": str(platforms) if platforms else None}, sort_keys=True, ensure_ascii=False
    )


def unmatched_includes(rules: Rules, names: Collection[str]) -> tuple[str, ...]:
    """The patterns of `include` that match none of the names: usually a typing error."""
    return tuple(each.pattern for each in rules.include if not any(map(each.fullmatch, names)))


class RuleSelector:
    """Applies an item's rules: selects the wanted tags, in order. A survey uses it to decide which details it needs."""

    def __init__(
        self,
        rules: Rules,
        platforms: Platforms | None,
        native: Platform,
        lacking_platforms: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`lacking_platforms`: by tag, the digest that a copy found to have none of the wanted platforms."""
        self._rules = rules
        self._platforms = platforms
        self._native = native
        self._lacking_platforms = lacking_platforms
        self._skipped_by_name: dict[tuple[str, bool], tuple[Reason, str] | None] = {}
        self._versions: _VersionOrder | None = None
        self.orders_by_time = rules.order == "newest"
        self.limit = rules.limit
        self.pinned_names = tuple(name for pattern in rules.pin if (name := _literal(pattern)))
        self._wants_windows = platforms is not None and (
            platforms.keyword == "all" or any(platform.os == "windows" for platform in platforms.listed)
        )
        self.beyond_limit: tuple[Reason, str] = ("beyond-limit", f"not among the first {rules.limit} by {rules.order}")

    def is_pinned(self, name: str) -> bool:
        return bool(self._rules.pin) and any(pattern.fullmatch(name) for pattern in self._rules.pin)

    def matches_name(self, name: str) -> bool:
        """Whether the name alone does not rule the tag out."""
        return self._skip_by_name(name) is None

    def select(self, tags: Iterable[UpstreamTag]) -> list[UpstreamTag]:
        """The wanted tags, in the order of rank. `limit` is applied here; it does not count pinned tags.

        Nor does it count the referrers of wanted tags, which come after all of them.
        """
        tags = list(tags)
        left = self._rules.limit
        chosen = []
        usual = (tag.name for tag in tags if self.matches_name(tag.name))
        for tag in self.in_order((tag for tag in tags if self.reason_to_skip(tag) is None), among=usual):
            if self.is_pinned(tag.name):
                chosen.append(tag)
            elif left > 0:
                chosen.append(tag)
                left -= 1
        return chosen + self._referrers_of(chosen, tags)

    def needing_platforms(self, tags: Iterable[UpstreamTag]) -> list[str]:
        """The wanted tags whose platforms must be known to select their referrers."""
        tags = list(tags)
        if not self._rules.referrers or not any(subject_of(tag.name) for tag in tags):
            return []
        return [tag.name for tag in self.select(tags) if tag.platforms is None and not subject_of(tag.name)]

    def reason_if_rebuilt(self, tag: UpstreamTag, owners: Mapping[str, str]) -> tuple[Reason, str] | None:
        """The reason to skip a referrer of a wanted tag: the tag's index is rebuilt, not copied unchanged.

        `owners`: the names of the wanted tags, by digest.
        """
        owner = owners.get(subject_of(tag.name) or "") if self._rules.referrers else None
        if owner is None or self._excluding_pattern(tag.name):
            return None
        return "rebuilt", f"refers to the index {owner}, which `platforms` copies only in part"

    def is_limit_reached(self, newest: Iterable[UpstreamTag]) -> bool:
        """Whether no tag older than these, the newest, can be selected, except `pinned_names`."""
        if not self.orders_by_time or len(self.pinned_names) < len(self._rules.pin):
            return False
        return self._places_taken(newest) >= self._rules.limit

    def needs_older(self, known: Iterable[UpstreamTag]) -> bool:
        """Whether older tags than the known ones have to replace tags that lack the wanted platforms."""
        return bool(self._lacking_platforms) and self._places_taken(known) < self._rules.limit < UNLIMITED

    def _places_taken(self, tags: Iterable[UpstreamTag]) -> int:
        return sum(self.reason_to_skip(tag) is None and not self.is_pinned(tag.name) for tag in tags)

    def reason_to_skip(self, tag: UpstreamTag) -> tuple[Reason, str] | None:
        """The rule that excludes the tag, without regard to the limit; None: no rule does."""
        return self._skip_by_platforms(tag) or self._skip_by_name(tag.name, has_platforms=bool(tag.platforms))

    def _referrers_of(self, wanted: Sequence[UpstreamTag], tags: Iterable[UpstreamTag]) -> list[UpstreamTag]:
        """The tags of Cosign's signatures and of referrers lists of these images, and recursively of those tags."""
        if not self._rules.referrers:
            return []
        waiting: dict[str, list[UpstreamTag]] = {}
        for tag in tags:
            subject = subject_of(tag.name)
            if subject and not self.is_pinned(tag.name) and not self._excluding_pattern(tag.name):
                waiting.setdefault(subject, []).append(tag)
        found: list[UpstreamTag] = []
        subjects = {digest for tag in wanted for digest in self._copied_digests(tag)}
        while referrers := [tag for subject in subjects for tag in waiting.pop(subject, ())]:
            found += self.in_order(referrers)
            subjects = {tag.digest for tag in referrers if tag.digest}
        return found

    def _copied_digests(self, tag: UpstreamTag) -> set[str]:
        """The digests of the image's manifests that the copy at the target has, too."""
        platforms = tag.platforms or {}
        copied = {digest for platform, digest in platforms.items() if digest and self._wants(platform)}
        return copied | {tag.digest} if tag.digest and all(map(self._wants, platforms)) else copied

    def in_order(self, tags: Iterable[UpstreamTag], *, among: Iterable[str] | None = None) -> list[UpstreamTag]:
        """Sort by `order`: `newest` by push time, unknown last, then by version; `version` and `name` descending.

        `among`: the names from which the usual form of a version is derived; None: those of `tags`.
        """
        tags = list(tags)
        if self._rules.order == "name":
            return sorted(tags, key=lambda tag: (name_key(tag.name), tag.name), reverse=True)

        def versions() -> _VersionOrder:
            names = list(among) if among is not None else [tag.name for tag in tags]
            if self._versions is None or not self._versions.covers(names, tags):  # a look sorts the same several times
                self._versions = _VersionOrder(names, tags)
            return self._versions

        return versions().sort(tags) if self._rules.order == "version" else _newest_first(tags, versions)

    def _skip_by_platforms(self, tag: UpstreamTag) -> tuple[Reason, str] | None:
        """Also for pinned tags: there is nothing to copy."""
        if tag.digest is not None and self._lacking_platforms.get(tag.name) == tag.digest:
            return "platform", "the image has none of the wanted platforms"
        if not tag.platforms or any(self._wants(platform) for platform in tag.platforms):
            return None
        names = ", ".join(sorted(map(str, tag.platforms)))
        only_windows = all(platform.os == "windows" for platform in tag.platforms)
        if only_windows:
            return "windows", f"for {names} only"
        return "platform", f"for {names} only, wanted for {self._platforms}"

    def _wants(self, platform: Platform) -> bool:
        if self._platforms is None:
            return platform.os != "windows"
        return self._platforms.admits(platform, self._native)

    def _skip_by_name(self, name: str, *, has_platforms: bool = False) -> tuple[Reason, str] | None:
        """Each answer is kept: the rules are applied to every name several times a look."""
        asked = name, has_platforms
        if asked not in self._skipped_by_name:
            self._skipped_by_name[asked] = self._find_skip_by_name(name, has_platforms=has_platforms)
        return self._skipped_by_name[asked]

    def _find_skip_by_name(self, name: str, *, has_platforms: bool) -> tuple[Reason, str] | None:
        if self.is_pinned(name):
            return None
        if subject_of(name):
            return "signature", "a signature, an attestation or a list of referrers"
        if self._rules.include and not any(pattern.fullmatch(name) for pattern in self._rules.include):
            return "not-included", "no pattern of include matches"
        if pattern := self._excluding_pattern(name):
            return "excluded", f"excluded by {pattern.pattern!r}"
        if not has_platforms and not self._wants_windows and _WINDOWS.search(name):
            return "windows", "for Windows, by its name"
        return None

    def _excluding_pattern(self, name: str) -> re.Pattern[str] | None:
        return next((pattern for pattern in self._rules.exclude if pattern.fullmatch(name)), None)


class _VersionOrder:
    """Sorts tags by version, descending; the usual form of a version is that of `names`."""

    def __init__(self, names: Sequence[str], tags: Iterable[UpstreamTag]) -> None:
        self._names = names
        self._places: dict[str, int] = {}  # of names; integers take less memory than versions, and compare faster
        order = version_order(names)
        keys = {name: order(name) for name in {*names, *(tag.name for tag in tags)}}
        place, before = 0, None
        for name in sorted(keys, key=keys.__getitem__):
            place += keys[name] != before  # names of the same version have the same place
            self._places[name], before = place, keys[name]

    def covers(self, names: Sequence[str], tags: Iterable[UpstreamTag]) -> bool:
        return self._names == names and all(tag.name in self._places for tag in tags)

    def sort(self, tags: Iterable[UpstreamTag]) -> list[UpstreamTag]:
        return sorted(tags, key=lambda tag: self._places[tag.name], reverse=True)


def _newest_first(tags: Collection[UpstreamTag], versions: Callable[[], _VersionOrder]) -> list[UpstreamTag]:
    """By push time. Only tags of the same time need versions, which take a hundred times longer to compare."""
    by_time = sorted(tags, key=_time, reverse=True)
    moments = [list(pushed) for _, pushed in groupby(by_time, key=_time)]
    if len(moments) == len(by_time):
        return by_time
    order = versions()
    return [tag for pushed in moments for tag in (order.sort(pushed) if len(pushed) > 1 else pushed)]


def _time(tag: UpstreamTag) -> datetime:
    return tag.pushed_at or _UNDATED


def _literal(pattern: re.Pattern[str]) -> str | None:
    """The name that a pattern stands for, if it looks like one: the dot in `1.25` is meant literally."""
    if not _LITERAL.fullmatch(pattern.pattern):
        return None
    name = pattern.pattern.replace("\\", "")
    return name if is_tag(name) else None


def _quarantined(decision: Decision, rules: Rules, record: Mirrored | None, now: datetime) -> Decision:
    """The decision, with when its digest is old enough. What was let through once is not held back again."""
    age = rules.age_of(pinned=decision.pinned)
    known = {record.digest, record.released} if record else set()
    if not age or decision.action in {"keep", "adopt"} or decision.since is None or decision.digest in known:
        return decision
    at = decision.since + age
    if at <= now or decision.action != "copy":  # also of one that is not wanted: a person may requeue it
        return replace(decision, matures_at=at)
    detail = f"until {at:%Y-%m-%d %H:%M} UTC: upstream has this digest since {decision.since:%Y-%m-%d %H:%M}"
    return replace(decision, matures_at=at, reason="quarantine", detail=detail)


@dataclass(frozen=True, slots=True)
class _Outcome:
    action: Action
    reason: Reason
    detail: str = ""
    uncertain: bool = False


def _outcome_of_unwanted(
    tag: UpstreamTag, owners: Mapping[str, str], selector: RuleSelector, problem: TagProblem | None
) -> _Outcome:
    """Why a tag is skipped. If its age cannot be read, it is unknown whether the limit excludes it: it fails."""
    if reason := selector.reason_if_rebuilt(tag, owners) or selector.reason_to_skip(tag):
        return _Outcome("skip", *reason)
    if problem and selector.orders_by_time and tag.pushed_at is None:
        return _Outcome("fail", "unreadable", f"its age is not known, so it may be one of the newest: {problem.error}")
    return _Outcome("skip", *selector.beyond_limit)


def _outcome(
    tag: UpstreamTag, record: Mirrored | None, platforms: Platforms | None, problem: TagProblem | None = None,
    *, holds_changes: bool,
) -> _Outcome:  # fmt: skip
    """The decision for a tag that the rules select."""
    held = _outcome_of_held(tag, record, holds_changes=holds_changes) if record else None
    if outcome := (record and _outcome_under_way(record, held)) or _outcome_of_unread(tag, problem) or held:
        return outcome
    if record is None:
        return _Outcome("copy", "new")
    if record.lacking_platforms == tag.digest:  # a referrer: other tags are not selected then
        return _Outcome("skip", "platform", "the image has none of the wanted platforms")
    if record.refused or record.status == "failed":
        return _Outcome("wait", "signature-refused") if record.refused else _Outcome("copy", "retry", "failed before")
    outcome = _outcome_of_imported(tag, record) if record.imported else _outcome_of_mirrored(tag, record, platforms)
    return (
        _Outcome("copy", "referrers", _REFERRERS_CHANGED)
        if outcome.action != "copy" and record.referrers_changed
        else outcome
    )


def _outcome_under_way(record: Mirrored, held: _Outcome | None) -> _Outcome | None:
    """The decision for a tag that is to be copied already, or must not be, whatever upstream has now."""
    if record.status in {"queued", "running"}:
        return held or _Outcome("copy", "queued")  # if it is still unreadable, the copy fails
    if record.rolled_back:
        return _Outcome("keep", "rolled-back", "put back by a person, until `ferryman release`")
    return None


def _outcome_of_held(tag: UpstreamTag, record: Mirrored, *, holds_changes: bool) -> _Outcome | None:
    """The decision for a tag that names another digest upstream than the mirrored one, which is not to be copied."""
    if not is_change_held(
        tag.digest, mirrored=record.digest, released=record.released, kept=record.kept, holds_changes=holds_changes
    ):
        return None
    change = _outcome_of_imported(tag, record) if record.imported else _changed(tag, record)
    if change.action != "copy":
        return None
    if tag.digest == record.kept:
        return replace(change, action="keep", reason=KEPT, detail=f"{change.detail}; kept by a person")
    detail = f"{change.detail}; held until `ferryman release` or `ferryman keep`"
    return replace(change, action="keep", reason=HELD_CHANGED, detail=detail)


def _outcome_of_unread(tag: UpstreamTag, problem: TagProblem | None) -> _Outcome | None:
    if problem is not None and problem.about == "digest":
        return _Outcome("fail", "unreadable", str(problem.error))
    if tag.digest is None:
        return _Outcome("fail", "no-digest", "upstream gave no digest for the tag")
    return None


def _outcome_of_imported(tag: UpstreamTag, record: Mirrored) -> _Outcome:
    """The old history has the digest of the index, or of its linux/amd64 image, or the word Unknown."""
    if record.digest == tag.digest:
        return _Outcome("keep", "up-to-date")
    if record.digest is None:
        if tag.pushed_at and record.pushed_at and abs(tag.pushed_at - record.pushed_at) > _SAME_PUSH:
            return _Outcome("copy", "changed", f"pushed again at {tag.pushed_at:%Y-%m-%d %H:%M}")
        return _Outcome("adopt", "up-to-date", "taken over from the old history without a digest")
    if tag.platforms is not None and tag.platforms.get(_AMD64) == record.digest:
        return _Outcome("adopt", "up-to-date", "taken over from the old history by its linux/amd64 image")
    uncertain = tag.platforms is None or tag.platforms.get(_AMD64, "") is None
    return _changed(tag, record, uncertain=uncertain)


def _outcome_of_mirrored(tag: UpstreamTag, record: Mirrored, platforms: Platforms | None) -> _Outcome:
    if record.digest is None:
        return _Outcome("copy", "new")
    if record.digest != tag.digest:
        return _changed(tag, record)
    wanted = str(platforms) if platforms else None
    if _as_set(record.platforms) != _as_set(wanted):
        before, now = record.platforms or "the default", wanted or "the default"
        return _Outcome("copy", "changed", f"mirrored for {before}, wanted for {now}")
    return _Outcome("keep", "up-to-date")


def _changed(tag: UpstreamTag, record: Mirrored, *, uncertain: bool = False) -> _Outcome:
    before, now = ((digest or "").removeprefix("sha256:")[:12] for digest in (record.digest, tag.digest))
    return _Outcome("copy", "changed", f"{before} became {now}", uncertain)


def _as_set(platforms: str | None) -> frozenset[str]:
    return frozenset(platforms.split(",")) if platforms else frozenset()
