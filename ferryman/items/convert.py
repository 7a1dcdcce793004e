"""Converts an item's keys, and the defaults that it inherits, to an Item."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from ferryman.items.document import (
    VERIFY_NOTHING,
    ItemKeys,
    LegacyItemKeys,
    PruneKeys,
    TagKeys,
    VerifyKeys,
    platforms_of,
)
from ferryman.items.explain import validated
from ferryman.items.forms import Document, RawItem
from ferryman.items.model import (
    COLLAPSE,
    KEPT,
    UNLIMITED,
    VERSIONS,
    Item,
    PruneRules,
    RegistryEntry,
    Rules,
    VerifyRules,
)
from ferryman.items.problems import Place, Problems
from ferryman.items.shared_targets import check_targets
from ferryman.items.signatures import to_signature_rules
from ferryman.items.tree import Branch, descend
from ferryman.kinds import Depth, ProbeMode, Repair
from ferryman.platforms import Platforms
from ferryman.reference import Repository, meant_by_hub_page
from ferryman.signature_rules import SignatureRules

_T = TypeVar("_T")
_DEPTHS: Mapping[object, Depth] = {False: "tags", True: "contents", "bytes": "bytes"}
_REPAIRS: Mapping[object, Repair] = {False: "nothing", True: "missing", "all": "all"}
_EXPECTED_PLATFORMS = (
    "expected linux, native or a list: a Docker Engine on Linux cannot carry Windows images; "
    "with transport: direct it goes without one"
)
_EXPECTED_REFERRERS = (
    "expected false: a Docker Engine cannot carry signatures and their like; with transport: direct they go along"
)
_PLACEHOLDER_IMAGE = "image"  # used if the source is wrong, so that mistakes in the target are still reported


def to_items(
    document: Document, problems: Problems, registries: Mapping[str, RegistryEntry], *, transport: str, folder: Path
) -> tuple[Item, ...]:
    """The valid items; mistakes in the others are added to `problems`. `folder`: the base of file paths."""
    defaults = validated(ItemKeys, document.defaults, problems)
    _check_limit(document.defaults, problems)
    items = [
        (item, raw)
        for raw in document.items
        if (item := _Converter(raw, document.defaults, defaults, problems, registries, folder).item(transport))
        is not None
    ]
    check_targets(items, problems)
    return tuple(item for item, _ in items)


@dataclass(frozen=True, slots=True)
class _Converter:
    raw: RawItem
    raw_defaults: Branch
    defaults: ItemKeys
    problems: Problems
    registries: Mapping[str, RegistryEntry]
    folder: Path

    def item(self, transport: str) -> Item | None:
        """The Item; None if it is invalid, with the reason in `problems`."""
        own = validated(ItemKeys if self.raw.image is None else LegacyItemKeys, self.raw.keys, self.problems)
        _check_limit(self.raw.keys, self.problems)
        transport = _first(own.transport, self.defaults.transport) or transport
        platforms = self._platforms(own, transport)
        self._check_referrers(own, transport)
        signatures = self._signatures(own)
        source = self._source(self._required("source", own.source, self.defaults.source))
        prefix = self._required("target", own.target, self.defaults.target)
        target = self._target(prefix, (self.raw.image or source.image) if source else _PLACEHOLDER_IMAGE)
        if source is None or target is None:
            return None
        if source == target:
            self.problems.add(self.raw.place, f"target: {target} is the source itself, expected another repository")
        rules = replace(self._rules(own, transport, signatures), min_age=self._min_age(own, source.registry))
        return Item(
            self.raw.image or source.image, source, target, rules, platforms,
            _first(own.transport, self.defaults.transport), _immutable(own, self.defaults) or (),
            self._probe(own, source.registry), _verify(own, self.defaults), signatures,
            COLLAPSE if (collapse := _first(own.collapse, self.defaults.collapse)) is None else collapse,
            KEPT if (history := _first(own.history, self.defaults.history)) is None else history,
            _prune(own, self.defaults), tuple(_first(own.protect, self.defaults.protect) or ()),
        )  # fmt: skip

    def _min_age(self, own: ItemKeys, registry: str) -> timedelta:
        """As `_probe`."""
        entry = self.registries.get(registry)
        of_registry = _first(entry.min_age if entry else None, self.defaults.min_age)
        return _first(own.min_age, of_registry) or timedelta()

    def _probe(self, own: ItemKeys, registry: str) -> ProbeMode:
        """The item's own, or that of its source's registry, which says more than the defaults of all."""
        entry = self.registries.get(registry)
        return own.probe or (entry.probe if entry else None) or self.defaults.probe or "learned"

    def _required(self, key: str, own: str | None, inherited: str | None) -> str | None:
        if key not in self.raw.keys and key not in self.raw_defaults:
            where = "here, or under defaults:" if self.raw.image is None else f"under {self.raw.image}:"
            self.problems.add(self.raw.place, f"{key} is missing: expected it {where}")
        return own if key in self.raw.keys else inherited

    def _source(self, written: str | None) -> Repository | None:
        if written is None:
            return None
        image = self.raw.image
        return self._repository("source", written if image is None else f"{written.rstrip('/')}/{image}")

    def _target(self, written: str | None, image: str) -> Repository | None:
        if written is None:
            return None
        if self.raw.image is not None:
            return self._repository("target", f"{written.rstrip('/')}/{image}")
        return self._repository("target", written + image if written.endswith("/") else written)

    def _repository(self, key: str, text: str) -> Repository | None:
        try:
            return Repository.parse(text)
        except ValueError as error:
            reason = str(error)
        is_page = meant_by_hub_page(text) is not None  # then the reason names the repository already
        if "://" in text and not is_page:
            reason = "found a URL, expected registry/namespace/image, without https://"
        elif (":" in text.rpartition("/")[2] or "@" in text) and not is_page:
            reason = f"found {text!r}, expected registry/namespace/image: which tags are wanted goes under tags:"
        self.problems.add(self._place(key), f"{key}: {reason}", once=True)
        return None

    def _platforms(self, own: ItemKeys, transport: str) -> Platforms | None:
        names = _first(own.platforms, self.defaults.platforms)
        if names is None:
            return None
        platforms = platforms_of(names)
        if platforms.keyword == "all" and transport == "docker":
            self.problems.add(self._place("platforms"), f"platforms: found 'all', {_EXPECTED_PLATFORMS}")
        return platforms

    def _signatures(self, own: ItemKeys) -> SignatureRules | None:
        keys = _first(own.verify_signatures, self.defaults.verify_signatures)
        written = self.raw.keys if "verify_signatures" in self.raw.keys else self.raw_defaults
        return to_signature_rules(keys, written, self.problems, self.folder) if keys else None

    def _rules(self, own: ItemKeys, transport: str, signatures: SignatureRules | None) -> Rules:
        """What was verified goes along, so that it can be verified again at the target; an engine cannot carry it."""
        referrers = _first(own.referrers, self.defaults.referrers)
        implied = signatures is not None and transport != "docker"
        return replace(_rules(own, self.defaults), referrers=implied if referrers is None else referrers)

    def _check_referrers(self, own: ItemKeys, transport: str) -> None:
        if _first(own.referrers, self.defaults.referrers) and transport == "docker":
            self.problems.add(self._place("referrers"), f"referrers: found true, {_EXPECTED_REFERRERS}")

    def _place(self, key: str) -> Place:
        """The position of the value that applies: in the item, or in the defaults."""
        keys = self.raw.keys if key in self.raw.keys else self.raw_defaults
        return descend(keys, (key,)).place


def _rules(own: ItemKeys, defaults: ItemKeys) -> Rules:
    tags, inherited = own.tags or TagKeys(), defaults.tags or TagKeys()
    return Rules(
        limit=_first(_limit(own), _limit(defaults)) or UNLIMITED,
        include=tuple(_first(tags.include, inherited.include) or ()),
        exclude=tuple(_first(tags.exclude, inherited.exclude) or ()),
        pin=tuple(_first(tags.pin, inherited.pin) or ()),
        order=_first(own.order, defaults.order) or "newest",
        pin_min_age=_first(tags.min_age, inherited.min_age),
        on_change=_first(own.on_change, defaults.on_change) or "warn",
        versions=VERSIONS if (immutable := _immutable(own, defaults)) is None else immutable,
    )


def _immutable(own: ItemKeys, defaults: ItemKeys) -> tuple[re.Pattern[str], ...] | None:
    tags, inherited = own.tags or TagKeys(), defaults.tags or TagKeys()
    patterns = _first(tags.immutable, inherited.immutable)
    return None if patterns is None else tuple(patterns)


def _verify(own: ItemKeys, defaults: ItemKeys) -> VerifyRules | None:
    if _first(own.verify, defaults.verify) is VERIFY_NOTHING:
        return None
    inherited = defaults.verify or VerifyKeys()
    keys, usual = own.verify or VerifyKeys(), VerifyRules()
    deep, repair = _first(keys.deep, inherited.deep), _first(keys.repair, inherited.repair)
    return VerifyRules(
        every=_first(keys.every, inherited.every) or usual.every,
        depth=_DEPTHS[deep or False],
        repair=usual.repair if repair is None else _REPAIRS[repair],
    )


def _prune(own: ItemKeys, defaults: ItemKeys) -> PruneRules | None:
    if own.prune is None and defaults.prune is None:
        return None
    keys, inherited, usual = own.prune or PruneKeys(), defaults.prune or PruneKeys(), PruneRules()
    most = _first(keys.most, None if own.prune and not inherited.most else inherited.most)
    if most == 0.0:  # `false`
        return None
    return PruneRules(
        keep=_first(keys.keep, inherited.keep) or usual.keep,
        after=_first(keys.after, inherited.after) or usual.after,
        most=most or usual.most,
        foreign=bool(_first(keys.foreign, inherited.foreign)),
    )


def _limit(keys: ItemKeys) -> int | None:
    return _first(keys.limit, keys.tag.limit if keys.tag else None)


def _first(own: _T | None, inherited: _T | None) -> _T | None:
    return own if own is not None else inherited


def _check_limit(keys: Branch, problems: Problems) -> None:
    """`limit` has two spellings; both at once may contradict each other."""
    plain, tag = keys.entry("limit"), keys.entry("tag")
    legacy = tag.value.entry("limit") if tag and isinstance(tag.value, Branch) else None
    if plain and legacy:
        message = f"tag.limit: line {plain.place.line} has a limit already: expected one of the two spellings"
        problems.add(legacy.place, message)
