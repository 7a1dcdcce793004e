"""Which tags a form asks to queue again: one, a cause of failures, an item's, or all that failed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from ferryman.i18n.formats import number
from ferryman.i18n.texts import _, current, ngettext
from ferryman.item_names import Named
from ferryman.operations.requeue import count_requeue
from ferryman.record import Record
from ferryman.store.database.tables import TagCondition
from ferryman.store.queries.causes import PAUSING, of_group
from ferryman.store.queries.held_tags import HeldTags, read_held_tags
from ferryman.store.queries.item_tags import TagFilter
from ferryman.views.verdict_sentences import cause_in_words
from ferryman.web.context import context
from ferryman.web.named_items import all_items, item_named
from ferryman.web.tag_filters import as_fields, read_filter


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be queued again."""

    targets: Collection[str]
    tag: str | None = None
    only_failed: bool = False
    among: TagCondition | None = None
    lifting: Collection[str] | None = None  # the registries whose pauses end; None: all that hold these tags back
    detail: str | None = None  # for the audit log, in English
    what: str = ""  # in the reader's language

    def question(self, tags: int) -> str:
        """What to ask before so many tags are queued."""
        text = ngettext("Queue %(n)s tag again?", "Queue %(n)s tags again?", tags)
        if self.what:
            text = ngettext("Queue %(n)s tag again (%(what)s)?", "Queue %(n)s tags again (%(what)s)?", tags)
        return text % {"n": number(tags), "what": self.what}


async def read_choice(request: web.Request, fields: Mapping[str, str]) -> Choice:
    """What the form names. Raises Refused."""
    now = context(request).clock.now()
    if fields.get("item"):
        item = item_named(request, fields["item"])
        if tag := fields.get("tag"):
            return Choice([item.target], tag=tag)
        async with context(request).record.database.read() as connection:
            held = await read_held_tags(connection, now, item.target)
        return of_filter(item, read_filter(fields), held)
    targets = {each.target for each in all_items(request)}
    if "kind" in fields:
        return of_cause(targets, fields["kind"] or None, fields.get("registry") or None, now)
    return all_failed(targets)


def of_filter(item: Named, wanted: TagFilter, held: HeldTags) -> Choice:
    """The tags of the item that its page shows. `held`: those that wait for the end of a pause."""
    if wanted.is_empty:
        return Choice([item.target], what=item.name)
    shown = ", ".join(f"{name} {value}" for name, value in as_fields(wanted).items())
    return Choice([item.target], among=wanted.condition(held), detail=shown, what=f"{item.name}: {shown}")


def all_failed(targets: Collection[str]) -> Choice:
    """All failed tags of these items."""
    return Choice(targets, only_failed=True, what=_("all that failed, and what waits for their registries"))


def of_cause(targets: Collection[str], kind: str | None, registry: str | None, now: datetime) -> Choice:
    """The tags of these items that fail for one cause, and those that its pause holds back."""
    return Choice(
        targets,
        among=of_group(kind, registry, now),
        lifting=[registry] if registry and kind in PAUSING else [],
        detail=cause_in_words(kind, registry, None),
        what=cause_in_words(kind, registry, None, current().texts),
    )


async def count(record: Record, choice: Choice) -> int:
    """How many tags that would queue now. Raises StoreError."""
    return await count_requeue(
        record, choice.targets, tag=choice.tag, only_failed=choice.only_failed,
        among=choice.among, lifting=choice.lifting,
    )  # fmt: skip
