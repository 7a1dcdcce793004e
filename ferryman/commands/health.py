"""`ferryman health`: is the service in this container alive?"""

import sys
from pathlib import Path

import click

from ferryman.application import open_record
from ferryman.commands.options import items_option
from ferryman.commands.running import load_settings, run
from ferryman.commands.services import judged_services, role_and_host
from ferryman.settings import Settings
from ferryman.store.queue.lease_owners import is_here, this_host


@click.command
@items_option
def command(items: Path | None) -> None:
    """Tell whether the service in this container is well; outside of one, every service on this host.

    Exit codes: 0 it is, 1 it is not, or there is none. Made for container health checks.
    """
    sys.exit(run(health(load_settings(items))))


async def health(settings: Settings) -> int:
    """0: a service is alive in this container (outside of one: on this host), and none in it is in trouble."""
    async with open_record(settings) as record:
        verdicts = await judged_services(record)
    here = [verdict for verdict in verdicts if is_here(verdict.service.owner)]
    for verdict in here:
        if verdict.problem is None:
            click.echo(f"{role_and_host(verdict.service)} is alive")
        else:
            told = f"{role_and_host(verdict.service)}: {verdict.problem}"
            click.echo(f"error: {told}: see its log, and start it again", err=True)
    if not here:
        click.echo(f"error: no service here, on {this_host()}, has sent a heartbeat in the last minute", err=True)
        for verdict in verdicts:
            told = f"not judged: {role_and_host(verdict.service)}, which runs in another container or on another host"
            click.echo(told, err=True)
    return 0 if here and all(verdict.problem is None for verdict in here) else 1
