"""`ferryman export-history`: the record as the text files of the first Ferryman."""

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from ferryman import history
from ferryman.commands.options import folder_option, items_option, zone_option
from ferryman.commands.running import load_settings, run
from ferryman.record import open_record
from ferryman.settings import Settings
from ferryman.wording import counted


@click.command
@folder_option
@zone_option
@items_option
def command(folder: Path, zone: ZoneInfo, items: Path | None) -> None:
    """Write the record as the text files of the first Ferryman."""
    run(export_history(load_settings(items), folder, zone))


async def export_history(settings: Settings, folder: Path, zone: ZoneInfo) -> None:
    """Export the record as text files."""
    async with open_record(settings) as record:
        report = await history.export_history(record.ledger, folder=folder, zone=zone)
    for problem in report.problems:
        click.echo(f"warning: {problem}", err=True)
    click.echo(f"{counted(len(report.files), 'file')} in {folder}, {len(report.changed)} of them changed")
