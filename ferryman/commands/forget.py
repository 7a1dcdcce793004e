"""`ferryman forget`: drop the record of former items."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ferryman.application import load_items, open_record
from ferryman.commands.known_items import known_items
from ferryman.commands.options import item_arguments, items_option
from ferryman.commands.running import load_settings, run
from ferryman.errors import ConfigurationError, Problem
from ferryman.item_names import targets_of
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
    load_items(settings)  # raises for an invalid items.yml, with which no item would be a former one
    async with open_record(settings) as record:
        known, former = await known_items(settings, record)
        if still := [name for name in names if any(name in each.spellings for each in known)]:
            raise ConfigurationError([Problem(f"items.yml still names {name!r}") for name in still])
        targets = targets_of(former, names) if names else {each.target for each in former}
        items = await record.ledger.summary(targets)
        for item in items:
            click.echo(f"{item.name}, to {item.target}: {counted(sum(item.counts.values()), 'tag')}")
        if not items:
            click.echo("there are no former items")
            return
        if not yes and not (sys.stdin.isatty() and click.confirm("Drop their record?")):
            raise ConfigurationError([Problem("nothing was dropped: --yes drops the record of these items")])
        number = await record.ledger.forget_items(targets)
    click.echo(f"the record of {counted(number, 'tag')} was dropped; what the registries hold stays")
