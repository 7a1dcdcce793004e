"""`ferryman worker`: the half of the service that claims and copies tags."""

from pathlib import Path

import click

from ferryman import service
from ferryman.commands.options import items_option
from ferryman.commands.running import load_settings, run_service


@click.command
@items_option
def command(items: Path | None) -> None:
    """Run the other half of `run`: claim and copy."""
    run_service(service.serve(load_settings(items), schedule=False, work=True))
