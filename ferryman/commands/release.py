"""`ferryman release`: let upstream's tag be copied again."""

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
from ferryman.operations.tag_history import recorded_history, release_tag
from ferryman.record import open_record
from ferryman.settings import Settings


@click.command
@click.argument("what", metavar="ITEM:TAG", shell_complete=complete_items)
@items_option
def command(what: str, items: Path | None) -> None:
    """Let a tag be copied, after a rollback or in quarantine."""
    sys.exit(run(release(load_settings(items), what)))


async def release(settings: Settings, what: str) -> int:
    """Release the tag. Returns the exit code; 1: nothing held it. Raises ConfigurationError, StoreError."""
    items = load_items(settings).items
    async with open_record(settings) as record:
        targets, tag = targets_and_tag(await known_items(record, items), what)
        found = await recorded_history(record, targets, tag, SystemClock().now())
        names = [each.record.target for each in found]
        released = [each for each in names if await release_tag(record, each, tag, actor=this_user())]
    for name in names:
        if name in released:
            click.echo(f"{name}:{tag} is released: what upstream has now is copied")
        else:
            click.echo(f"error: {name}:{tag} is not held", err=True)
    return 0 if released == names else 1
