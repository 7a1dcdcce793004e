"""The table that `verify` prints: what is damaged at the targets."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ferryman.store.queries.findings import Finding
from ferryman.views.long_table import LongTable
from ferryman.views.text_tables import new_table, short, when

_COLUMNS = "item", "tag", "finding", "on record", "at the target", "since", "note"


def long_damage_table(shown: Console) -> LongTable[Finding]:
    """A row per finding, with the record beside what was found."""
    return LongTable(shown, _page, _COLUMNS, _cells)


def _page(findings: Iterable[Finding]) -> Table:
    table = new_table(*_COLUMNS)
    for each in findings:
        item, tag, finding, *rest, note = _cells(each)
        table.add_row(item, tag, Text(finding, style="red"), *rest, Text(note))
    return table


def _cells(each: Finding) -> Sequence[str]:
    return (
        each.item, each.tag, each.finding, short(each.expected), short(each.found), when(each.since), _note(each),
    )  # fmt: skip


def _note(each: Finding) -> str:
    parts = [each.detail] if each.detail else []
    if each.lost:
        parts.append("lost: neither upstream nor another repository of the registry has it")
    elif each.status != "synced":
        parts.append("queued again")
    if each.intact_at is not None:
        parts.append(f"intact at {when(each.intact_at)}")
    return "; ".join(parts)
