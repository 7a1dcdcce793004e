"""`ferryman where`: the mirrored name of an image, whether it is there, and its digest."""

import sys
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from ferryman.clock import SystemClock
from ferryman.commands.json_output import print_json_list
from ferryman.commands.options import complete_items, items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.errors import ConfigurationError, Problem
from ferryman.item_names import named
from ferryman.moments import parse_moment
from ferryman.operations.where import Place, places
from ferryman.record import open_record
from ferryman.settings import Settings
from ferryman.views import text_tables
from ferryman.views.documents.tag_history import PlaceDocument


@click.command
@click.argument("image", metavar="IMAGE[:TAG]", shell_complete=complete_items)
@click.option("--at", metavar="TIME", help="The digest then: 2026-11-24, 2026-11-24 12:00, or 3d for days ago.")
@items_option
@json_option
def command(image: str, at: str | None, items: Path | None, as_json: bool) -> None:
    """Show where an image is mirrored to, whether it is there, and which digest it has, or had.

    From the record: no registry is asked. Exit code 1 if it is not mirrored.
    """
    sys.exit(run(where(load_settings(items), image, at=at, as_json=as_json)))


async def where(settings: Settings, image: str, *, at: str | None, as_json: bool) -> int:
    """Print the places. Returns the exit code. Raises ConfigurationError, StoreError."""
    now = SystemClock().now()
    try:
        moment = parse_moment(at, now=now) if at else None
    except ValueError as error:
        raise ConfigurationError([Problem(f"--at: {error}")]) from None
    known = named(load_items(settings).items)
    async with open_record(settings) as record:
        found = await places(record, known, image, at=moment, now=now)
    if as_json:
        print_json_list(map(PlaceDocument.of, found))
    else:
        text_tables.console().print(_table(found))
    return 0 if all(each.mirrored for each in found) else 1


def _table(found: list[Place]) -> Table:
    table = text_tables.new_table("name", "mirrored", "digest", "pull")
    for each in found:
        mirrored = f"{each.tags} tags" if each.tags is not None else "yes" if each.mirrored else "no"
        table.add_row(Text(each.name), mirrored, Text(each.digest or "-"), Text(each.pull or "-"))
    return table
