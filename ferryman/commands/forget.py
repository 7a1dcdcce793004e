"""`ferryman forget`: drop the record of former items."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ferryman.commands.actor import this_user
from ferryman.commands.options import item_arguments, items_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.errors import ConfigurationError, Problem
from ferryman.operations.forget import forget_items, former_items
from ferryman.operations.known_items import known_items
from ferryman.record import open_record
from ferryman.settings import Settings
from ferryman.wording import counted


@click.command
@item_arguments
@click.option("--yes", is_flag=True, help="Do not ask.")
@items_option
def command(item: tuple[str, ...], yes: bool, items: Path | None) -> None:
    """Drop the record of items that items.yml names no more.

    Of every ITEM, or of all of them, history and attempts included. What the registries hold stays.
    """
    run(forget(load_settings(items), item, yes=yes))


async def forget(settings: Settings, names: Sequence[str], *, yes: bool) -> None:
    """Drop the records of former items. Raises ConfigurationError, also if the user does not confirm."""
    configured = load_items(settings).items  # raises for an invalid one, with which no item would be a former one
    async with open_record(settings) as record:
        items = await former_items(record, await known_items(record, configured), names)
        for item in items:
            click.echo(f"{item.name}, to {item.target}: {counted(sum(item.counts.values()), 'tag')}")
        if not items:
            click.echo("there are no former items")
            return
        if not yes and not (sys.stdin.isatty() and click.confirm("Drop their record?")):
            raise ConfigurationError([Problem("nothing was dropped: --yes drops the record of these items")])
        number = await forget_items(record, items, actor=this_user())
    click.echo(f"the record of {counted(number, 'tag')} was dropped; what the registries hold stays")
