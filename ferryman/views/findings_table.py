"""The table that `check` and `notify` print."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from ferryman.inspection import Finding
from ferryman.views.text_tables import new_table


def findings_table(findings: Iterable[Finding]) -> Table:
    """A row per result of `check`."""
    table = new_table("", "what", "message")
    for finding in findings:
        works = Text("ok", style="green") if finding.works else Text("error", style="red")
        table.add_row(works, Text(finding.what), Text(finding.message))
    return table
