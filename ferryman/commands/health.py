"""`ferryman health`: is the service in this container alive?"""

import sys
from pathlib import Path

import click

from ferryman.commands.options import items_option
from ferryman.commands.running import load_settings, run
from ferryman.operations.services import role_and_host, services_liveness
from ferryman.record import open_record
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
    """The exit code; 0: a service is alive in this container (outside of one: on this host), and none has a problem."""
    async with open_record(settings) as record:
        services = await services_liveness(record)
    here = [liveness for liveness in services if is_here(liveness.service.owner)]
    for liveness in here:
        name = role_and_host(liveness.service)
        if liveness.problem is None:
            click.echo(f"{name} is alive")
        else:
            click.echo(f"error: {name}: {liveness.problem}: see its log, and start it again", err=True)
    if not here:
        click.echo(f"error: no service here, on {this_host()}, has sent a heartbeat in the last minute", err=True)
        for liveness in services:
            name = role_and_host(liveness.service)
            click.echo(f"not judged: {name}, which runs in another container or on another host", err=True)
    return 0 if here and all(liveness.problem is None for liveness in here) else 1
