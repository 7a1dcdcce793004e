"""Write a message: what happened, to whom, what mends it, and where the page shows it. In the recipient's language.

A message is short enough for the strictest service (WeCom: 2,048 bytes), and its first line is its title.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ferryman.i18n.formats import size
from ferryman.i18n.languages import languages
from ferryman.i18n.texts import _, ngettext, using
from ferryman.items.model import FAILURES
from ferryman.kinds import LanguageCode
from ferryman.notify.messages import Message
from ferryman.notify.neutral import neutralised
from ferryman.page_links import cause_path, item_path, registry_path
from ferryman.remedies import OWN_DISK, remedy_for
from ferryman.store.notices import Delivery

_LONGEST = 1900  # bytes in UTF-8, title and all
_LONGEST_TITLE = 200  # bytes
_LONGEST_NAME = 60  # characters
_LONGEST_ERROR = 200  # characters
_MOST_ITEMS = 5  # that are named
_APP = "Ferryman: "


@dataclass(frozen=True, slots=True)
class _Block:
    headline: str
    lines: tuple[str, ...] = ()
    path: str = "/"  # of the page that is about it

    def text(self, page: str | None, *, with_headline: bool) -> str:
        """Its paragraph, which ends with the link to the page."""
        return "\n".join((*([self.headline] if with_headline else ()), *self.lines)) + self.link(page)

    def link(self, page: str | None) -> str:
        if page is None:
            return ""
        return f"\n\n{page}" if self.path == "/" else f"\n\n{page.rstrip('/')}{self.path}"


def message(deliveries: Sequence[Delivery], language: LanguageCode, *, page: str | None) -> Message:
    """One message about all of this. `page`: the address of Ferryman's page."""
    with using(languages()[language]):
        blocks = list(_blocks(deliveries))
        failed = any(each.phase != "over" and each.event in FAILURES for each in deliveries)
        return Message(_title(blocks), _body(blocks, page), failed)


def trial(name: str, language: LanguageCode, *, page: str | None) -> Message:
    """The message of `ferryman notify --test`."""
    with using(languages()[language]):
        text = _("This is a test: messages reach you by %(name)s.") % {"name": neutralised(name)}
        blocks = [_Block(_("it works"), (text,))]
        return Message(_title(blocks), _body(blocks, page))


def database_message(language: LanguageCode, error: str | None, *, page: str | None) -> Message:
    """The state database fails, or works again (`error` None)."""
    with using(languages()[language]):
        if error is None:
            block = _Block(_("the state database works again"), (_("The work goes on."),))
        else:
            block = _Block(_("the state database fails"), _reason(error))
        return Message(_title([block]), _body([block], page), failed=error is not None)


def _title(blocks: Sequence[_Block]) -> str:
    more = f" (+{len(blocks) - 1})" if len(blocks) > 1 else ""
    return _cut(f"{_APP}{blocks[0].headline}", _LONGEST_TITLE - len(more)) + more


def _body(blocks: Sequence[_Block], page: str | None) -> str:
    room = _LONGEST - _LONGEST_TITLE
    shown: list[str] = []
    for number, block in enumerate(blocks):
        rest = "…" + _("and %(n)s more") % {"n": len(blocks) - number} + (f"\n\n{page}" if page else "")
        paragraph = block.text(page, with_headline=bool(shown))
        if len("\n\n".join((*shown, paragraph, rest)).encode()) > room:
            if shown:
                shown.append(rest)
                break
            link = block.link(page)  # which stays whole
            text = paragraph.removesuffix(link)
            paragraph = _cut(text, room - len(rest.encode()) - len(link.encode()) - 2) + link
        shown.append(paragraph)
    return "\n\n".join(part.strip("\n") for part in shown if part)


def _cut(text: str, most: int) -> str:
    """The text in at most so many bytes."""
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    return encoded[: max(most - len("…".encode()), 0)].decode(errors="ignore") + "…"


def _blocks(deliveries: Sequence[Delivery]) -> Iterable[_Block]:
    """The most urgent first: a refused login; then what is bad; then what is over."""
    groups: dict[tuple[Any, ...], list[Delivery]] = {}
    for each in sorted(deliveries, key=_urgency):
        facts = each.facts
        together = (facts.get("registry"), facts.get("error")) if each.event == "incomplete" else (each.notice,)
        groups.setdefault((each.event, each.phase, *(together if each.phase != "over" else ())), []).append(each)
    return (_block(group) for group in groups.values())


def _urgency(delivery: Delivery) -> tuple[bool, int]:
    order = (
        "login",
        "disk",
        "stalled",
        "frozen",
        "unreachable",
        "incomplete",
        "damaged",
        "held",
        "prune",
        "changed",
        "recovered",
    )
    return delivery.phase == "over", order.index(delivery.event)


def _block(group: Sequence[Delivery]) -> _Block:
    first = group[0]
    since = min(each.since for each in group)
    if first.phase == "over":
        return _Block(_over(group), (_("It began at %(time)s.") % {"time": _time(since)},), _path(group))
    headline, lines = _begun(group)
    if first.phase == "again":
        headline = _("still: %(headline)s") % {"headline": headline}
    if first.event in FAILURES:
        lines = (_("Since %(time)s.") % {"time": _time(since)}, *lines)
    return _Block(headline, tuple(lines), _path(group))


def _path(group: Sequence[Delivery]) -> str:
    """The page that is about this: of a cause, an item, a registry; the first one, if there are several."""
    first, is_over = group[0], group[0].phase == "over"
    registry, target = first.facts.get("registry"), first.facts.get("target")
    match first.event:
        case "login" | "unreachable" if registry:
            kind = "login" if first.event == "login" else "unreachable"
            return registry_path(registry) if is_over else cause_path(kind, registry)
        case "incomplete" if target and (is_over or len(group) == 1):
            return item_path(target)
        case "incomplete" if not is_over and "kind" in first.facts:  # otherwise noted before messages had links
            return cause_path(first.facts["kind"], registry)
        case "stalled":
            return "/waiting"
        case "changed" | "frozen" | "held" | "prune" if target:
            return item_path(target)
    return "/"


def _begun(group: Sequence[Delivery]) -> tuple[str, tuple[str, ...]]:
    facts = group[0].facts
    name = {"registry": _plain(facts.get("registry"))}
    match group[0].event:
        case "incomplete":
            return _incomplete(group)
        case "login":
            tags = int(facts["tags"])
            waiting = ngettext("%(n)s tag waits for it.", "%(n)s tags wait for it.", tags) % {"n": tags}
            return _("%(registry)s refuses the login") % name, (waiting, *_reason(facts["error"]))
        case "unreachable":
            cycles = int(facts["cycles"])
            times = ngettext("In %(n)s cycle in a row.", "In %(n)s cycles in a row.", cycles) % {"n": cycles}
            items = _names(facts["names"], int(facts["items"]))
            return _("%(registry)s cannot be reached") % name, (times, items, *_reason(facts["error"]))
        case "stalled":
            return _("nothing succeeds any more"), (_(remedy_for(None)),)
        case "disk":
            free = size(int(facts["free"]))
            return _("only %(size)s are free on the state database's disk") % {"size": free}, (_(OWN_DISK),)
        case event:
            of_item = {"damaged": _damaged, "frozen": _frozen, "held": _held, "prune": _prune}
            return of_item.get(event, _changed)(facts)


def _incomplete(group: Sequence[Delivery]) -> tuple[str, tuple[str, ...]]:
    """Several items that miss tags for one cause."""
    items = _names([_item(each.facts) for each in group[:_MOST_ITEMS]], len(group), neutral=True)
    tags = [f"{each.facts['item']}:{name}" for each in group for name in each.facts["names"]]
    number = sum(int(each.facts["tags"]) for each in group)
    examples = (_names(tags[:_MOST_ITEMS], number),) if tags else ()
    return _("incomplete: %(items)s") % {"items": items}, (*examples, *_reason(group[0].facts["error"]))


def _damaged(facts: Any) -> tuple[str, tuple[str, ...]]:
    tags, found = int(facts["tags"]), facts["findings"]
    headline = ngettext(
        "%(item)s: %(n)s tag is damaged at the target", "%(item)s: %(n)s tags are damaged at the target", tags
    )
    known = (
        (_("lost for good: %(n)s"), "lost"), (_("missing: %(n)s"), "missing"), (_("incomplete: %(n)s"), "incomplete"),
        (_("overwritten by somebody else: %(n)s"), "changed"),
    )  # fmt: skip
    numbers = ", ".join(text % {"n": int(found[kind])} for text, kind in known if kind in found)
    remedy = _(
        "`ferryman verify ITEM` shows them; with `--repair` it copies again what is missing, with `--repair=all` also "
        "what somebody else has overwritten."
    )
    return headline % {"item": _plain(facts["item"]), "n": tags}, (numbers, remedy)


def _frozen(facts: Any) -> tuple[str, tuple[str, ...]]:
    headline = {
        "vanished": _("%(item)s is frozen: upstream has lost what is mirrored"),
        "changed": _("%(item)s is frozen: all of upstream changed at once"),
        "unavailable": _("%(item)s is frozen: upstream is private or missing now"),
    }[facts["reason"]]
    remedy = _(
        "Nothing of it is copied, overwritten or removed. That ends when upstream is as it was; "
        "`ferryman release ITEM` accepts what it has now. `ferryman status ITEM` names what only you still have."
    )
    return headline % {"item": _plain(facts["item"])}, (neutralised(facts["detail"], _LONGEST_ERROR), remedy)


def _changed(facts: Any) -> tuple[str, tuple[str, ...]]:
    tags = int(facts["tags"])
    headline = ngettext("upstream changed %(n)s version tag", "upstream changed %(n)s version tags", tags)
    return headline % {"n": tags}, (_names(facts["names"], tags),)


def _held(facts: Any) -> tuple[str, tuple[str, ...]]:
    tags = int(facts["tags"])
    headline = ngettext(
        "%(item)s: upstream changed %(n)s version tag, which is held",
        "%(item)s: upstream changed %(n)s version tags, which are held", tags,
    )  # fmt: skip
    remedy = _(
        "`ferryman release ITEM:TAG` copies what upstream has now; `ferryman keep ITEM:TAG` keeps what was mirrored."
    )
    return headline % {"item": _plain(facts["item"]), "n": tags}, (_names(facts["names"], tags), remedy)


def _prune(facts: Any) -> tuple[str, tuple[str, ...]]:
    tags, due = int(facts["tags"]), datetime.fromtimestamp(facts["due"], UTC)
    headline = ngettext(
        "%(item)s: prune is to remove %(n)s tag from the target",
        "%(item)s: prune is to remove %(n)s tags from the target", tags,
    )  # fmt: skip
    remedy = _(
        "If that is right, do nothing. Else name them in `protect`, or widen the rules of the item; "
        "`ferryman prune ITEM` tells why they go."
    )
    first = _("The first goes at %(time)s at the earliest.") % {"time": _time(due)}
    return headline % {"item": _plain(facts["item"]), "n": tags}, (_names(facts["names"], tags), first, remedy)


def _item(facts: Any) -> str:
    name, tags = _plain(facts["item"]), int(facts["tags"])
    if not facts["is_listed"]:
        return _("%(item)s (cannot be listed)") % {"item": name}
    return ngettext("%(item)s (%(n)s tag missing)", "%(item)s (%(n)s tags missing)", tags) % {"item": name, "n": tags}


def _over(group: Sequence[Delivery]) -> str:
    match group[0].event:
        case "incomplete" | "damaged" | "frozen" | "held" | "prune" as event:
            text = {
                "incomplete": _("complete again: %(items)s"),
                "damaged": _("whole at the target again: %(items)s"),
                "frozen": _("not frozen any more: %(items)s"),
                "held": _("no version tag is held any more: %(items)s"),
                "prune": _("no tag is to be removed any more: %(items)s"),
            }[event]
            items = [each.facts["item"] for each in group[:_MOST_ITEMS]]
            return text % {"items": _names(items, len(group))}
        case "login":
            return _("%(registry)s takes the login again") % {"registry": _names(_registries(group), len(group))}
        case "unreachable":
            return _("%(registry)s can be reached again") % {"registry": _names(_registries(group), len(group))}
        case "disk":
            return _("there is room again on the state database's disk")
        case _:
            return _("the work goes on again")


def _registries(group: Sequence[Delivery]) -> list[str]:
    return [each.facts["registry"] for each in group[:_MOST_ITEMS]]


def _reason(error: str | None) -> tuple[str, ...]:
    """What was reported, and what mends it."""
    reported = (neutralised(error, _LONGEST_ERROR),) if error else ()
    return (*reported, _(remedy_for(error)))


def _names(names: Sequence[str], number: int, *, neutral: bool = False) -> str:
    """`a, b, c and 4 more`, of `number`."""
    shown = ", ".join(name if neutral else _plain(name) for name in names)
    more = number - len(names)
    return _("%(names)s and %(n)s more") % {"names": shown, "n": more} if more > 0 else shown


def _plain(name: object) -> str:
    return neutralised(str(name), _LONGEST_NAME)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
