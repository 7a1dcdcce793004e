"""`ferryman restore`: make a backup the state database."""

from pathlib import Path

import click

from ferryman.commands.options import items_option
from ferryman.commands.running import load_settings, run
from ferryman.settings import Settings
from ferryman.store import backup
from ferryman.wording import counted


@click.command
@click.argument("file", type=click.Path(path_type=Path))
@items_option
def command(file: Path, items: Path | None) -> None:
    """Make the backup FILE the state database. Stop the service first.

    What was there before is kept under another name. The next cycle asks the targets whether they still name
    what the backup says.
    """
    run(restore(load_settings(items), file))


async def restore(settings: Settings, file: Path) -> None:
    """Replace the state database by a backup. Raises ConfigurationError, StoreError."""
    restored = await backup.restore(settings.database_url.get_secret_value(), file)
    click.echo(
        f"restored {counted(restored.tags, 'tag')}; the next cycle asks the targets whether they still name them"
    )
    if restored.previous is not None:
        click.echo(f"what was there before is now {restored.previous}")
