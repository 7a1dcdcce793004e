"""`ferryman scheduler`: the half of the service that looks up sources and enqueues tags."""

from pathlib import Path

import click

from ferryman import service
from ferryman.commands.options import items_option
from ferryman.commands.running import load_settings, run_service


@click.command
@items_option
def command(items: Path | None) -> None:
    """Run one half of `run`: look and enqueue."""
    run_service(service.serve(load_settings(items), schedule=True, work=False))
