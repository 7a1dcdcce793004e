"""`ferryman migrate`: create or upgrade the state database."""

from pathlib import Path

import click

from ferryman.commands.options import items_option
from ferryman.commands.running import load_settings, run
from ferryman.record import open_record
from ferryman.settings import Settings
from ferryman.store.database.tables import VERSION


@click.command
@items_option
def command(items: Path | None) -> None:
    """Make or upgrade the state database.

    `run`, `sync` and their like do so themselves.
    """
    run(migrate(load_settings(items)))


async def migrate(settings: Settings) -> None:
    """Create the state database, or upgrade it to this version's schema."""
    async with open_record(settings, create=True) as record:
        click.echo(f"state database {record.name}: schema {VERSION}")
