"""`ferryman keep`: keep what was mirrored of a tag that upstream has changed."""

import sys
from pathlib import Path

import click

from ferryman.clock import SystemClock
from ferryman.commands.actor import this_user
from ferryman.commands.options import complete_items, items_option
from ferryman.commands.running import load_settings, run
from ferryman.commands.tag_named import targets_and_tag
from ferryman.configuration import load_items
from ferryman.operations.known_items import known_items
from ferryman.operations.tag_history import keep_tag, recorded_history
from ferryman.record import open_record
from ferryman.settings import Settings


@click.command
@click.argument("what", metavar="ITEM:TAG", shell_complete=complete_items)
@items_option
def command(what: str, items: Path | None) -> None:
    """Keep what was mirrored of a tag that upstream has changed."""
    sys.exit(run(keep(load_settings(items), what)))


async def keep(settings: Settings, what: str) -> int:
    """Keep the tag. Returns the exit code; 1: it is not held for a change. Raises ConfigurationError, StoreError."""
    items = load_items(settings).items
    async with open_record(settings) as record:
        targets, tag = targets_and_tag(await known_items(record, items), what)
        found = await recorded_history(record, targets, tag, SystemClock().now())
        names = [each.record.target for each in found]
        kept = [each for each in names if await keep_tag(record, each, tag, actor=this_user())]
    for name in names:
        if name in kept:
            click.echo(f"{name}:{tag} stays as it is: what upstream has now is not copied")
        else:
            click.echo(f"error: {name}:{tag} is not held because upstream has changed it", err=True)
    return 0 if kept == names else 1
