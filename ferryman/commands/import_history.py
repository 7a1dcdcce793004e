"""`ferryman import-history`: import the text files of the first Ferryman."""

import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from ferryman import history
from ferryman.clock import SystemClock
from ferryman.commands.options import folder_option, items_option, zone_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.record import open_record
from ferryman.settings import Settings
from ferryman.wording import counted


@click.command
@folder_option
@zone_option
@items_option
def command(folder: Path, zone: ZoneInfo, items: Path | None) -> None:
    """Take the text files over: what they list counts as synced."""
    sys.exit(run(import_history(load_settings(items), folder, zone)))


async def import_history(settings: Settings, folder: Path, zone: ZoneInfo) -> int:
    """Import the text files. Returns the exit code; 1: invalid lines were left out."""
    items = load_items(settings).items
    async with open_record(settings, create=True) as record:
        report = await history.import_history(record.ledger, items, folder=folder, zone=zone, now=SystemClock().now())
    for problem in report.problems:
        click.echo(f"{'warning' if problem.line is None else 'error'}: {problem}", err=True)
    for file in report.files:
        click.echo(f"{file.path}: {counted(file.lines, 'line')} for {file.item}, {counted(file.new, 'tag')} new")
    return 1 if any(problem.line is not None for problem in report.problems) else 0
