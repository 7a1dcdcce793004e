"""The rules of an item in words: which tags it wants, in which form, how they are copied, and how long they stay."""

from collections.abc import Iterator
from dataclasses import dataclass

from ferryman.i18n.formats import duration, number, percent
from ferryman.i18n.texts import N_, _
from ferryman.items.model import UNLIMITED, Item, Rules
from ferryman.kinds import TransportName

_NEWEST = {
    "newest": N_("the newest %(n)s by the time of their push"),
    "version": N_("the newest %(n)s by version"),
    "name": N_("the last %(n)s by name"),
}
_TRANSPORTS = {
    "docker": N_("through the Docker Engine"),
    "direct": N_("directly, from registry to registry"),
    "auto": N_("through the Docker Engine where one answers, otherwise directly"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it is about, its sentence, and the patterns that it has."""

    about: str
    text: str
    patterns: tuple[str, ...] = ()


def rules_in_words(item: Item, *, transport: TransportName) -> list[Rule]:
    """The rules of the item. `transport`: the one of the settings, for an item that names none."""
    return [*_which(item.rules), *_how(item, transport), *_asked(item), *_changed(item.rules), *_at_target(item)]


def _which(rules: Rules) -> Iterator[Rule]:
    if rules.include:
        text = _("tags whose whole name matches one of these")
        yield Rule(_("Includes"), text, tuple(each.pattern for each in rules.include))
    else:
        yield Rule(_("Includes"), _("every tag"))
    if rules.exclude:
        text = _("but none whose whole name matches one of these")
        yield Rule(_("Excludes"), text, tuple(each.pattern for each in rules.exclude))
    if rules.limit < UNLIMITED:
        yield Rule(_("Of these"), _(_NEWEST[rules.order]) % {"n": number(rules.limit)})
    if rules.pin:
        text = _("always mirrored, and not counted")
        yield Rule(_("Pinned"), text, tuple(each.pattern for each in rules.pin))
    if rules.min_age:
        yield Rule(_("Waits"), _("until upstream has a digest for %(time)s") % {"time": duration(rules.min_age)})


def _how(item: Item, transport: TransportName) -> Iterator[Rule]:
    if item.platforms is None:
        yield Rule(_("Platforms"), _("what the transport takes by default, all but Windows"))
    else:
        yield Rule(_("Platforms"), str(item.platforms))
    yield Rule(_("Copied"), _(_TRANSPORTS[item.transport or transport]))
    if item.rules.referrers:
        yield Rule(_("With"), _("signatures, attestations and SBOMs"))
    if item.signatures is not None:
        warns = item.signatures.missing == "warn"
        text = _("by one of these, or by nobody at all") if warns else _("by one of these, otherwise not copied")
        yield Rule(_("Signed"), text, tuple(each.in_short for each in item.signatures.rules))


def _asked(item: Item) -> Iterator[Rule]:
    if item.collapse:
        yield Rule(_("Freezes"), _("below %(n)s %% of the wanted tags") % {"n": number(item.collapse)})
    else:
        yield Rule(_("Freezes"), _("never"))
    if item.probe == "always":
        yield Rule(_("Asked"), _("whether it has moved: every tag in every cycle"))
    elif item.immutable:
        text = _("once a week whether it has moved, if the whole name matches one of these")
        yield Rule(_("Asked"), text, tuple(each.pattern for each in item.immutable))


def _changed(rules: Rules) -> Iterator[Rule]:
    """What is done when upstream changes a version tag."""
    texts = {
        "copy": _("whatever upstream changes is copied"),
        "warn": _("what upstream changes is copied and told of, if the whole name matches one of these"),
        "hold": _("what upstream changes is not copied until a person decides, if the whole name matches one of these"),
    }
    patterns = () if rules.on_change == "copy" else tuple(each.pattern for each in rules.versions)
    yield Rule(_("Changed"), texts[rules.on_change], patterns)


def _at_target(item: Item) -> Iterator[Rule]:
    """What becomes of that which is mirrored."""
    if item.verify is not None:
        yield Rule(
            _("Verified"), _("every tag at the target, once in %(time)s") % {"time": duration(item.verify.every)}
        )
    if item.history:
        yield Rule(_("Kept"), _("what a tag named before, for %(time)s") % {"time": duration(item.history)})
    if item.prune is not None:
        text = _("what these rules no longer want, after %(time)s and at most %(part)s a day")
        yield Rule(_("Removed"), text % {"time": duration(item.prune.after), "part": percent(item.prune.most)})
        if item.prune.foreign:
            yield Rule(_("Removed"), _("likewise what others have put at the target"))
    if item.protect:
        text = _("never removed, if the whole name matches one of these")
        yield Rule(_("Protected"), text, tuple(each.pattern for each in item.protect))
