"""The table that `plan` prints."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ferryman.items.model import Item
from ferryman.planner import Decision
from ferryman.probing import Probe
from ferryman.store.records import PlannedPrune
from ferryman.views.long_table import LongTable
from ferryman.views.reasons import probe_in_words, reason_in_words
from ferryman.views.text_tables import coloured, new_table, short, when

_COLUMNS = "item", "tag", "action", "reason", "pushed", "digest"

# With its next question, if this look did not ask for it; and when it leaves the target, if it does.
_Planned = tuple[Item, Decision, Probe | None, PlannedPrune | None]


def long_plan_table(shown: Console) -> LongTable[_Planned]:
    """A row per tag of every item: the action, and the reason."""
    return LongTable(shown, _page, _COLUMNS, _cells)


def _page(planned: Iterable[_Planned]) -> Table:
    table = new_table(*_COLUMNS)
    for each in planned:
        item, tag, action, reason, *rest = _cells(each)
        table.add_row(item, tag, coloured(action), Text(reason), *rest)
    return table


def _cells(planned: _Planned) -> Sequence[str]:
    item, decision, rested, prune = planned
    reason = decision.detail or reason_in_words(decision.reason)
    if rested is not None:
        reason += f"; asked {probe_in_words(rested.reason)}, next after {when(rested.at)}"
    if prune is not None:
        reason += "; goes from the target" + ("" if prune.action == "remove" else f" at {when(prune.due_at)}")
    return item.name, decision.tag, decision.action, reason, when(decision.pushed_at), short(decision.digest)
