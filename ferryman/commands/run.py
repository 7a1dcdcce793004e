"""`ferryman run`: the service."""

from pathlib import Path

import click

from ferryman import service
from ferryman.commands.options import items_option
from ferryman.commands.running import load_settings, run_service


@click.command
@items_option
def command(items: Path | None) -> None:
    """Run the service: look every 6 hours, copy, until SIGTERM."""
    run_service(service.serve(load_settings(items), schedule=True, work=True))
