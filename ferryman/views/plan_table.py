"""The table that `plan` prints."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from ferryman.scheduler import ItemLookup
from ferryman.views.reasons import reason_in_words
from ferryman.views.text_tables import coloured, new_table, short, when


def plan_table(looked: Iterable[ItemLookup]) -> Table:
    """A row per tag of every item: the action, and the reason."""
    table = new_table("item", "tag", "action", "reason", "pushed", "digest")
    for each in looked:
        for decision in each.decisions:
            table.add_row(
                each.item.name,
                decision.tag,
                coloured(decision.action),
                Text(decision.detail or reason_in_words(decision.reason)),
                when(decision.pushed_at),
                short(decision.digest),
            )
    return table
