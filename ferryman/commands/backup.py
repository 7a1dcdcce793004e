"""`ferryman backup`: write the state database to a file."""

from pathlib import Path

import click

from ferryman.commands.options import items_option
from ferryman.commands.running import load_settings, run
from ferryman.settings import Settings
from ferryman.store import backup
from ferryman.wording import counted


@click.command
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it is there already.")
@items_option
def command(file: Path, force: bool, items: Path | None) -> None:
    """Write the state database to FILE, in use or not.

    For SQLite; PostgreSQL has pg_dump.
    """
    run(back_up(load_settings(items), file, force=force))


async def back_up(settings: Settings, file: Path, *, force: bool) -> None:
    """Write a backup of the state database. Raises ConfigurationError, StoreError."""
    tags = await backup.back_up(settings.database_url.get_secret_value(), file, force=force)
    click.echo(f"{file}: {counted(tags, 'tag')}")
