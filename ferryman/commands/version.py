"""`ferryman version`."""

import click

from ferryman import __version__


@click.command
def command() -> None:
    """Print the version."""
    click.echo(f"ferryman {__version__}")
