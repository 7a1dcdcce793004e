"""`ferryman look`: let the service look at items now."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ferryman.commands.actor import this_user
from ferryman.commands.options import item_arguments, items_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.item_names import select
from ferryman.operations.look import request_look
from ferryman.record import open_record
from ferryman.settings import Settings
from ferryman.wording import counted


@click.command
@item_arguments
@items_option
def command(item: tuple[str, ...], items: Path | None) -> None:
    """Let the service look at items now, and copy what is new.

    At every ITEM (default: all). Returns at once. Its timetable stays as it is. Without a service, use `ferryman sync`.
    """
    sys.exit(run(look(load_settings(items), item)))


async def look(settings: Settings, names: Sequence[str]) -> int:
    """Request a look. Returns the exit code; 1: nothing looks, or some are paused. Raises ConfigurationError."""
    configured = load_items(settings).items
    items = select(configured, names)
    async with open_record(settings) as record:
        paused = await record.manual_pauses.read()
        held = [each for each in items if paused.of_item(str(each.target), each.source.registry)]
        going = [each for each in items if each not in held]
        for each in held:
            click.echo(f"error: {each.name} is paused: see `ferryman status`, and `ferryman resume`", err=True)
        if not going:
            return 1
        targets = {str(each.target) for each in going}
        result = await request_look(record, targets if len(going) < len(configured) else None, actor=this_user())
    if not result.scheduler:
        click.echo("error: no service looks on this database: use `ferryman sync`, or start `ferryman run`", err=True)
        return 1
    said = "requested" if result.is_new else "requested already"
    click.echo(f"a look at {counted(len(going), 'item')} is {said}")
    return 1 if held else 0
