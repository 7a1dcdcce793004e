"""The table that `history` prints."""

from datetime import timedelta

from rich.table import Table
from rich.text import Text

from ferryman.store.queries.tag_history import Named, TagHistory
from ferryman.views.text_tables import new_table, when


def history_table(history: TagHistory, period: timedelta) -> Table:
    """A row for each digest, the last one first. `period`: how long digests are kept."""
    table = new_table("since", "until", "digest", "held by")
    for named in reversed(history.named):
        until = "now" if named is history.named[-1] and named.until is None else when(named.until)
        table.add_row(when(named.since), until, Text(named.digest), _holder(named, period))
    return table


def _holder(named: Named, period: timedelta) -> Text:
    if named.holder is None:
        return Text("no tag", style="dim")
    kept = f", until {when(named.kept_at + period)}" if named.kept_at else ""
    return Text(f"{named.holder}{kept}")
