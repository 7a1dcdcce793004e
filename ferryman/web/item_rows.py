"""The items as rows of the overview: what state each is in, which of them are shown, and the cells of their looks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, get_args
from urllib.parse import urlencode

from ferryman.i18n.formats import number
from ferryman.i18n.texts import N_, _, ngettext
from ferryman.operations.overview import ItemOverview
from ferryman.store.queries.look_strips import LookAtItem

ItemState = Literal["failing", "paused", "working", "complete", "unseen"]
STATES: tuple[ItemState, ...] = get_args(ItemState)
STATE_NAMES: Mapping[str, str] = {
    "": N_("All"),
    "failing": N_("Failing"),
    "paused": N_("Paused"),
    "working": N_("Working"),
    "complete": N_("Complete"),
    "unseen": N_("Not looked at yet"),
}
_ROWS = 100  # of one page of the table
_LONGEST_TEXT = 200  # characters


@dataclass(frozen=True, slots=True)
class ItemsFilter:
    """Which items the overview shows, as its address says it."""

    state: ItemState | None = None  # None: all
    text: str = ""  # a part of the name, the source or the target
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "ItemsFilter":
        """What the address asks for; what makes no sense is left out."""
        state = next((each for each in STATES if each == query.get("state")), None)
        page = query.get("page", "")
        text = query.get("text", "").strip()[:_LONGEST_TEXT]
        return cls(state, text, int(page) if page.isdecimal() and 0 < len(page) < 6 else 1)  # noqa: PLR2004 - a sane number

    @property
    def is_set(self) -> bool:
        """Whether it leaves items out."""
        return self.state is not None or bool(self.text)

    def address(self, state: str) -> str:
        """The address of the same table with another state; empty: with all."""
        query = {name: value for name, value in (("state", state), ("text", self.text)) if value}
        return f"/?{urlencode(query)}" if query else "/"


@dataclass(frozen=True, slots=True)
class ShownItems:
    """One page of the table."""

    rows: Sequence[ItemOverview]
    page: int
    pages: int
    found: int  # items that the filter lets through
    by_state: Mapping[str, int]  # items with the text, by state; "": all of them


def shown(items: Sequence[ItemOverview], wanted: ItemsFilter) -> ShownItems:
    """The items that are asked for."""
    text = wanted.text.lower()
    named = [each for each in items if text in f"{each.name}\n{each.source}\n{each.target}".lower()]
    by_state: Counter[str] = Counter(map(state_of, named))
    found = [each for each in named if wanted.state in {None, state_of(each)}]
    pages = max(1, -(-len(found) // _ROWS))
    page = min(wanted.page, pages)
    rows = found[(page - 1) * _ROWS : page * _ROWS]
    return ShownItems(rows, page, pages, len(found), {"": len(named), **by_state})


def state_of(item: ItemOverview) -> ItemState:
    """The one state that an item is counted under: the one that most needs a person."""
    counts = item.counts
    if counts.failed or counts.held or counts.unread or counts.changed or item.failure is not None:
        return "failing"
    if item.pause is not None:
        return "paused"
    if counts.queued > counts.quarantined or counts.running:
        return "working"
    return "complete" if item.walked_at is not None or counts.wanted else "unseen"


def row_id(target: str) -> str:
    """The id of an item's row in the page."""
    return f"item-{sha256(target.encode()).hexdigest()[:12]}"


def cells(looks: Sequence[LookAtItem]) -> list[tuple[str, str]]:
    """Looks as cells of a strip: the status of each, and what it means."""
    return [_cell(look) for look in looks]


def _cell(look: LookAtItem) -> tuple[str, str]:
    status, text = _outcome(look)
    return status, f"{_moment(look.at)}: {text}"


def _outcome(look: LookAtItem) -> tuple[str, str]:
    if look.outcome == "failed":
        return "failed", _("not looked at: %(error)s") % {"error": look.error or look.error_kind or "?"}
    if look.outcome == "paused":
        return "missed", _("not looked at: paused")
    copied = ngettext("%(n)s tag copied", "%(n)s tags copied", look.copied) % {"n": number(look.copied)}
    if look.failed:
        failed = ngettext("%(n)s tag failed", "%(n)s tags failed", look.failed) % {"n": number(look.failed)}
        return "failed", f"{failed}, {copied}" if look.copied else failed
    if look.copied:
        return "copied", copied
    if look.enqueued:
        text = ngettext("%(n)s tag queued", "%(n)s tags queued", look.enqueued)
        return "busy", text % {"n": number(look.enqueued)}
    return "nothing", _("nothing new")


def _moment(at: datetime) -> str:
    return at.isoformat(" ", "minutes")[:16]  # without its zone; by hand: there are thousands of them in a page
